"""The command `graphns audit`. Nothing heavy is imported before it runs, so `graphns --help` answers at once."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def audit(
    graph: Annotated[str, typer.Argument(help="Edge list (CSV, TSV, npz, npy, GraphML or edge_index.pt), or the name "
                                              "of a data set; digits is built in.")],
    samplers: Annotated[str | None, typer.Option(help="Names separated by commas, options as name:option=value; "
                                                      "all-fitting: every one that fits. Default: some of every "
                                                      "family.")] = None,
    held_out: Annotated[str, typer.Option(help="Validation and test edges as VAL,TEST: shares, numbers of edges, or "
                                               "two files; GRAPH then holds the training edges.")] = "0.05,0.1",
    seeds: Annotated[int, typer.Option(min=1, help="Splits and draws of each sampler: seeds 0, 1, ...")] = 3,
    k: Annotated[int, typer.Option(min=1, help="Negatives of each pair.")] = 5,
    pairs: Annotated[int, typer.Option(min=1, help="Training pairs to draw for, at most.")] = 20_000,
    batch_size: Annotated[int, typer.Option(min=1, help="Pairs of one query.")] = 512,
    exclude: Annotated[str, typer.Option(help="neighbors (training edges are never drawn) or self.")] = "neighbors",
    epoch: Annotated[int, typer.Option(min=0, help="What samplers with a curriculum are told.")] = 0,
    width: Annotated[int, typer.Option(min=1, help="Rank of the SVD that model-aware samplers read.")] = 32,
    num_nodes: Annotated[int | None, typer.Option(min=1, help="Nodes of the graph, if some have no edge.")] = None,
    undirected: Annotated[bool, typer.Option("--undirected", help="Each edge counts in both directions.")] = False,
    root: Annotated[Path | None, typer.Option(help="Folder that holds the named data sets.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the results; default: graphns-audit-GRAPH.")] = None,
    module: Annotated[list[str] | None, typer.Option("--import", help="Import this module first: it may register "
                                                                      "samplers. May be repeated.")] = None,
) -> None:
    """Show what samplers draw on a graph: false negatives by degree and distance, hardness, coverage."""
    from graphns.compare.audit_graph import AuditSettings, audit_graph

    settings = AuditSettings.make(
        graph, samplers=samplers, held_out=held_out, seeds=seeds, k=k, pairs=pairs, batch_size=batch_size,
        exclude=exclude, epoch=epoch, width=width, num_nodes=num_nodes, undirected=undirected,
        root=None if root is None else str(root), imports=tuple(module or ()))
    command = shlex.join(["graphns", *sys.argv[1:]])
    raise typer.Exit(audit_graph(settings, out or Path(f"graphns-audit-{Path(graph).stem}"), command=command))
