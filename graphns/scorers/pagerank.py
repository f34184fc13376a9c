"""Scores by personalised PageRank: where a walk with restart from one end finds the other."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.graph.ppr import personalized_pagerank
from graphns.scorers.from_graph import Heuristic, by_source

_SOURCES = 1024  # walked from at once
_TOLERANCE = 5e-5  # HeaRT's


class PersonalizedPageRank(Heuristic):
    r"""How often a random walk with restart from one end is found at the other, from both ends or from the anchor.

    .. math:: s(u, v) = \pi_u(v) + \pi_v(u) \quad \text{or} \quad s(u, v) = \pi_u(v)

    In an undirected graph :math:`d_u \pi_u(v) = d_v \pi_v(u)`, so one push from u gives both, from below and with an
    error below ``tolerance`` times :math:`d_v`, or :math:`d_u + d_v` for the sum; see `personalized_pagerank`. Values
    that the push did not reach are 0. The two orders of a pair agree up to that error.

    Args:
        graph: homogeneous; edges count in both directions, loops and weights are not read.
        restart: probability of the restart, in (0, 1].
        tolerance: residual left per edge, above 0. None: 5e-5, and where edges are many, :math:`1 / (4 \bar d^2)` with
            the mean number :math:`\bar d` of neighbours at an edge's end, else no push would pass the source's
            neighbours. On ogbl-ddi that is 3.4e-7, and 5e-5 scores almost every pair 0.
        symmetric: whether the walk starts from both ends.

    Raises:
        ValueError: the graph is bipartite, or an argument is out of range.

    Example:
        >>> pair = Graph.from_edge_index(torch.tensor([[0], [1]]))
        >>> model = PersonalizedPageRank(pair, restart=0.5, tolerance=1e-9, symmetric=False)
        >>> model.score(torch.tensor([0]), torch.tensor([[0, 1]])).round(decimals=6).tolist()
        [[0.666667, 0.333333]]

    References:
        Andersen, Chung, Lang: Local Graph Partitioning using PageRank Vectors. FOCS 2006.
    """

    def __init__(self, graph: Graph, restart: float = 0.15, tolerance: float | None = None,
                 symmetric: bool = True) -> None:
        super().__init__(graph)
        self.restart, self.symmetric = restart, symmetric
        self.tolerance = self._fitting() if tolerance is None else tolerance
        self._push(torch.zeros(0, dtype=torch.int64, device=self.graph.device))  # refuses what is out of range

    def _fitting(self) -> float:
        """Small enough for two steps: what a neighbour's neighbour is given, but a few times, passes the threshold."""
        degree = self.graph.degree.double()
        neighbours = float((degree**2).sum() / degree.sum().clamp(min=1))
        return min(_TOLERANCE, 1 / (4 * max(neighbours, 1.0) ** 2))

    def _push(self, sources: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return personalized_pagerank(self.graph, sources, restart=self.restart, tolerance=self.tolerance)

    def _scores(self, anchor: Tensor, ids: Tensor) -> Tensor:
        size = self.graph.num_nodes
        ids = ids.expand(len(anchor), ids.shape[1])
        scores = torch.zeros(ids.shape, dtype=torch.float64, device=ids.device)
        for sources, asked, place in by_source(anchor, _SOURCES):
            indptr, found, values = self._push(sources)
            row = torch.repeat_interleave(torch.arange(len(sources), device=ids.device), indptr.diff())
            keys = row * size + found
            wanted = place[:, None] * size + ids[asked]
            at = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
            scores[asked] = torch.where(keys[at] == wanted, values[at], 0)
        return self._both(anchor, scores, self.graph.degree[ids])

    def _rows(self, anchor: Tensor) -> Tensor:
        indptr, found, values = self._push(anchor)
        row = torch.repeat_interleave(torch.arange(len(anchor), device=anchor.device), indptr.diff())
        scores = torch.zeros((len(anchor), self.graph.num_nodes), dtype=torch.float64, device=anchor.device)
        scores[row, found] = values
        return self._both(anchor, scores, self.graph.degree[None])

    def _both(self, anchor: Tensor, scores: Tensor, degree: Tensor) -> Tensor:
        if not self.symmetric:
            return scores
        # a node without neighbours is found at itself only, and its walk finds itself
        return scores * (1 + self.graph.degree[anchor].clamp(min=1)[:, None] / degree.clamp(min=1))
