"""Graphs of nearest neighbours, and approximate searches with their recall."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch

from graphns.graph import knn as module
from graphns.graph.knn import knn, knn_graph
from graphns.graph.nearest_approximate import descended, indexed
from graphns.graph.nearest_exact import best_of
from graphns.graph.table import Preparation, Table

APPROXIMATE = [("nn-descent", "cosine"), ("nn-descent", "l2"), ("faiss", "cosine"), ("faiss", "l2"), ("faiss", "ip")]


def clustered(number: int = 3000, width: int = 16) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, width))[rng.integers(0, 40, number)] + 0.3 * rng.normal(size=(number, width))
    x[50:60] = x[0]  # duplicates
    return x.astype(np.float32)


def as_dense(graph: Any) -> np.ndarray[Any, Any]:
    dense = np.zeros((graph.num_nodes, graph.num_nodes))
    row, col = graph.edge_index.numpy()
    dense[row, col] = 1 if graph.weight is None else graph.weight.numpy()
    return dense


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
def test_edges_directed_mutual_and_undirected(metric: Any) -> None:
    x = np.random.default_rng(1).normal(size=(60, 3))
    near = knn(x, 4, metric)
    directed = np.zeros((60, 60))
    weights = np.zeros((60, 60))
    for i in range(60):
        for j, score in zip(near.ids[i].tolist(), near.score[i].tolist(), strict=True):
            directed[i, j] = 1
            weights[i, j] = 1 / (1 - score) if metric == "l2" else max(score, 0)
    both = directed * directed.T
    either = np.maximum(directed, directed.T)
    assert 0 < both.sum() < directed.sum() < either.sum()
    for options, wanted in (({}, directed), ({"mutual": True}, both), ({"undirected": True}, either)):
        graph = knn_graph(x, 4, metric, **options)
        assert graph.weight is None and not graph.bipartite
        np.testing.assert_array_equal(as_dense(graph), wanted)
        weighted = knn_graph(x, 4, metric, weighted=True, **options)
        assert weighted.num_edges == graph.num_edges
        np.testing.assert_array_equal(as_dense(weighted), np.where(wanted > 0, np.maximum(weights, weights.T), 0))
    with pytest.raises(ValueError, match="choose one"):
        knn_graph(x, 4, metric, mutual=True, undirected=True)
    with pytest.raises(ValueError, match="choose one"):
        near.graph(mutual=True, undirected=True)


@pytest.mark.parametrize(("backend", "metric"), APPROXIMATE)
def test_recall_is_what_a_count_says(backend: Any, metric: Any) -> None:
    """Measured on all rows, and on a sample; neighbours that are found have the exact scores, in the exact order."""
    x = clustered()
    true = knn(x, 10, metric, "exact")
    near = knn(x, 10, metric, backend, sample=len(x))
    counted = float((near.score >= true.score[:, -1:]).double().mean())
    assert near.recall == pytest.approx(counted, abs=1e-12) and near.sampled == len(x)
    assert counted > 0.9 and near.backend == {"faiss": "faiss-ivf"}.get(backend, backend)
    assert abs(knn(x, 10, metric, backend, sample=500).recall - counted) < 0.05
    assert bool((near.ids >= 0).all()) and not bool((near.ids == torch.arange(len(x))[:, None]).any())
    assert bool((near.ids.sort(1).values.diff() > 0).all()), "no neighbour twice"
    whole = (near.ids == true.ids).all(1)
    assert whole.double().mean() > 0.5
    assert torch.equal(near.score[whole], true.score[whole])
    assert bool((near.score.diff() <= 0).all())


@pytest.mark.parametrize(("backend", "metric"), APPROXIMATE)
def test_one_seed_one_result(backend: Any, metric: Any) -> None:
    x = clustered(1500)
    torch.manual_seed(3)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    first, second = (knn(x, 5, metric, backend, seed=7, sample=100) for _ in range(2))
    assert torch.equal(first.ids, second.ids) and first.recall == second.recall
    assert torch.equal(before, torch.get_rng_state())
    assert (np.random.get_state()[1] == numpy_before).all()  # type: ignore[index]


def test_a_poor_search_is_reported() -> None:
    x = clustered(2000)
    with pytest.warns(UserWarning, match=r"'faiss-ivf' found \d.*of the neighbours of 1000 rows.*a larger nprobe"):
        poor = knn(x, 10, "l2", "faiss", nlist=200, nprobe=1)
    assert poor.recall < 0.9
    better = knn(x, 10, "l2", "faiss", nlist=200, nprobe=200)
    assert better.recall == 1
    assert np.isnan(knn(x, 10, "l2", "faiss", nlist=200, nprobe=1, sample=0).recall)


def test_rows_that_a_backend_could_not_fill_are_searched_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    x = clustered(300)

    def holes(table: Table, k: int, *_: Any) -> np.ndarray[Any, Any]:
        found = np.full((len(table), 8), -1)
        found[:, 0] = 0
        found[::2] = np.arange(8)
        return found

    monkeypatch.setattr(module, "descended", holes)
    near, true = knn(x, 5, "l2", "nn-descent", sample=0), knn(x, 5, "l2")
    assert torch.equal(near.ids[1::2], true.ids[1::2]) and torch.equal(near.score[1::2], true.score[1::2])
    assert bool((near.ids[::2] < 8).all())


@pytest.mark.parametrize("memory", [1 << 20, 1 << 29])
def test_the_best_of_candidates_counts_each_once(memory: int) -> None:
    x = np.random.default_rng(2).normal(size=(500, 100))
    table = Table(x)
    candidates = np.random.default_rng(3).integers(-1, 500, (500, 30))
    candidates[:, 15:] = candidates[:, :15]
    ids, _ = best_of(table, table, candidates, 4, Preparation("ip", table), skip=np.arange(500), memory=memory)
    for i in range(500):
        usable = sorted(set(candidates[i].tolist()) - {-1, i}, key=lambda j: -float(x[i] @ x[j]))
        assert ids[i].tolist() == usable[:4]
    few = best_of(table, table, candidates[:, :1], 2, Preparation("ip", table), skip=np.arange(500))[0]
    assert (few[:, 1] == -1).all()


def test_zero_rows_do_not_draw_the_descent() -> None:
    """A row of zeros is at right angles to all: unit rows find their own neighbours first."""
    x = clustered(2000)
    x[::10] = 0
    near = knn(x, 5, "cosine", "nn-descent")
    assert near.recall > 0.95
    assert float(near.score[::10].abs().max()) == 0


def test_flat_faiss_is_exact_but_for_its_rounding() -> None:
    x = clustered()
    near = knn(x, 10, "l2", "faiss", index="flat")
    assert near.backend == "faiss-flat" and near.recall > 0.999
    assert (near.ids == knn(x, 10, "l2").ids).double().mean() > 0.999


def test_auto_is_exact_up_to_a_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    x = clustered(400)
    assert knn(x, 3).backend == "exact" and module.EXACT_UP_TO == 30_000
    monkeypatch.setattr(module, "EXACT_UP_TO", 399)
    assert knn(x, 3).backend == "nn-descent" and knn(x, 3, "ip").backend == "faiss-ivf"
    np.save(tmp_path / "x.npy", x)
    assert knn(tmp_path / "x.npy", 3).backend == "nn-descent"
    # a file that would fill half of the memory is read in blocks
    monkeypatch.setattr(module.os, "sysconf", lambda name: 1 if name == "SC_PAGE_SIZE" else Table(x).nbytes)
    assert knn(tmp_path / "x.npy", 3).backend == "exact" and knn(x, 3).backend == "nn-descent"


@pytest.mark.parametrize(("options", "message"), [
    ({"backend": "nn-descent", "metric": "ip"}, "metric='ip' is none; take backend='faiss'"),
    ({"backend": "faiss", "index": "hnsw"}, "index must be 'flat' or 'ivf', got 'hnsw'"),
    ({"backend": "faiss", "nlists": 3}, "faiss ivf has no option 'nlists'"),
    ({"backend": "faiss", "index": "flat", "nlist": 3}, "faiss flat has no option 'nlist'"),
    ({"backend": "faiss", "nlist": 3, "nprobe": 4}, "nprobe=4 and nlist=3"),
])
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        knn(clustered(200), 3, **options)


@pytest.mark.parametrize(("function", "package"), [(descended, "pynndescent"), (indexed, "faiss")])
def test_a_missing_package_is_named(function: Any, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    backend = "faiss" if package == "faiss" else "nn-descent"
    with pytest.raises(ImportError, match=rf"backend='{backend}' needs {package}.*graphns\[pipelines\]"):
        knn(clustered(100), 3, backend=backend)  # type: ignore[arg-type]
