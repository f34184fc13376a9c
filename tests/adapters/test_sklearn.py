"""The scikit-learn transformer: its own checks, and the same matrix as KNeighborsTransformer's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.manifold import Isomap
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from graphns.adapters import sklearn as module
from graphns.graph.knn import knn_graph
from graphns.sklearn import KNNGraph

X = np.random.default_rng(0).normal(size=(80, 5))
NEW = np.random.default_rng(1).normal(size=(20, 5))


@parametrize_with_checks([KNNGraph(), KNNGraph(k=3, metric="l2", mode="connectivity")])
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize(("metric", "theirs"), [("cosine", "cosine"), ("l2", "euclidean")])
def test_same_matrix_as_scikit_learns(metric: Any, theirs: str, mode: Any) -> None:
    ours = KNNGraph(k=6, metric=metric, mode=mode).fit(X)
    other = KNeighborsTransformer(n_neighbors=6, metric=theirs, mode=mode).fit(X)
    for rows in (X, NEW):
        np.testing.assert_allclose(ours.transform(rows).toarray(), other.transform(rows).toarray(), atol=1e-7)
        assert (ours.transform(rows).indices == other.transform(rows).indices).all()


def test_in_a_pipeline() -> None:
    ours = make_pipeline(KNNGraph(k=8, metric="l2"), Isomap(n_neighbors=5, metric="precomputed")).fit_transform(X)
    theirs = Isomap(n_neighbors=5).fit_transform(X)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-5)


def test_graph_has_no_self_matches() -> None:
    made = KNNGraph(k=4).fit(X)
    for options in ({}, {"mutual": True}, {"undirected": True, "weighted": True}):
        ours, wanted = made.graph(**options), knn_graph(X, 4, **options)  # type: ignore[arg-type]
        assert ours.edge_index.equal(wanted.edge_index) and not ours.has_self_loops


def test_an_approximate_backend_finds_rows_themselves_first() -> None:
    x = np.random.default_rng(2).normal(size=(500, 4))
    x[7] = 0
    for metric in ("cosine", "l2"):
        exact = KNNGraph(k=5, metric=metric).fit_transform(x)  # type: ignore[arg-type]
        near = KNNGraph(k=5, metric=metric, backend="nn-descent").fit_transform(x)  # type: ignore[arg-type]
        kept = np.arange(500) != 7  # under cosine nothing is nearer to it than anything else
        assert (exact.toarray() != near.toarray())[kept].mean() < 0.001
        assert near[7, 7] == exact[7].max() if metric == "cosine" else near[7, 7] == 0


@pytest.mark.parametrize(("options", "message"), [
    ({"mode": "graph"}, "mode must be"), ({"metric": "ip"}, "is no distance"),
    ({"k": 80}, "from 1 to 79, for 80 fitted rows"), ({"k": 0}, "got 0"), ({"metric": "manhattan"}, "metric must be"),
])
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KNNGraph(**options).fit_transform(X)
    assert module.__all__ == ["KNNGraph"]
