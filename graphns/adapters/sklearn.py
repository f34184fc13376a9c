"""scikit-learn: the k-NN graph as a transformer, in the place of `sklearn.neighbors.KNeighborsTransformer`."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from graphns.graph.graph import Graph
from graphns.graph.knn import EXACT_UP_TO, Backend, check_k, knn, knn_graph, search
from graphns.graph.table import Array, Metric

__all__ = ["KNNGraph"]


class KNNGraph(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Rows to the sparse matrix of their nearest fitted rows.

    As in `KNeighborsTransformer`, a row that was fitted finds itself first: mode "distance" then has k + 1 entries a
    row, so that k others are left, and "connectivity" has k with itself. `graph` has no such self-matches.

    Args:
        k: how many neighbours.
        metric: "cosine", "l2" or "ip".
        mode: "distance" (1 - cosine, or Euclidean; ip has none) or "connectivity" (ones).
        backend: of `fit_transform` and `graph`; see `graphns.graph.knn.knn`. `transform` of other rows is exact.
        seed: of an approximate backend.

    Raises:
        ValueError: on fit, an option is out of range or X is no table of finite numbers; on transform, there are fewer
            fitted rows than entries a row.

    Example:
        >>> X = np.array([[0.0], [1.0], [3.0]])
        >>> KNNGraph(k=1, metric="l2").fit_transform(X).toarray()
        array([[0., 1., 0.],
               [1., 0., 0.],
               [0., 2., 0.]])
        >>> KNNGraph(k=1, metric="l2").fit(X).graph().edge_index.tolist()
        [[0, 1, 2], [1, 0, 1]]
    """

    def __init__(self, k: int = 5, *, metric: Metric = "cosine", mode: Literal["distance", "connectivity"] = "distance",
                 backend: Backend = "auto", seed: int = 0) -> None:
        self.k = k
        self.metric = metric
        self.mode = mode
        self.backend = backend
        self.seed = seed

    def fit(self, X: Any, y: Any = None) -> Self:
        """Keep the rows X [N, d]; y plays no part."""
        if self.mode not in ("distance", "connectivity"):
            raise ValueError(f"mode must be 'distance' or 'connectivity', got {self.mode!r}")
        if self.metric == "ip" and self.mode == "distance":
            raise ValueError("metric='ip' is no distance; take mode='connectivity'")
        X = validate_data(self, X, dtype="numeric", ensure_min_samples=2)
        self._fit_X = X
        self.n_samples_fit_ = self._n_features_out = X.shape[0]
        return self

    def transform(self, X: Any) -> csr_matrix:
        """The nearest fitted rows of each row of X [Q, d].

        Returns:
            [Q, N] CSR of float64, nearest first within a row; equal ones by lower column.
        """
        check_is_fitted(self, "n_samples_fit_")
        X = validate_data(self, X, dtype="numeric", reset=False)
        check_k(self.k, self.n_samples_fit_ - (self.mode == "distance"),
                f"{self.n_samples_fit_} fitted rows and mode={self.mode!r}")
        ids, score = search(X, self._fit_X, self._entries(), self.metric)
        return self._matrix(ids.numpy(), score.numpy())

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> csr_matrix:
        """As fit and then transform of the same X; by the backend, where it is not exact."""
        self.fit(X, y)
        exact = self.backend == "exact" or (self.backend == "auto" and self.n_samples_fit_ <= EXACT_UP_TO)
        if exact or self._entries() < 2:
            return self.transform(X)
        near = knn(self._fit_X, self._entries() - 1, self.metric, self.backend, seed=self.seed)
        own = np.arange(self.n_samples_fit_)[:, None]
        if self.metric == "cosine":
            itself = self._fit_X.any(1).astype(np.float64)[:, None]
        else:
            itself = np.zeros(own.shape)
        return self._matrix(np.hstack([own, near.ids.numpy()]), np.hstack([itself, near.score.numpy()]))

    def graph(self, *, mutual: bool = False, undirected: bool = False, weighted: bool = False) -> Graph:
        """The `Graph` of the fitted rows, each joined to its k nearest others; see `graphns.graph.knn.knn_graph`."""
        check_is_fitted(self, "n_samples_fit_")
        return knn_graph(self._fit_X, self.k, self.metric, self.backend, mutual, undirected=undirected,
                         weighted=weighted, seed=self.seed)

    def _entries(self) -> int:
        """Entries a row."""
        return self.k + (self.mode == "distance")

    def _matrix(self, ids: Array, score: Array) -> csr_matrix:
        if self.mode == "connectivity":
            data: Array = np.ones(ids.size)
        else:
            data = (1 - score if self.metric == "cosine" else -score).ravel() + 0.0
        starts = np.arange(0, ids.size + 1, ids.shape[1])
        return csr_matrix((data, ids.ravel(), starts), shape=(len(ids), self.n_samples_fit_))
