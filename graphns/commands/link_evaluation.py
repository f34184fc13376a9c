"""What a trained model and the heuristics reach on held-out edges, side by side."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from graphns.commands.link_run import read_model, read_run
from graphns.compare.files import write_text
from graphns.compare.link_source import LinkSource
from graphns.metrics.links import LinkEvaluation, evaluate_links
from graphns.pipelines.link_prediction import evaluate
from graphns.scorers.heuristics import HEURISTICS

MODEL = "model"


@dataclass(frozen=True, eq=False)
class LinkFigure:
    """What one scorer reached on one part.

    Args:
        row: `MODEL` or a heuristic.
        data: name of the data.
        setting: where their negatives come from.
        part: "valid" or "test".
        metric: the data's official one.
        evaluation: all of them.
    """

    row: str
    data: str
    setting: str
    part: str
    metric: str
    evaluation: LinkEvaluation


def evaluate_link(
    run: Path | None, source: LinkSource | None = None, *, parts: Sequence[str] = ("valid", "test"),
    heuristics: Sequence[str] = (), setting: str | None = None,
) -> Iterator[LinkFigure]:
    """Score held-out edges by a run's model, by heuristics of the training graph, or both.

    Args:
        run: folder of `graphns train link`; None: heuristics alone.
        source: the data; None: the run's.
        parts: of "valid" and "test".
        heuristics: names in `graphns.scorers.heuristics.HEURISTICS`.
        setting: other negatives than the run was validated with.

    Raises:
        ValueError: neither a run nor data; an unknown name, or no part; the folder is no finished run; or the data are
            split otherwise than for the run, whose training edges would be among those held out.
    """
    for name in heuristics:
        if name not in HEURISTICS:
            raise ValueError(f"no heuristic is called {name!r}; there are: {', '.join(HEURISTICS)}")
    if not parts:
        raise ValueError("there is nothing to score: name a part, valid, test, or both")
    for part in parts:
        if part not in ("valid", "test"):
            raise ValueError(f"no part is called {part!r}; there are: valid, test")
    if run is None and source is None:
        raise ValueError("name the folder of a run, or --data")
    if run is None and not heuristics:
        raise ValueError("there is nothing to score by: name the folder of a run, or --heuristics cn,aa,ra")
    theirs, config = (None, None) if run is None else read_run(run)
    asked = source or theirs
    assert asked is not None
    for name in ("val", "test", "split_seed"):
        own, other = getattr(asked, name), getattr(theirs or asked, name)
        if own != other:
            raise ValueError(f"{run} was trained on the split of {name} = {other}; with {own}, edges that it has "
                             "learned would be held out: leave it out")
    data = (asked if setting is None else replace(asked, setting=setting)).load()
    model = None if run is None or config is None else read_model(run, data, config)
    for part in parts:
        if model is not None and config is not None:
            found = evaluate(model, data, part, config.use_valid_edges and part == "test")
            yield LinkFigure(MODEL, data.name, data.setting, part, data.metric, found)
        for name in heuristics:
            found = evaluate_links(HEURISTICS[name](data.graph).pairs, data.part(part))
            yield LinkFigure(name, data.name, data.setting, part, data.metric, found)


def to_csv(figures: Sequence[LinkFigure], path: Path) -> None:
    """Write a row a figure, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(figures[0].evaluation.as_dict())
    writer.writerow(["row", "data", "setting", "part", "metric", *names])
    for each in figures:
        writer.writerow([each.row, each.data, each.setting, each.part, each.metric,
                         *each.evaluation.as_dict().values()])
    write_text(path, text.getvalue())


def table(rows: Mapping[str, LinkEvaluation]) -> str:
    """Rows of metrics in per cent, as plain text with aligned columns."""
    if not rows:
        return ""
    names = list(next(iter(rows.values())).as_dict())
    cells = [["", *names]] + [[label, *(f"{100 * value:.2f}" for value in each.as_dict().values())]
                              for label, each in rows.items()]
    widths = [max(len(row[column]) for row in cells) for column in range(len(names) + 1)]
    return "\n".join("  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                               for column, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
                     for row in cells)
