"""Equal tuning budgets: the same trials for everybody, validation chooses, and then a training a seed; resumable."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from rows import Rows

TUNING_SEED = 1000  # of the trials; no reported run has it
Space = dict[str, Any]
"""What is tuned where a method has such a setting: its name, and (kind, bounds …); kinds are "float" (low, high, log),
"rates" (low, high; one for each of two views) and "choice" (values)."""


def propose(trial: optuna.Trial, space: Space, known: set[str]) -> dict[str, Any]:
    """The settings of a trial."""
    found: dict[str, Any] = {}
    for name, (kind, *rest) in space.items():
        if name not in known:
            continue
        if kind == "float":
            found[name] = round(trial.suggest_float(name, rest[0], rest[1], log=rest[2]), 6)
        elif kind == "choice":
            found[name] = trial.suggest_categorical(name, rest[0])
        else:
            found[name] = [round(trial.suggest_float(f"{name}_{view}", *rest), 3) for view in (1, 2)]
    return found


def preset(space: Space, known: dict[str, Any]) -> dict[str, Any]:
    """The first trial, in Optuna's words: the method's own settings, moved into the space where they lie outside."""
    found: dict[str, Any] = {}
    for name, (kind, *rest) in space.items():
        if name not in known:
            continue
        if kind == "float":
            found[name] = min(max(known[name], rest[0]), rest[1])
        elif kind == "choice":
            found[name] = min(rest[0], key=lambda choice: abs(choice - known[name]))
        else:
            found |= {f"{name}_{view}": min(max(value, rest[0]), rest[1])
                      for view, value in enumerate(known[name], 1)}
    return found


class Clock:
    """Whether the minutes given are over; a training that has begun is finished."""

    def __init__(self, minutes: float | None) -> None:
        self.end = None if minutes is None else time.monotonic() + 60 * minutes

    def over(self) -> bool:
        """Whether nothing is to begin any more."""
        return self.end is not None and time.monotonic() >= self.end


def tune(space: Space, known: dict[str, Any], trials: int, tuning: Rows, key: dict[str, str], clock: Clock,
         train: Callable[[dict[str, Any], int], dict[str, Any]]) -> dict[str, Any] | None:
    """The settings that validation chooses; None where the time is over before all trials are done.

    Args:
        space: what is tuned.
        known: the method's own settings.
        trials: how many.
        tuning: rows of finished trials, and where new ones go.
        key: what tells this method's rows from others'.
        clock: when to begin nothing more.
        train: settings and a seed to what a training gave; its "validation" is what counts.
    """
    # below ten trials Optuna's TPE draws at random, so everybody is given the same
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=TUNING_SEED))
    study.enqueue_trial(preset(space, known))
    best: tuple[float, dict[str, Any]] | None = None
    for number in range(trials):
        trial = study.ask()
        settings = propose(trial, space, set(known))
        row = tuning.find(**key, trial=number)
        if row is None:
            if clock.over():
                return None
            say(f"{name_of(key)}: trial {number + 1} of {trials}, {json.dumps(settings)}")
            done = train(settings, TUNING_SEED)
            row = tuning.add(**key, trial=number, settings=json.dumps(settings), validation=done["validation"],
                             loss=done["loss"], seconds=done["seconds"])
        elif row["settings"] != json.dumps(settings):
            raise ValueError(f"{tuning.path} holds a trial {number} of {key['data']} {key['sampler']} with other "
                             "settings than are proposed now (another Optuna or space): name another --out")
        study.tell(trial, float(row["validation"]))
        if best is None or float(row["validation"]) > best[0]:
            best = float(row["validation"]), settings
    assert best is not None
    return best[1]


def measure(space: Space, known: dict[str, Any], trials: int, seeds: Sequence[int], tuning: Rows, runs: Rows,
            key: dict[str, str], clock: Clock, train: Callable[[dict[str, Any], int], dict[str, Any]]) -> None:
    """Tune, then train every seed; what is in the files is not made again. Arguments as for `tune`."""
    settings = tune(space, known, trials, tuning, key, clock, train)
    if settings is None:
        return
    for seed in seeds:
        if runs.find(**key, trials=trials, seed=seed) is not None:
            continue
        if clock.over():
            return
        say(f"{name_of(key)}: seed {seed}, {json.dumps(settings)}")
        runs.add(**key, trials=trials, seed=seed, settings=json.dumps(settings), **train(settings, seed))


def name_of(key: dict[str, str]) -> str:
    """What a line of progress calls a method."""
    return f"{key['data']} {key['method']} {key['sampler']}"


def say(line: str) -> None:
    """Progress, apart from the results."""
    print(line, file=sys.stderr, flush=True)
