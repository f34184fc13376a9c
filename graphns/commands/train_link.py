"""The command `graphns train link`. Nothing heavy is imported before it runs, so `graphns --help` answers at once."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def train_link(
    data: Annotated[str, typer.Option(help="Links by name (heart-citeseer, ogbl-ddi, Cora, ...) or file.")] = "digits",
    encoder: Annotated[str | None, typer.Option(help="gcn, sage, gat, mlp or embedding.")] = None,
    decoder: Annotated[str | None, typer.Option(help="dot, bilinear, mlp or ncn.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Negatives: a name, options as name:option=value. Default: "
                                                     "uniform, known neighbours left out.")] = None,
    k: Annotated[int | None, typer.Option(min=1, help="Negatives a positive; default: set for the data.")] = None,
    num_neighbors: Annotated[str | None, typer.Option(help="Mini-batches: sampled neighbours a node in each layer, as "
                                                           "10,5; -1: all. Default: a step embeds the whole "
                                                           "graph.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Positives a step; default: set for the data.")] = None,
    epochs: Annotated[int | None, typer.Option(min=0, help="At most so many; default: set for the data.")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Stop after so many validations without a better "
                                                             "one.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order, dropout and draws.")] = 0,
    setting: Annotated[list[str] | None, typer.Option("--set", help="A setting as name=value; may be repeated. An "
                                                                    "unknown name lists them.")] = None,
    evaluation: Annotated[str | None, typer.Option(help="heart or existing, where the data have both.")] = None,
    val: Annotated[float, typer.Option(help="Share of the edges for validation, where the split is drawn.")] = 0.05,
    test: Annotated[float, typer.Option(help="Share for the test, where the split is drawn.")] = 0.1,
    split_seed: Annotated[int, typer.Option(help="Of that split.")] = 0,
    normalize: Annotated[bool | None, typer.Option(help="Divide features by the sum of their row. Default: as usual "
                                                        "for the data.")] = None,
    features: Annotated[bool, typer.Option(help="Read features; without, each node has a learned vector.")] = True,
    root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; a run cut off goes on there.")] = None,
    logger: Annotated[str, typer.Option(help="csv, tensorboard, both separated by a comma, or none.")] = "csv",
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Epochs between checkpoints.")] = 25,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: all cores.")] = None,
    module: Annotated[list[str] | None, typer.Option("--import", help="Import this module first: it may register "
                                                                      "samplers. May be repeated.")] = None,
) -> None:
    """Learn to tell edges from non-edges and keep the model: model.pt, embeddings.npy, result.json, metrics."""
    from graphns.commands.link_evaluation import table
    from graphns.commands.link_run import LinkRun
    from graphns.compare.link_settings import fanouts
    from graphns.compare.link_source import LinkSource

    source = LinkSource(data, None if root is None else str(root), evaluation, val, test, split_seed, normalize,
                        features)
    run = LinkRun.make(source, sampler=sampler, settings=tuple(setting or ()), loggers=logger,
                       imports=tuple(module or ()), seed=seed, encoder=encoder, decoder=decoder, k=k, epochs=epochs,
                       patience=patience, batch_size=batch_size, num_neighbors=fanouts(num_neighbors))
    folder = out or Path(f"graphns-link-{Path(data).stem}")
    result = run.go(folder, command=shlex.join(["graphns", *sys.argv[1:]]), checkpoint_every=checkpoint_every,
                    accelerator=accelerator, threads=threads)
    last = f"loss {result.losses[-1]:.4f}, " if result.losses else ""
    typer.echo(f"{len(result.losses)} epochs, weights of epoch {result.epoch}, {last}"
               f"{sum(result.epoch_seconds):.1f} s: model.pt and embeddings.npy in {folder}")
    typer.echo(table({"valid": result.valid, "test": result.test}))
    typer.echo(f"next: graphns eval link {folder}")
