"""Scores by common neighbours: their number, or rare ones counting more."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.kernels.overlap import fixed_point, overlap, overlap_rows
from graphns.scorers.from_graph import Heuristic


class CommonNeighbors(Heuristic):
    r"""How many neighbours two nodes share.

    .. math:: s(u, v) = |N(u) \cap N(v)|

    Scores are float64. Two pairs whose common neighbours have the same degrees tie exactly, here and in
    `AdamicAdar` and `ResourceAllocation`: the weights of neighbours are added up as integers.

    Args:
        graph: homogeneous; edges count in both directions, loops and weights are not read.

    Raises:
        ValueError: the graph is bipartite.

    Example:
        >>> square = Graph.from_edge_index(torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]]))
        >>> CommonNeighbors(square).score(torch.tensor([0, 1]), torch.tensor([[1, 2], [2, 3]])).tolist()
        [[0.0, 2.0], [0.0, 2.0]]

    References:
        Liben-Nowell, Kleinberg: The Link Prediction Problem for Social Networks. CIKM 2003.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        degree = self.graph.degree
        self._weight, self._bits = fixed_point(self._weights(degree.double()), int(degree.max()))

    def _weights(self, degree: Tensor) -> Tensor:
        """What a common neighbour of each degree [N] counts."""
        return torch.ones_like(degree)

    def _scores(self, anchor: Tensor, ids: Tensor) -> Tensor:
        return self._floating(overlap(self.graph.indptr, self.graph.indices, self._weight, anchor, ids))

    def _rows(self, anchor: Tensor) -> Tensor:
        return self._floating(overlap_rows(self.graph.indptr, self.graph.indices, self._weight, anchor))

    def _floating(self, whole: Tensor) -> Tensor:
        return whole.double() * 2.0**-self._bits


class AdamicAdar(CommonNeighbors):
    r"""Common neighbours, those with few neighbours counting more.

    .. math:: s(u, v) = \sum_{w \in N(u) \cap N(v)} \frac{1}{\ln d_w}

    Args:
        graph: homogeneous; edges count in both directions, loops and weights are not read.

    Raises:
        ValueError: the graph is bipartite.

    Example:
        >>> path = Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]]))
        >>> AdamicAdar(path).rows(torch.tensor([0])).tolist()[0][1:]
        [0.0, 1.4426950408889634]

    References:
        Adamic, Adar: Friends and Neighbors on the Web. Social Networks 2003.
    """

    def _weights(self, degree: Tensor) -> Tensor:
        # a common neighbour of two nodes has at least two neighbours
        return 1 / degree.clamp(min=2).log()


class ResourceAllocation(CommonNeighbors):
    r"""Common neighbours, each sharing one unit among its neighbours.

    .. math:: s(u, v) = \sum_{w \in N(u) \cap N(v)} \frac{1}{d_w}

    Args:
        graph: homogeneous; edges count in both directions, loops and weights are not read.

    Raises:
        ValueError: the graph is bipartite.

    Example:
        >>> star = Graph.from_edge_index(torch.tensor([[0, 0, 0, 0], [1, 2, 3, 4]]))
        >>> ResourceAllocation(star).pairs(torch.tensor([1, 0]), torch.tensor([2, 1])).tolist()
        [0.25, 0.0]

    References:
        Zhou, Lü, Zhang: Predicting Missing Links via Local Information. European Physical Journal B, 2009.
    """

    def _weights(self, degree: Tensor) -> Tensor:
        return 1 / degree.clamp(min=1)
