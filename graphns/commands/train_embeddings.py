"""The command `graphns train embeddings`. Nothing heavy is imported before it runs, so `graphns --help` is quick."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def train_embeddings(
    data: Annotated[str, typer.Option(help="Vectors by name (digits, banking77, mnist, ...) or .npy file.")] = "digits",
    labels: Annotated[Path | None, typer.Option(help="Labels of the file's rows: .npy, or text, one a line.")] = None,
    pairs: Annotated[Path | None, typer.Option(help="Known pairs of the file's rows: .npy [P, 2], or text, two row "
                                                    "numbers a line.")] = None,
    features: Annotated[str | None, typer.Option(help="Of a named set: tfidf, encoder, pixels or pca.")] = None,
    dim: Annotated[int | None, typer.Option(min=1, help="Columns after tfidf or pca.")] = None,
    encoder: Annotated[str | None, typer.Option(help="A sentence-transformers model, for named texts.")] = None,
    positives: Annotated[str | None, typer.Option(help="neighbors, pairs or labels. Default: pairs where there are "
                                                       "some, else neighbors.")] = None,
    neighbors: Annotated[int | None, typer.Option(min=1, help="Of a row in the k-NN graph.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Negatives: a name, options as name:option=value. Default: "
                                                     "uniform, known neighbours left out.")] = None,
    k: Annotated[int | None, typer.Option(min=1, help="Negatives a positive.")] = None,
    objective: Annotated[str | None, typer.Option(help="infonce, bpr, margin, bce, ...")] = None,
    layers: Annotated[int | None, typer.Option(min=1, help="Of the head: 1 is linear, more make an MLP.")] = None,
    size: Annotated[int | None, typer.Option(min=1, help="Width of the embeddings.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Anchors a step.")] = None,
    epochs: Annotated[int | None, typer.Option(min=0, help="At most so many.")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Stop after so many validations without a better "
                                                             "one.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order, positives, dropout and draws.")] = 0,
    setting: Annotated[list[str] | None, typer.Option("--set", help="A setting as name=value; may be repeated. An "
                                                                    "unknown name lists them.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; a run cut off goes on there.")] = None,
    logger: Annotated[str, typer.Option(help="csv, tensorboard, both separated by a comma, or none.")] = "csv",
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Epochs between checkpoints.")] = 25,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: all cores.")] = None,
    module: Annotated[list[str] | None, typer.Option("--import", help="Import this module first: it may register "
                                                                      "samplers. May be repeated.")] = None,
) -> None:
    """Train a head on vectors and keep what it makes of them: embeddings.npy, model.pt, result.json, metrics."""
    from graphns.commands.embeddings_run import EmbeddingRun, VectorSource

    files = {name: None if path is None else str(path)
             for name, path in (("labels", labels), ("pairs", pairs), ("root", root))}
    source = VectorSource(data, files["labels"], files["pairs"], features, dim, encoder, files["root"])
    run = EmbeddingRun.make(source, sampler=sampler, settings=tuple(setting or ()), loggers=logger,
                            imports=tuple(module or ()), seed=seed, positives=positives, neighbors=neighbors, k=k,
                            objective=objective, num_layers=layers, size=size, epochs=epochs, patience=patience,
                            batch_size=batch_size)
    folder = out or Path(f"graphns-embeddings-{Path(data).stem}")
    result = run.go(folder, command=shlex.join(["graphns", *sys.argv[1:]]), checkpoint_every=checkpoint_every,
                    accelerator=accelerator, threads=threads)
    last = f"loss {result.losses[-1]:.4f}, " if result.losses else ""
    rows, width = result.embeddings.shape
    typer.echo(f"{len(result.losses)} epochs, weights of epoch {result.epoch}, {last}{sum(result.epoch_seconds):.1f} "
               f"s: {rows} embeddings of {width} numbers in {folder / 'embeddings.npy'}")
    for name, figures in (("raw vectors, test", result.raw), ("embeddings, test", result.test)):
        typer.echo(f"{name:<18}" + "".join(f"  {metric} {value:.4f}" for metric, value in figures.items()))
    if result.false_negatives is not None:
        typer.echo(f"negatives with the label of their anchor: {result.false_negatives:.2%}")
