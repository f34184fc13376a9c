"""Random walks over a graph, and which nodes they visit most."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.kernels.counts import count_visits
from graphns.kernels.keys import row_keys
from graphns.kernels.node2vec import walk_second_order
from graphns.kernels.walks import walk
from graphns.streams import Stream


def random_walks(
    graph: Graph, start: Tensor, length: int, stream: Stream, *, restart: float = 0.0, p: float = 1.0, q: float = 1.0,
    weighted: bool = False, row: Tensor | None = None,
) -> Tensor:
    r"""One random walk from each start.

    From v, having come from t, the next node is x with probability in proportion to

    .. math:: w(v, x) \cdot \{1/p \text{ if } x = t,\; 1 \text{ if } (t, x) \in E,\; 1/q \text{ otherwise}\}

    With ``restart``, each step leads back to the start with that probability instead. A node without neighbours
    (or, weighted, without weight on its edges) stays where it is. Random is what `stream` gives, keyed by `row`.

    Args:
        graph: homogeneous; a bipartite graph is walked as `joined(graph)`.
        start: [B] integer nodes.
        length: number of steps, at least 0.
        stream: the source of randomness.
        restart: probability in [0, 1].
        p: return parameter of node2vec, above 0; 1/p, 1 and 1/q are kept to 2^-24 of the largest.
        q: in-out parameter of node2vec, above 0. With p = q = 1 the walk is of the first order.
        weighted: steps in proportion to `graph.weight`, kept to 2^-36 of a row's total.
        row: [B] int64, names of the walks' random sequences; default 0 … B-1.

    Returns:
        [B, length + 1] int64; column 0 is the start.

    Raises:
        ValueError: an argument is out of range, the graph is bipartite, or it has no weights to walk by.

    Example:
        >>> ring = Graph.from_edge_index(torch.tensor([[0, 1, 2], [1, 2, 0]]))
        >>> random_walks(ring, torch.tensor([0, 2]), 4, Stream(0))
        tensor([[0, 1, 2, 0, 1],
                [2, 0, 1, 2, 0]])

    References:
        Grover, Leskovec: node2vec: Scalable Feature Learning for Networks. KDD 2016.
    """
    start = _checked(graph, start, length, restart)
    for name, value in (("p", p), ("q", q)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a finite number above 0, got {value}")
    if weighted and graph.weight is None:
        raise ValueError("weighted=True needs a graph with weights: Graph.from_edge_index(..., weight=...)")
    cumulative = graph.cumulative_weight if weighted else None
    if p == 1 and q == 1:
        rows = start[:0] if row is None else _rows(start, row)
        return walk(graph.indptr, graph.indices, start, rows, length, restart, cumulative, stream=stream,
                    sinks=graph.mapped or graph.has_sinks)
    keys = row_keys(stream, _rows(start, row))
    return walk_second_order(graph.indptr, graph.indices, start, keys, length, p, q, restart, cumulative)


def visit_counts(
    graph: Graph, start: Tensor, stream: Stream, *, num_walks: int, length: int, restart: float = 0.0, top: int,
    stop: bool = False, exclude_start: bool = True, exclude_neighbors: bool = False, first_counted: int = 0,
    row: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The nodes that uniform random walks from each start visit most, and how often.

    `num_walks` walks of `length` steps as in `random_walks`; every step counts the node that it reaches. Nodes are
    ordered by count, falling, then by id, rising. The walks themselves are never stored.

    Args:
        graph: homogeneous; a bipartite graph is walked as `joined(graph)`.
        start: [B] integer nodes.
        stream: the source of randomness.
        num_walks: walks per start, at least 1.
        length: steps per walk, at least 1.
        restart: probability in [0, 1] that a step leads back to the start.
        top: how many nodes to give, at least 1.
        stop: a walk that would restart ends instead (PinSAGE's termination in DGL).
        exclude_start: visits of the start itself are not counted.
        exclude_neighbors: nor those of its neighbours.
        first_counted: nor those of nodes below this id (the sources of a joined bipartite graph).
        row: [B] int64, names of the starts' random sequences; default 0 … B-1.

    Returns:
        ids [B, top] int64, -1 where fewer were visited; counts [B, top] int64, 0 there.

    Raises:
        ValueError: an argument is out of range or the graph is bipartite.

    Example:
        >>> star = Graph.from_edge_index(torch.tensor([[0, 1, 2], [1, 0, 0]]))
        >>> ids, counts = visit_counts(star, torch.tensor([2]), Stream(0), num_walks=3, length=3, top=3)
        >>> ids.tolist(), counts.tolist()
        ([[0, 1, -1]], [[6, 3, 0]])

    References:
        Ying et al.: Graph Convolutional Neural Networks for Web-Scale Recommender Systems. KDD 2018.
    """
    start = _checked(graph, start, length, restart)
    keys = row_keys(stream, _rows(start, row))
    for name, value in (("num_walks", num_walks), ("length", length), ("top", top)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if graph.num_nodes * num_walks * length >= 2**62:
        raise ValueError(f"num_walks * length * nodes must stay below 2^62, got {num_walks} * {length} * "
                         f"{graph.num_nodes}; take fewer walks")
    return count_visits(graph.indptr, graph.indices, start, keys, num_walks, length, restart, top, stop, exclude_start,
                        exclude_neighbors, first_counted)


def _checked(graph: Graph, start: Tensor, length: int, restart: float) -> Tensor:
    if graph.bipartite:
        raise ValueError("walks need one kind of node; walk joined(graph) of graphns.graph.build, where candidate j is "
                         "node num_src + j")
    if start.is_floating_point() or start.dtype == torch.bool:
        raise ValueError(f"start must hold integer ids, got dtype {start.dtype}; convert it with .long()")
    if length < 0:
        raise ValueError(f"length must be at least 0, got {length}")
    if not 0 <= restart <= 1:
        raise ValueError(f"restart must be a probability in [0, 1], got {restart}")
    return graph.rows(start.long()).contiguous()


def _rows(start: Tensor, row: Tensor | None) -> Tensor:
    row = torch.from_numpy(np.arange(len(start))).to(start.device) if row is None else row.long()
    if row.shape != start.shape:
        raise ValueError(f"need one row id per start [{len(start)}], got row {tuple(row.shape)}")
    return row
