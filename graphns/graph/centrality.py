"""How central each node is: by degree, by PageRank, by the leading eigenvector of the adjacency matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from graphns.graph.graph import Graph

_Vector = np.ndarray[Any, np.dtype[np.float64]]


def degree_centrality(graph: Graph) -> Tensor:
    """The edges that point at each node [N] float64. Weights of edges are not read.

    Example:
        >>> degree_centrality(Graph.from_edge_index(torch.tensor([[0, 2], [1, 1]]), num_nodes=3))
        tensor([0., 2., 0.], dtype=torch.float64)
    """
    _check(graph)
    return graph.in_degree.double()


def pagerank(graph: Graph, *, damping: float = 0.85, tolerance: float = 1e-10, iterations: int = 1000) -> Tensor:
    r"""Where a walk is found that follows a random edge, or with probability 1 - damping starts anew anywhere.

    .. math:: \pi_v = \frac{1 - d}{N} + d \Big(\sum_{u \to v} \frac{\pi_u}{\deg(u)}
              + \frac1N \sum_{u\ \text{without edges}} \pi_u\Big), \qquad \sum_v \pi_v = 1

    By power iteration from the uniform distribution in float64 on the CPU, whatever the device, so that it is equal
    wherever it is computed; nothing is random. Weights of edges are not read.

    Args:
        graph: homogeneous.
        damping: d, in [0, 1).
        tolerance: an iteration that moves less than this share of the mass is the last.
        iterations: at most so many. Each leaves d times the error of the one before, so that 150 serve d = 0.85.

    Returns:
        [N] float64, above 0, on the graph's device.

    Raises:
        ValueError: the graph is bipartite, an option is out of range, or so many iterations do not suffice.

    Example:
        >>> star = Graph.from_edge_index(torch.tensor([[0, 0, 1, 2], [1, 2, 0, 0]]))
        >>> pagerank(star).round(decimals=4)
        tensor([0.4865, 0.2568, 0.2568], dtype=torch.float64)

    References:
        The PageRank Citation Ranking: Bringing Order to the Web. Stanford InfoLab 1999.
    """
    if not 0 <= damping < 1:
        raise ValueError(f"damping must be in [0, 1), got {damping}")
    num, into = _check(graph), _into(graph)
    degree = graph.degree.cpu().double().numpy()
    stuck = degree == 0
    each = np.where(stuck, 0.0, 1 / np.maximum(degree, 1))

    def turn(mass: _Vector) -> _Vector:
        fresh: _Vector = into @ (mass * each) * damping
        fresh += (1 - damping * (1 - float(mass[stuck].sum()))) / num
        return fresh

    return _settled("PageRank", turn, np.full(num, 1 / num), tolerance, iterations).to(graph.device)


def eigenvector_centrality(graph: Graph, *, tolerance: float = 1e-10, iterations: int = 20_000) -> Tensor:
    r"""The leading eigenvector x of the adjacency matrix, of length 1: a node is central whose neighbours are.

    .. math:: \lambda x_v = \sum_{u \to v} x_u, \qquad \lambda \text{ the largest}, \quad x \ge 0

    By power iteration :math:`x \leftarrow x + A^\top x` from a constant vector, in float64 on the CPU, whatever the
    device; nothing is random. (Without the term x a bipartite pattern, such as a tree's, would swing for ever.) Where
    several components have the same :math:`\lambda`, as in equal copies of one graph, each keeps its part of the
    constant; nodes of other components are near 0. A graph without edges has a constant x.

    Args:
        graph: homogeneous; an undirected graph has both directions.
        tolerance: an iteration that moves the vector by less than this, in the sum over the nodes, is the last.
        iterations: at most so many. What is left falls by (lambda_2 + 1) / (lambda_1 + 1) each: quickly where hubs
            stand out, slowly in long chains and grids.

    Returns:
        [N] float64, at least 0, on the graph's device.

    Raises:
        ValueError: the graph is bipartite, an option is out of range, or so many iterations do not suffice.

    Example:
        >>> star = Graph.from_edge_index(torch.tensor([[0, 0, 1, 2], [1, 2, 0, 0]]))
        >>> eigenvector_centrality(star).round(decimals=4)
        tensor([0.7071, 0.5000, 0.5000], dtype=torch.float64)

    References:
        Power and Centrality: A Family of Measures. American Journal of Sociology 1987.
    """
    num, into = _check(graph), _into(graph)

    def turn(vector: _Vector) -> _Vector:
        fresh: _Vector = vector + into @ vector
        fresh /= np.sqrt(fresh @ fresh)
        return fresh

    start = np.full(num, num**-0.5)
    return _settled("eigenvector centrality", turn, start, tolerance, iterations).to(graph.device)


MEASURES: dict[str, Callable[[Graph], Tensor]] = {
    "degree": degree_centrality, "pagerank": pagerank, "eigenvector": eigenvector_centrality,
}
"""Centralities by name."""


def centrality(graph: Graph, measure: str) -> Tensor:
    """The centrality [N] float64 of each node, by a measure of `MEASURES` with its defaults.

    Raises:
        ValueError: an unknown measure.

    Example:
        >>> centrality(Graph.from_edge_index(torch.tensor([[0], [1]])), "degree")
        tensor([0., 1.], dtype=torch.float64)
    """
    if measure not in MEASURES:
        raise ValueError(f"no centrality is called {measure!r}; there are: {', '.join(MEASURES)}")
    return MEASURES[measure](graph)


def _check(graph: Graph) -> int:
    if graph.bipartite:
        raise ValueError("centrality needs one kind of node; take joined(graph) of graphns.graph.build, where "
                         "candidate j is node num_src + j")
    return graph.num_nodes


def _into(graph: Graph) -> Any:
    """The matrix [N, N] that adds up, for each node, what stands at the sources of its edges."""
    num, edges = graph.num_nodes, graph.num_edges
    indptr, indices = graph.indptr.cpu().numpy(), graph.indices.cpu().numpy()
    # the rows are those of A; what is asked for is its transpose, in rows too, so that products are sums in fixed order
    return scipy.sparse.csr_array((np.ones(edges), indices, indptr), shape=(num, num)).T.tocsr()


def _settled(name: str, turn: Callable[[_Vector], _Vector], vector: _Vector, tolerance: float,
             iterations: int) -> Tensor:
    """The vector that `turn` leaves where it is, sought from `vector`."""
    if not 0 < tolerance < float("inf") or iterations < 1:
        raise ValueError(f"tolerance must be above 0 and iterations at least 1, got {tolerance} and {iterations}")
    moved = float("inf")
    for _ in range(iterations):
        vector, before = turn(vector), vector
        moved = float(np.abs(vector - before).sum())
        if moved < tolerance:
            return torch.from_numpy(vector)
    raise ValueError(f"{name} still moves by {moved:.1e} after {iterations} iterations, more than "
                     f"tolerance={tolerance}: raise either, or take another centrality")
