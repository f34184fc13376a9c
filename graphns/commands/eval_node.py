"""The command `graphns eval node`. Nothing heavy is imported before it runs, so `graphns --help` answers at once."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer


def eval_node(
    embeddings: Annotated[Path, typer.Argument(help="Folder of a run of 'graphns train node', or a .npy or .pt file "
                                                    "with embeddings [N, d].")],
    data: Annotated[str | None, typer.Option(help="Data set by name, or .npz or .pt file; default: the run's.")] = None,
    protocol: Annotated[str | None, typer.Option(help="public (masks of the data), random-10-90 or random-10-10-80. "
                                                      "Default: public, where there is one, else "
                                                      "random-10-10-80.")] = None,
    splits: Annotated[int | None, typer.Option(min=1, help="How many; default: every public one, or 20.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first random split; number of the first public one.")] = 0,
    classifier: Annotated[str, typer.Option(help="liblinear (rows of length 1) or descent (rows as they are; needs "
                                                 "validation nodes).")] = "liblinear",
    root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets. Default: the run's.")] = None,
    references: Annotated[bool, typer.Option(help="Measure raw features and the most frequent class too.")] = True,
    out: Annotated[Path | None, typer.Option(help="A .csv file for the figure of every split.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Fits that run side by side; default: all cores.")] = None,
) -> None:
    """Measure how well classes can be read off embeddings: a linear probe, under one protocol."""
    if out is not None and out.suffix != ".csv":
        raise ValueError(f"cannot write {out.name}: the name must end in .csv")
    if out is not None and not out.parent.is_dir():
        raise ValueError(f"there is no folder {out.parent} to write {out.name} into")
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

    from graphns.commands.node_evaluation import evaluate_node, show, to_csv

    errors = Console(stderr=True)
    with Progress(console=errors, transient=True) if errors.is_terminal else nullcontext() as bar:
        task = None if bar is None else bar.add_task("splits", total=None)

        def progress(done: int, of: int) -> None:
            if bar is not None and task is not None:
                bar.update(task, completed=done, total=of)

        figures = evaluate_node(
            embeddings, data=data, root=root, protocol=protocol, splits=splits, seed=seed, references=references,
            classifier=classifier, threads=threads, progress=progress)
    if out is not None:
        to_csv(figures, out)
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=150)
    title, table, note = show(figures)
    for part in (Text(title, style="bold"), table, Text(note)):
        console.print(part, soft_wrap=isinstance(part, Text))
