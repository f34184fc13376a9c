"""Splits of edges into training, validation and test that leak nothing."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.streams import Stream


class EdgeSplit(NamedTuple):
    """Three parts of the distinct edges.

    Attributes:
        train: the graph of the training edges, with every node; both directions if undirected. Samplers and encoders
            read this one only.
        train_edges: [2, n] int64; if undirected, each pair once, the smaller id first. So are the other two.
        val_edges: [2, n].
        test_edges: [2, n].
    """

    train: Graph
    train_edges: Tensor
    val_edges: Tensor
    test_edges: Tensor


def split_edges(
    source: Graph | Tensor, val: float | int = 0.05, test: float | int = 0.1, *, seed: int = 0,
    undirected: bool | None = None, num_nodes: int | tuple[int, int] | None = None,
) -> EdgeSplit:
    """Split the edges at random, keeping all copies and both directions of an edge in one part.

    Each distinct edge gets one random word, keyed by the seed and its two ends; the order of these words decides. So
    the order in which edges are listed does not matter.

    Args:
        source: a graph, or an `edge_index` [2, E].
        val: share of the distinct edges, a float in [0, 1), or their number, an integer; shares are rounded.
        test: likewise.
        seed: where the randomness comes from.
        undirected: whether (a, b) and (b, a) are one edge. None: they are if every edge has its reverse.
        num_nodes: for an `edge_index`, as in `Graph.from_edge_index`.

    Raises:
        ValueError: shares are out of range or leave no edge to train on, or a bipartite graph is called undirected.

    Example:
        >>> parts = split_edges(torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]]), val=1, test=1)
        >>> parts.train.num_edges, parts.val_edges.shape, parts.test_edges.shape
        (2, torch.Size([2, 1]), torch.Size([2, 1]))
    """
    graph = source if isinstance(source, Graph) else Graph.from_edge_index(source, num_nodes)
    if graph.bipartite and undirected:
        raise ValueError("a bipartite graph's edges go one way; pass undirected=False or None")
    first, second = graph.edge_index
    if undirected is None:
        undirected = not graph.bipartite and bool(graph.has_edge(second, first).all())
    if undirected:
        edges = torch.unique(torch.stack([torch.minimum(first, second), torch.maximum(first, second)]), dim=1)
    else:
        edges = torch.stack([first, second])
    size = edges.shape[1]
    num_val, num_test = _number(val, size, "val"), _number(test, size, "test")
    if num_val + num_test >= max(size, 1):
        raise ValueError(f"val={val} and test={test} leave no training edge of {size}; lower them")
    order = torch.argsort(_words(edges, seed), stable=True)
    # within a part, edges are sorted by their ends
    held_test, held_val, kept = (
        edges[:, part.sort().values] for part in torch.split(order, [num_test, num_val, size - num_test - num_val])
    )
    return EdgeSplit(_subgraph(graph, kept, undirected), kept, held_val, held_test)


def _number(part: float | int, size: int, name: str) -> int:
    if isinstance(part, bool) or not (0 <= part < 1 if isinstance(part, float) else part >= 0):
        raise ValueError(f"{name} must be a share in [0, 1) or a number of edges, got {part}")
    return round(part * size) if isinstance(part, float) else part


def _words(edges: Tensor, seed: int) -> Tensor:
    """One word per edge, from both of its ends."""
    keys = Stream(seed).row_keys(edges[0])
    return Stream(0).row_keys(keys ^ Stream(seed, 1).row_keys(edges[1]))


def _subgraph(graph: Graph, edges: Tensor, undirected: bool) -> Graph:
    """The edges of `graph` that are among `edges`, with their weights."""
    size = (graph.num_src, graph.num_dst) if graph.bipartite else graph.num_src
    kept = Graph.from_edge_index(edges, size)
    first, second = graph.edge_index
    inside = kept.has_edge(first, second)
    if undirected:
        inside = inside | kept.has_edge(second, first)
    weight = None if graph.weight is None else graph.weight[inside]
    return Graph.from_edge_index(torch.stack([first[inside], second[inside]]), size, weight)
