"""The bookkeeping of a leaderboard script: a result an epoch, and of each run the figures at its best validation."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from itertools import starmap

from graphns.compare.statistics import mean_std

LABELS = ("Highest Train", "Highest Valid", "  Final Train", "   Final Test")


@dataclass(frozen=True)
class Score:
    """What a run has reached; shares in [0, 1].

    Args:
        highest_train: over all epochs.
        highest_valid: over all epochs; it chooses the epoch of the two that follow, the first of equals.
        final_train: at that epoch.
        final_test: at that epoch; test nodes or edges choose nothing.
        epoch: that epoch, from 1.
    """

    highest_train: float
    highest_valid: float
    final_train: float
    final_test: float
    epoch: int


FIGURES = tuple(field.name for field in fields(Score) if field.name != "epoch")


class Logger:
    """Scores of several runs, written as OGB's examples write them.

    Args:
        runs: how many there will be.

    Raises:
        ValueError: not even one.
    """

    def __init__(self, runs: int) -> None:
        if runs < 1:
            raise ValueError(f"runs must be at least 1, got {runs}")
        self.results: list[list[tuple[float, float, float]]] = [[] for _ in range(runs)]
        self.epochs: list[list[int]] = [[] for _ in range(runs)]
        self.finished: dict[int, Score] = {}

    def add_result(self, run: int, result: tuple[float, float, float], epoch: int | None = None) -> None:
        """Note the shares of (train, valid, test) that a run, counted from 0, has right after an epoch.

        Args:
            run: which one.
            result: the shares.
            epoch: from 1; None: the one after the last.
        """
        if len(result) != 3 or not 0 <= run < len(self.results):
            raise ValueError(f"need (train, valid, test) of a run below {len(self.results)}, got {result} of {run}")
        last = self.epochs[run][-1] if self.epochs[run] else 0
        if epoch is not None and epoch <= last:
            raise ValueError(f"epoch {epoch} of run {run + 1} comes after epoch {last}")
        self.results[run].append(result)
        self.epochs[run].append(last + 1 if epoch is None else epoch)

    def keep(self, run: int, score: Score) -> None:
        """Take over the score of a run that an earlier call of the script has finished."""
        self.finished[run] = score

    def score(self, run: int) -> Score:
        """What a run has reached.

        Raises:
            ValueError: it has no result.
        """
        if run in self.finished:
            return self.finished[run]
        results = self.results[run]
        if not results:
            raise ValueError(f"run {run + 1} has no result")
        best = max(range(len(results)), key=lambda number: results[number][1])
        train, valid, test = results[best]
        return Score(max(each[0] for each in results), valid, train, test, self.epochs[run][best])

    def statistics(self) -> dict[str, tuple[float, float]]:
        """Mean and sample standard deviation of each figure, over the runs that have results."""
        known = [self.score(run) for run in range(len(self.results)) if run in self.finished or self.results[run]]
        return {name: mean_std([getattr(score, name) for score in known]) for name in FIGURES}

    def print_statistics(self, run: int | None = None) -> None:
        """Print, in per cent, what one run has reached; or of all of them mean and standard deviation."""
        if run is not None:
            head, values = f"Run {run + 1:02d}:", [f"{100 * value:.2f}" for value in astuple(self.score(run))[:4]]
        else:
            head, values = "All runs:", list(starmap(_both, self.statistics().values()))
        lines = [f"{label}: {value}" for label, value in zip(LABELS, values, strict=True)]
        print("\n".join([head, *lines]), flush=True)


def _both(mean: float, deviation: float) -> str:
    return f"{100 * mean:.2f} ± {100 * deviation:.2f}"
