"""What a training of every task has in a comparison: its place among the runs, its folder, its costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from graphns import registry
from graphns.compare.memory import now_mb, peak_mb, reset_peak
from graphns.compare.settings import file_name
from graphns.compare.specs import Spec
from graphns.pipelines.checkpoint import NAME

Report = Callable[[dict[str, Any]], None]
CHECKPOINT = "checkpoint"


class Trained(Protocol):
    """What a pipeline tells of a training."""

    @property
    def losses(self) -> list[float]:
        """One per epoch."""

    @property
    def epoch_seconds(self) -> list[float]:
        """Wall time of each epoch."""

    @property
    def sample_seconds(self) -> list[float]:
        """Of it, drawing."""


T = TypeVar("T", bound=Trained)


def sampler_tasks(samplers: tuple[Spec, ...], seeds: range, both: bool, audited: bool) -> list[dict[str, Any]]:
    """A task for each sampler and seed, with `both` also for its corrected form; the first seed's is audited too.

    The audit looks at both forms at once, so it is of the uncorrected run.
    """
    found: list[dict[str, Any]] = []
    for spec in samplers:
        sampler = {"text": spec.text, "name": spec.name, "options": spec.options, "target": spec.target}
        for corrected in (False, True) if both and spec.name != "all" else (False,):
            found.extend({"kind": "train", "name": spec.text + ", corrected" * corrected, "seed": seed,
                          "sampler": sampler, "corrected": corrected,
                          "audit": audited and seed == 0 and not corrected} for seed in seeds)
    return found


def measured(train: Callable[[], T]) -> tuple[T, dict[str, Any]]:
    """A training, and its costs in plain values: times, and memory from now on."""
    reset_peak()
    before = now_mb()
    result = train()
    peak = peak_mb()
    seconds = result.epoch_seconds
    return result, {
        "loss": result.losses[-1], "epochs": len(result.losses), "seconds_per_epoch": _median(seconds[1:] or seconds),
        "draw_share": sum(result.sample_seconds) / max(sum(seconds), 1e-12), "peak_mb": peak,
        "added_mb": max(0.0, peak - before),
    }


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def family(spec: Spec) -> str:
    """The family of a sampler; "third party" where the registry does not know it."""
    found = {entry.target: entry.family for entry in registry.entries("sampler")}.get(spec.target, "third party")
    return "reference" if spec.name == "all" else found


def progress(report: Report) -> Callable[[int, int, float], None]:
    """What a pipeline calls after each epoch."""
    return lambda epoch, of, loss: report({"epoch": epoch, "of": of, "note": f"loss {loss:.3f}"})


def unfinished(task: dict[str, Any]) -> Path:
    """Where a training keeps its checkpoint until it is done."""
    return Path(task["folder"]) / "runs" / file_name(task["name"]) / f"unfinished-{task['seed']}"


def frozen_path(task: dict[str, Any]) -> Path:
    """Where the frozen model lies."""
    return Path(task["folder"]) / "runs" / file_name(CHECKPOINT) / "model.pt"


def forget(folder: Path) -> None:
    """Remove the checkpoint of a run that is done."""
    (folder / NAME).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
