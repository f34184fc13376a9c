"""What `graphns mine` does around the mining: checks of what is to be written, the sampler, progress, the report."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphns import registry
from graphns.compare.options import option_names
from graphns.compare.specs import POOL_FACTOR, parse, unmet
from graphns.mining.audit import QUANTILES
from graphns.mining.figure import check_picture, negative_scores, score_range, sparkline
from graphns.mining.formats import Format, check_format
from graphns.mining.writing import check_ending

if TYPE_CHECKING:
    from graphns.mining.guards import Guards
    from graphns.mining.mine import Mined
    from graphns.mining.walk import MakeSampler


def check_outputs(out: Path, form: str, scores: bool, audit: Path | None,
                  histogram: Path | None) -> tuple[Format, bool]:
    """The format and whether scores are written, once it is known that everything can be written.

    Raises:
        ValueError: an ending or a format that is not known, or no such folder.
    """
    check_ending(out)
    if audit is not None and audit.suffix != ".json":
        raise ValueError(f"cannot write {audit.name}: the audit's name must end in .json")
    if audit is not None and not audit.parent.is_dir():
        raise ValueError(f"there is no folder {audit.parent} to write {audit.name} into")
    if histogram is not None:
        check_picture(histogram)
    name, asked = check_format(form)
    return name, scores or asked


def import_modules(names: Sequence[str]) -> None:
    """Import modules that may register samplers.

    Raises:
        ValueError: there is no such module.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ValueError(f"cannot import {name}: {error}") from error


def choose_sampler(text: str | None, guards: Guards, draws: int | None) -> tuple[MakeSampler | None, Guards]:
    """What makes the sampler, and the guards without what the sampler does itself.

    A sampler with a window of ranks (random-walk) takes range_min and range_max for it, unless a strategy is named;
    one that chooses from a pool has a pool of four times the draws, unless its options say otherwise.

    Raises:
        ValueError: no such sampler or option, it needs what embeddings have not, or it has no window.
    """
    if text is None:
        return None, guards
    from dataclasses import replace

    spec = parse(text)
    missing = unmet(registry.find(spec.name), {"model": None})
    if missing:
        free = ", ".join(row.name for row in registry.entries("sampler") if not unmet(row, {"model": None}))
        raise ValueError(f"{spec.name} needs {' and '.join(missing)}, which a k-NN graph has not; there are: {free}")
    known = option_names(registry.load(spec.name))
    defaults: dict[str, Any] = {"pool": POOL_FACTOR * (draws or 10 * guards.k)}
    if "window" in known:
        defaults["share"] = 1.0  # all of it from the window: a mining wants no easy ones
        if guards.strategy is None and guards.range_max is not None:
            defaults["window"] = (guards.range_min + 1, guards.range_max)
            guards = replace(guards, range_min=0, range_max=None)
    if guards.strategy is None and (guards.range_min or guards.range_max is not None):
        raise ValueError(f"{spec.name} takes " + ("range_min and range_max together" if "window" in known else
                         "no range_min or range_max: it has no window of ranks. With --strategy top or random they are "
                         "ranks by score among its draws"))
    return (lambda graph: spec.build(graph, **defaults)), guards


@contextmanager
def show_progress() -> Iterator[Callable[[int, int], None] | None]:
    """What shows the anchors done, on a terminal; None elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("anchors"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def show(mined: Mined) -> str:
    """The audit as text: counts, quantiles, and a line of bars for either kind of score."""
    rows = mined.audit.rows()
    wide = max(len(name) for name, _ in rows)
    lines = [f"{name:<{wide}}  {value}" for name, value in rows]
    lines += ["", f"{'score':<12}" + "".join(f"{f'{100 * q:.0f} %':>9}" for q in QUANTILES)]
    for name, values in (("positive", mined.audit.positive), ("negative", mined.audit.negative),
                         ("difference", mined.audit.difference)):
        lines.append(f"{name:<12}" + "".join(f"{value:>9.4f}" for value in values))
    low, high = score_range(mined)
    lines += ["", f"{'':<12}{low:<33.4f}{high:>7.4f}"]
    lines += [f"{name:<12}{sparkline(values, low, high)}"
              for name, values in (("positive", mined.positive_score), ("negative", negative_scores(mined)))]
    return "\n".join(line.rstrip() for line in lines)
