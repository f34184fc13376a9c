"""The command `graphns train node`. Nothing heavy is imported before it runs, so `graphns --help` answers at once."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def train_node(
    data: Annotated[str, typer.Option(help="Data set by name, or a .npz or .pt file; digits is built in.")] = "digits",
    method: Annotated[str, typer.Option(help="grace, dgi, bgrl, ...; an unknown name lists them.")] = "grace",
    sampler: Annotated[str | None, typer.Option(help="Negatives: a name, options as name:option=value. Default: the "
                                                     "method's own.")] = None,
    epochs: Annotated[int | None, typer.Option(min=0, help="At most so many; default: set for the data.")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Stop after so many epochs without a lower loss, and take "
                                                             "the weights of the lowest.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, views and draws.")] = 0,
    setting: Annotated[list[str] | None, typer.Option("--set", help="A setting of the method as name=value; may be "
                                                                    "repeated. An unknown name lists them.")] = None,
    normalize: Annotated[bool | None, typer.Option(help="Divide features by the sum of their row. Default: as usual "
                                                        "for the data.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; a run cut off goes on there.")] = None,
    logger: Annotated[str, typer.Option(help="csv, tensorboard, both separated by a comma, or none.")] = "csv",
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Epochs between checkpoints.")] = 25,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "cpu",
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed or 16-mixed.")] = "32-true",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: all cores.")] = None,
    module: Annotated[list[str] | None, typer.Option("--import", help="Import this module first: it may register "
                                                                      "samplers. May be repeated.")] = None,
) -> None:
    """Learn an embedding of each node and keep it: embeddings.npy, config.yaml, metrics, checkpoint."""
    from graphns.commands.node_run import NodeRun

    run = NodeRun.make(data, method=method, sampler=sampler, seed=seed, epochs=epochs, patience=patience,
                       settings=tuple(setting or ()), root=root, loggers=logger, imports=tuple(module or ()),
                       normalize=normalize)
    folder = out or Path(f"graphns-{run.method}-{Path(data).stem}")
    result = run.go(folder, command=shlex.join(["graphns", *sys.argv[1:]]), checkpoint_every=checkpoint_every,
                    accelerator=accelerator, precision=precision, threads=threads)
    nodes, size = result.embeddings.shape
    taken = "" if result.epoch == len(result.losses) else f", weights of epoch {result.epoch}"
    last = f"loss {result.losses[-1]:.4f}, " if result.losses else ""
    typer.echo(f"{len(result.losses)} epochs{taken}, {last}{sum(result.epoch_seconds):.1f} s: {nodes} embeddings of "
               f"{size} numbers in {folder / 'embeddings.npy'}\nnext: graphns eval node {folder}")
