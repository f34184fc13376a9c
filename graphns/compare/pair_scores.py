"""Scores of pairs that no training made: from the graph alone, so that hardness has a yardstick before any model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from graphns.graph.graph import Graph
from graphns.scorers.table import TableModel
from graphns.streams import Stream, unit

_DENSE = 256  # nodes of the smaller side up to which the whole decomposition is made at once


def _matrix(graph: Graph) -> Any:
    import scipy.sparse

    ones = np.ones(graph.num_edges)
    return scipy.sparse.csr_array((ones, graph.indices.numpy(), graph.indptr.numpy()), (graph.num_src, graph.num_dst))


def spectral_model(graph: Graph, width: int = 32) -> TableModel:
    r"""The truncated SVD of the adjacency as a model: its best approximation of that rank scores the pairs.

    .. math:: A \approx U \Sigma V^\top, \qquad s(u, j) = (U \Sigma^{1/2})_u \cdot (V \Sigma^{1/2})_j

    Args:
        graph: on the CPU; weights are not read.
        width: rank, at most one less than the smaller side of A where A is large.

    Raises:
        ValueError: width is below 1.

    Example:
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 0, 1, 1, 2], [0, 1, 0, 1, 2]]), (3, 3))
        >>> spectral_model(graph, 1).score(torch.tensor([0, 2]), torch.tensor([[0, 2]])).abs().round().tolist()
        [[1.0, 0.0], [0.0, 0.0]]
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    matrix = _matrix(graph)
    side = min(matrix.shape)
    if side <= _DENSE:
        left, values, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
    else:
        from scipy.sparse.linalg import svds

        # the start of the iteration decides the last digits: a keyed one gives the same ones again
        start = unit(Stream(0).words(torch.arange(side), 1)[:, 0]).numpy() - 0.5
        left, values, right = svds(matrix, k=min(width, side - 1), v0=start)
        left, values, right = left[:, ::-1], values[::-1], right[::-1]
    root = np.sqrt(np.maximum(values[:width], 0.0))
    anchors, candidates = (torch.from_numpy(np.ascontiguousarray(table * root, dtype=np.float32))
                           for table in (left[:, :width], right[:width].T))
    return TableModel(anchors, candidates)
