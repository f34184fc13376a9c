"""Scores by all paths between two nodes, short ones counting more."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.scorers.from_graph import Heuristic, by_source
from graphns.streams import Stream, unit

_NUMBERS = 1 << 22  # held at once while anchors are worked off in blocks
_DENSE = 64  # nodes up to which the whole spectrum is computed


class Katz(Heuristic):
    r"""The number of walks between two nodes, each damped by its length.

    .. math:: s(u, v) = \sum_{l=1}^{L} \beta^l (A^l)_{uv}, \qquad
        L = \infty: \; s = (I - \beta A)^{-1} - I

    Each distinct anchor costs L products of a vector with the adjacency, however many ids it is scored against. Runs
    on the CPU; a graph elsewhere is copied there.

    Args:
        graph: homogeneous; edges count in both directions, loops and weights are not read.
        damping: beta, above 0; for unlimited length below one over the largest eigenvalue of A.
        length: L, at least 1. None: so long that what is left out of any row is below 1e-12.

    Raises:
        ValueError: the graph is bipartite, or an argument is out of range.

    Example:
        >>> path = Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]]))
        >>> Katz(path, damping=0.5).pairs(torch.tensor([0, 0]), torch.tensor([1, 2])).tolist()
        [0.75, 0.25]

    References:
        Katz: A New Status Index Derived from Sociometric Analysis. Psychometrika 1953.
    """

    def __init__(self, graph: Graph, damping: float = 0.005, length: int | None = 3) -> None:
        super().__init__(graph)
        if not (math.isfinite(damping) and damping > 0):
            raise ValueError(f"damping must be a finite number above 0, got {damping}")
        if length is not None and length < 1:
            raise ValueError(f"length must be at least 1, or None for walks of any length, got {length}")
        import scipy.sparse

        rows = self.graph.to("cpu")
        self._matrix = scipy.sparse.csr_array((np.ones(rows.num_edges), rows.indices.numpy(), rows.indptr.numpy()),
                                              (rows.num_nodes, rows.num_nodes))
        self.damping = damping
        self.length = self._enough() if length is None else length

    def _enough(self) -> int:
        """How many steps leave less than 1e-12 out of a row, whose norm shrinks by damping times the radius."""
        radius = _spectral_radius(self._matrix)
        share = self.damping * radius
        if share >= 1:
            raise ValueError(f"damping {self.damping} is not below 1 / {radius:.6g}, one over the largest eigenvalue: "
                             "the sum over all lengths has no end; lower it, or give a length")
        return 1 if share == 0 else max(1, math.ceil(math.log(1e-12 * (1 - share)) / math.log(share)))

    def _scores(self, anchor: Tensor, ids: Tensor) -> Tensor:
        ids = ids.expand(len(anchor), ids.shape[1])
        scores = torch.empty(ids.shape, dtype=torch.float64, device=ids.device)
        for nodes, asked, place in by_source(anchor, max(1, _NUMBERS // self.graph.num_nodes)):
            scores[asked] = self._rows(nodes)[place[:, None], ids[asked]]
        return scores

    def _rows(self, anchor: Tensor) -> Tensor:
        walks = self.damping * self._matrix[anchor.cpu().numpy()].toarray().T
        total = walks.copy()
        for _ in range(self.length - 1):
            walks = self.damping * (self._matrix @ walks)
            total += walks
        return torch.from_numpy(total.T.copy()).to(anchor.device)


def _spectral_radius(matrix: Any) -> float:
    """The largest eigenvalue of a symmetric matrix without negative entries."""
    if matrix.shape[0] <= _DENSE or matrix.nnz == 0:
        return float(np.linalg.eigvalsh(matrix.toarray()).max()) if matrix.nnz else 0.0
    from scipy.sparse.linalg import eigsh

    # the start of the iteration decides the last digits: a keyed one gives the same ones again
    start = unit(Stream(0).words(torch.arange(matrix.shape[0]), 1)[:, 0]).numpy() + 0.5
    return float(eigsh(matrix, k=1, which="LA", v0=start, return_eigenvectors=False)[0])
