"""The command `graphns eval link`. Nothing heavy is imported before it runs, so `graphns --help` answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def eval_link(
    run: Annotated[Path | None, typer.Argument(help="Folder of a run of 'graphns train link'.")] = None,
    data: Annotated[str | None, typer.Option(help="Links by name or file. Of a run: where its links lie now.")] = None,
    heuristics: Annotated[str, typer.Option(help="Of cn, aa, ra, ppr, katz, separated by commas.")] = "",
    evaluation: Annotated[str | None, typer.Option(help="heart or existing, where the data have both. Default: the "
                                                        "run's.")] = None,
    part: Annotated[str, typer.Option(help="valid, test, or both separated by a comma.")] = "valid,test",
    val: Annotated[float | None, typer.Option(help="Share of the edges for validation, where the split is drawn. "
                                                   "Default: the run's, else 0.05.")] = None,
    test: Annotated[float | None, typer.Option(help="Share for the test. Default: the run's, else 0.1.")] = None,
    split_seed: Annotated[int | None, typer.Option(help="Of that split. Default: the run's, else 0.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets. Default: the run's.")] = None,
    out: Annotated[Path | None, typer.Option(help="A .csv file for the figures.")] = None,
) -> None:
    """Score held-out edges by a trained model and by heuristics: Hits@K, MRR, AUC, AP, ties shared fairly."""
    if out is not None and out.suffix != ".csv":
        raise ValueError(f"cannot write {out.name}: the name must end in .csv")
    if out is not None and not out.parent.is_dir():
        raise ValueError(f"there is no folder {out.parent} to write {out.name} into")
    from dataclasses import replace

    from graphns.commands.link_evaluation import evaluate_link, table, to_csv
    from graphns.commands.link_run import read_run
    from graphns.compare.link_source import LinkSource

    given = {"data": data, "root": None if root is None else str(root), "val": val, "test": test,
             "split_seed": split_seed}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    source = None
    if run is not None:
        source = replace(read_run(run)[0], **changes)
    elif data is not None:
        source = LinkSource(**changes)
    found = list(evaluate_link(run, source, parts=_words(part), heuristics=_words(heuristics), setting=evaluation))
    if out is not None:
        to_csv(found, out)
    first = found[0]
    where = f", {first.setting} negatives" if first.setting else ""
    typer.echo(f"{first.data}{where}: shares in per cent; {first.metric} is what the data are compared by")
    typer.echo(table({f"{each.row}, {each.part}": each.evaluation for each in found}))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
