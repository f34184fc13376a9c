"""The command `graphns mine`. Nothing heavy is imported before it runs, so `graphns --help` answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def mine(
    embeddings: Annotated[Path, typer.Argument(help=".npy [N, d]: what negatives are taken from.")],
    out: Annotated[Path, typer.Option(help="A .parquet, .jsonl or .csv file.")],
    pairs: Annotated[Path | None, typer.Option(help="Rows of anchors and their positives: .npy [P, 2], .csv, .tsv or "
                                                    ".parquet.")] = None,
    labels: Annotated[Path | None, typer.Option(help="A label for each row: .npy, .txt, .csv, .jsonl or .parquet.")]
    = None,
    texts: Annotated[Path | None, typer.Option(help="A text for each row: .txt, .csv, .json, .jsonl or .parquet. "
                                                    "Without: row numbers are written.")] = None,
    anchors: Annotated[Path | None, typer.Option(help=".npy [M, d], if anchors (queries) are other items.")] = None,
    anchor_labels: Annotated[Path | None, typer.Option(help="As --labels, for --anchors.")] = None,
    anchor_texts: Annotated[Path | None, typer.Option(help="As --texts, for --anchors.")] = None,
    labels_for: Annotated[str, typer.Option(help="exclude: items of the anchor's label are never negatives. audit: "
                                                 "labels only tell which negatives have it.")] = "exclude",
    positives: Annotated[str | None, typer.Option(help="Without --pairs: random (of the anchor's label) or nearest. "
                                                       "Default: random with labels to exclude.")] = None,
    metric: Annotated[str, typer.Option(help="cosine, ip, or l2 (minus the distance).")] = "cosine",
    k: Annotated[int, typer.Option(min=1, help="Negatives of each anchor.")] = 5,
    range_min: Annotated[int, typer.Option(min=0, help="Skip so many of the best-ranked.")] = 0,
    range_max: Annotated[int | None, typer.Option(min=1, help="The last rank to take; default: enough for k.")] = None,
    max_score: Annotated[float | None, typer.Option(help="Leave out what scores higher.")] = None,
    min_score: Annotated[float | None, typer.Option(help="Leave out what scores lower.")] = None,
    absolute_margin: Annotated[float | None, typer.Option(help="How far below the positive to score.")] = None,
    relative_margin: Annotated[float | None, typer.Option(help="The same as a share of the positive's score.")] = None,
    strategy: Annotated[str | None, typer.Option(help="top or random of what is left; with a sampler also drawn, its "
                                                      "own order. Default: top, drawn.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Candidates by a sampler over the k-NN graph: random-walk, "
                                                     "hardest, ...; options as name:option=value.")] = None,
    neighbors: Annotated[int, typer.Option(min=1, help="Of the k-NN graph.")] = 10,
    draws: Annotated[int | None, typer.Option(min=1, help="Slots a sampler draws for an anchor; default 10 k.")] = None,
    form: Annotated[str, typer.Option("--format", help="triplet, n-tuple, labeled-pair or labeled-list.")] = "triplet",
    scores: Annotated[bool, typer.Option("--scores", help="Write scores too.")] = False,
    audit: Annotated[Path | None, typer.Option(help="Write the audit as a .json file.")] = None,
    histogram: Annotated[Path | None, typer.Option(help="Draw the scores into a .png, .svg or .pdf file.")] = None,
    seed: Annotated[int, typer.Option(help="Of positives, sampler and random choice.")] = 0,
    block: Annotated[int, typer.Option(min=1, help="Anchors mined at once, and kept if the run is cut off.")] = 1024,
    device: Annotated[str, typer.Option(help="Where scores are made: cpu, cuda, ...")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: all cores.")] = None,
    module: Annotated[list[str] | None, typer.Option("--import", help="Import this module first: it may register "
                                                                      "samplers. May be repeated.")] = None,
) -> None:
    """Mine hard negatives from embeddings, for retrieval and metric learning."""
    from graphns.commands.mine_run import check_outputs, choose_sampler, import_modules, show, show_progress

    form_name, scores = check_outputs(out, form, scores, audit, histogram)
    import_modules(module or ())
    import torch

    from graphns.mining import reading
    from graphns.mining.figure import histogram as draw_histogram
    from graphns.mining.guards import Guards
    from graphns.mining.mine import mine as mine_embeddings
    from graphns.mining.writing import write

    if threads is not None:
        torch.set_num_threads(threads)
    guards = Guards(k, range_min, range_max, max_score, min_score, absolute_margin, relative_margin,
                    strategy)  # type: ignore[arg-type]  # checked there
    make, guards = choose_sampler(sampler, guards, draws)
    read = {name: None if path is None else how(path) for name, path, how in (
        ("anchors", anchors, reading.read_embeddings), ("pairs", pairs, reading.read_pairs),
        ("labels", labels, reading.read_labels), ("anchor_labels", anchor_labels, reading.read_labels),
        ("texts", texts, reading.read_texts), ("anchor_texts", anchor_texts, reading.read_texts))}
    parts = out.with_name(out.name + ".parts")
    with show_progress() as progress:
        mined = mine_embeddings(
            reading.read_embeddings(embeddings), **read, labels_for=labels_for,  # type: ignore[arg-type]
            positives=positives, metric=metric, guards=guards, sampler=make,  # type: ignore[arg-type]
            sampler_name=sampler or "", neighbors=neighbors, draws=draws, seed=seed, block=block, parts=parts,
            device=device, progress=progress)
    rows = write(mined, out, form_name, scores)
    if audit is not None:
        from dataclasses import asdict

        from graphns.compare.files import write_json

        write_json(audit, asdict(mined.audit))
    if histogram is not None:
        draw_histogram(mined, histogram)
    import shutil

    shutil.rmtree(parts, ignore_errors=True)  # all is written
    typer.echo(show(mined))
    typer.echo(f"{rows:,} rows in {out}")
