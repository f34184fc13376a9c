"""Rings of a graph: the nodes a to b steps away."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.graph.build import joined
from graphns.graph.graph import Graph
from graphns.kernels.hops import rings


def hop_rings(graph: Graph, anchors: Tensor, low: int, high: int) -> tuple[Tensor, Tensor]:
    """The nodes at distance low to high from each anchor, along the edges; exact.

    In a bipartite graph the candidates at distance low to high from a source, edges taken in both directions: these
    distances are odd.

    Args:
        graph: any graph.
        anchors: [B] integer sources.
        low: least distance, at least 0 (the anchor itself).
        high: greatest distance.

    Returns:
        indptr [B + 1] int64 and ids [n], rising within an anchor, of the dtype of `graph.indices`.

    Raises:
        ValueError: not 0 <= low <= high, or an anchor is no row of the graph.

    Example:
        >>> path = Graph.from_edge_index(torch.tensor([[0, 1, 2], [1, 2, 3]]))
        >>> hop_rings(path, torch.tensor([0, 2]), 2, 3)
        (tensor([0, 2, 2]), tensor([2, 3], dtype=torch.int32))
    """
    if not 0 <= low <= high:
        raise ValueError(f"need distances 0 <= low <= high, got low={low}, high={high}")
    anchors = graph.rows(anchors.long()).contiguous()
    if not graph.bipartite:
        return rings(graph.indptr, graph.indices, anchors, low, high)
    both = joined(graph)
    indptr, ids = rings(both.indptr, both.indices, anchors, low, high, graph.num_src)
    return indptr, (ids - graph.num_src).to(graph.indices.dtype)


def ring_graph(graph: Graph, low: int, high: int) -> Graph:
    """The graph whose row u holds the nodes at distance low to high from u: as many ids as all rings together.

    Example:
        >>> path = Graph.from_edge_index(torch.tensor([[0, 1, 2], [1, 2, 3]]))
        >>> ring_graph(path, 2, 3).edge_index.tolist()
        [[0, 0, 1], [2, 3, 3]]
    """
    indptr, ids = hop_rings(graph, torch.arange(graph.num_src, device=graph.device), low, high)
    return Graph(indptr, ids, graph.num_dst if graph.bipartite else None)
