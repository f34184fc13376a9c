"""The edges of a graph by the node they point at, as PyG's neighbour sampler holds them."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from graphns.graph.graph import Graph, check_edge_index, check_weight

# that of a prepared graph is kept for the next sampler; it goes when the graph goes
_kept: WeakKeyDictionary[Graph, tuple[Graph, Tensor]] = WeakKeyDictionary()


def incoming(source: Any, weighted: bool = False) -> tuple[Graph, Tensor]:
    """Rows of sources by target, and the column of `edge_index` of each entry.

    Args:
        source: a `Graph`, or PyG's `Data`.
        weighted: whether weights are needed: `edge_weight` of the data.

    Returns:
        The rows, on the CPU, and [E] int64. An edge given twice stands twice, in the order of the columns: for
        `sample_neighbors`, and no graph of samplers, whose rows are sorted and distinct.

    Raises:
        ValueError: there is no `edge_index` or, where weighted, no weights; several kinds of nodes; ids out of range.

    Example:
        >>> rows, columns = incoming(Graph.from_edge_index(torch.tensor([[0, 2, 1], [1, 1, 0]])))
        >>> rows.neighbors(1).tolist(), columns.tolist()
        ([0, 2], [1, 0, 2])
    """
    if isinstance(source, Graph):
        if source.bipartite:
            raise ValueError("neighbourhoods need one kind of node; take joined(graph) of graphns.graph.build, where "
                             "candidate j is node num_src + j")
        if source not in _kept:
            _kept[source] = by_target(source.edge_index, source.num_nodes, source.weight)
        found = _kept[source]
        cure = "Graph.from_edge_index(..., weight=...)"
    else:
        found = _of_data(source, weighted)
        cure = "set data.edge_weight"
    if weighted:
        if found[0].weight is None:
            raise ValueError(f"weighted=True needs a graph with weights: {cure}")
        found[0].cumulative_weight  # noqa: B018  # made here once, not in each forked worker
    return found


def _of_data(data: Any, weighted: bool) -> tuple[Graph, Tensor]:
    if hasattr(data, "edge_types") or hasattr(data, "canonical_etypes"):
        raise ValueError(f"{type(data).__name__} has several kinds of nodes, this sampler takes one; make it "
                         "homogeneous with .to_homogeneous()")
    edge_index = getattr(data, "edge_index", None)
    if edge_index is None:
        raise ValueError(f"{type(data).__name__} has no edge_index; keep it when you transform to adj_t, or pass a "
                         "Graph")
    num_nodes = data.num_nodes
    source, target = check_edge_index(edge_index)
    for name, ids in (("source", source), ("destination", target)):
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < num_nodes:
            raise ValueError(f"{name} ids run from {int(ids.min())} to {int(ids.max())}, outside [0, {num_nodes}); set "
                             "the right data.num_nodes, or remap the ids to 0 … N-1")
    weight = getattr(data, "edge_weight", None) if weighted else None
    if weight is not None:
        weight = check_weight(weight, len(source), "edge")
    return by_target(torch.stack([source, target]), num_nodes, weight)


def by_target(
    edge_index: Tensor, num_nodes: int, weight: Tensor | None = None, time: Tensor | None = None,
    num_sources: int | None = None,
) -> tuple[Graph, Tensor]:
    """As `incoming`, of the edges themselves [2, E]; within a row in the order of `time` [E], if given, then columns.

    Args:
        edge_index: [2, E] integers, checked.
        num_nodes: of targets.
        weight: [E] float64.
        time: [E] numbers.
        num_sources: where they are another kind of node.
    """
    source, target = edge_index.cpu()
    order = target.argsort(stable=True) if time is None else time.cpu().argsort(stable=True)
    if time is not None:
        order = order[target[order].argsort(stable=True)]
    indptr = torch.zeros(num_nodes + 1, dtype=torch.int64)
    indptr[1:] = torch.bincount(target, minlength=num_nodes).cumsum(0)
    width = torch.int32 if (num_nodes if num_sources is None else num_sources) < 2**31 else torch.int64
    rows = Graph(indptr, source[order].to(width), num_sources, None if weight is None else weight.cpu()[order])
    return rows, order
