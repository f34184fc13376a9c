"""Exact nearest neighbours against brute force in float64: all metrics, inputs and blocks; what bad input is told."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.graph.knn import knn, search
from graphns.graph.nearest_exact import search_tables
from graphns.graph.table import Array, Metric, Preparation, Table

METRICS: list[Metric] = ["cosine", "l2", "ip"]


def oracle(queries: Array, corpus: Array, k: int, metric: Metric, skip: Array | None = None) -> tuple[Array, Array]:
    """One pair after another, sums without rounding; ties by lower id."""
    ids, scores = [], []
    for q, one in enumerate(queries.astype(float)):
        found = []
        for j, other in enumerate(corpus.astype(float)):
            if skip is not None and skip[q] == j:
                continue
            if metric == "l2":
                score = -math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(one, other, strict=True)))
            else:
                score = math.fsum(a * b for a, b in zip(one, other, strict=True))
                if metric == "cosine":
                    size = math.sqrt(math.fsum(one**2)) * math.sqrt(math.fsum(other**2))
                    score = score / size if size else 0.0
            # a score that differs in the last bits alone is a tie: whole numbers as inputs make many
            found.append((-round(score, 12), j, score))
        found.sort()
        ids.append([j for _, j, _ in found[:k]])
        scores.append([score for _, _, score in found[:k]])
    return np.array(ids), np.array(scores)


def check(x: Any, plain: Array, k: int, metric: Metric, **options: Any) -> None:
    near = knn(x, k, metric, **options)
    ids, score = oracle(plain, plain, k, metric, np.arange(len(plain)))
    assert near.ids.dtype == torch.int64 and near.score.dtype == torch.float64
    np.testing.assert_array_equal(near.ids.numpy(), ids)
    np.testing.assert_allclose(near.score.numpy(), score, rtol=1e-12, atol=1e-12)
    assert (near.backend, near.recall, near.sampled) == ("exact", 1.0, 0)


@pytest.mark.parametrize("metric", METRICS)
@given(seed=st.integers(0, 10_000), number=st.integers(2, 40), width=st.integers(1, 9), top=st.integers(1, 4))
def test_whole_numbers_full_of_ties(metric: Metric, seed: int, number: int, width: int, top: int) -> None:
    """Few values: rows repeat, are zero, and are equally near; the lower id comes first."""
    x = np.random.default_rng(seed).integers(-top, top + 1, (number, width))
    if metric == "cosine":  # rows in the same direction tie only where their rounding is the same: leave unit lengths
        x = np.where((np.abs(x).cumsum(1) == np.abs(x)) & (x != 0), np.sign(x), 0)
    check(x, x, min(3, number - 1), metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint8, np.int64, np.bool_])
def test_every_dtype(metric: Metric, dtype: Any) -> None:
    x = (np.random.default_rng(1).random((60, 12)) * 100).astype(dtype)
    check(x, x, 5, metric)
    check(torch.from_numpy(x), x, 5, metric)


@pytest.mark.parametrize("metric", METRICS)
def test_small_memory_makes_many_blocks_and_changes_nothing(metric: Metric) -> None:
    x = np.random.default_rng(2).normal(size=(400, 700)).astype(np.float32)
    table = Table(x)
    preparation, own = Preparation(metric, table), np.arange(400)
    whole = search_tables(table, table, 7, preparation, skip=own)
    small = search_tables(table, table, 7, preparation, skip=own, memory=1 << 20)
    for first, second in zip(whole, small, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_torch_multiplies_to_the_same_lists(metric: Metric, precision: str) -> None:
    """As on an accelerator, with digits dropped or not."""
    x = np.random.default_rng(3).integers(-3, 4, (300, 20))
    x[100:130] = x[0]
    table = Table(x)
    preparation, own = Preparation(metric, table), np.arange(300)
    wanted = search_tables(table, table, 40, preparation, skip=own)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            found = search_tables(table, table, 40, preparation, skip=own, device=torch.device("cpu"), memory=1 << 20)
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision(before)
    for first, second in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("metric", METRICS)
def test_cuda_gives_the_same(metric: Metric) -> None:
    x = torch.randn(3000, 64, generator=torch.Generator().manual_seed(0))
    x[1000:1100] = x[0]
    here, there = knn(x, 20, metric), knn(x.cuda(), 20, metric)
    assert there.ids.device.type == "cuda" and torch.equal(here.ids, there.ids.cpu())
    assert torch.equal(here.score, there.score.cpu())


def test_what_float32_cannot_tell_apart_is_told_apart() -> None:
    """Points a hundred millionth apart, far from the origin: float32 holds them all alike."""
    x = 1e6 + 1e-8 * np.random.default_rng(4).integers(0, 1000, (80, 3)).astype(float)
    check(x, x, 4, "l2")


@pytest.mark.parametrize("factor", [1e-300, 1e-40, 1e30, 1e150])
def test_sizes_at_the_ends_of_the_range(factor: float) -> None:
    x = np.random.default_rng(5).normal(size=(50, 8))
    for metric in ("cosine", "l2"):
        near, scaled = knn(x, 4, metric), knn(x * factor, 4, metric)  # type: ignore[arg-type]
        assert torch.equal(near.ids, scaled.ids)
        rescale = 1 if metric == "cosine" else factor
        np.testing.assert_allclose(scaled.score.numpy(), near.score.numpy() * rescale, rtol=1e-12)


def test_a_duplicate_is_a_neighbour_and_a_row_is_not_its_own() -> None:
    x = torch.zeros(50, 3)
    x[:40] = torch.tensor([1.0, 2.0, 3.0])
    for metric in METRICS:
        near = knn(x, 5, metric)
        assert not bool((near.ids == torch.arange(50)[:, None]).any())
        assert near.ids[0].tolist() == [1, 2, 3, 4, 5] and near.ids[3].tolist() == [0, 1, 2, 4, 5]
    assert float(knn(x, 1, "l2").score[0]) == 0 and float(knn(x, 1, "ip").score[0]) == 14


def test_a_row_of_zeros_has_cosine_zero_with_every_row() -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.1], [0.0, 0.0], [0.9, 0.1]])
    near = knn(x, 3)
    assert near.ids[1].tolist() == [0, 2, 3] and near.score[1].tolist() == [0, 0, 0]
    assert near.ids[0].tolist() == [4, 1, 3]  # a zero row is nearer than one that points away


def test_a_mapped_file_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(6).normal(size=(5000, 300)).astype(np.float16)
    np.save(tmp_path / "x.npy", x)
    most, real = [], Table._float64
    monkeypatch.setattr(Table, "_float64", staticmethod(lambda part: most.append(len(part)) or real(part)))
    near = knn(tmp_path / "x.npy", 3, memory=1 << 21, sample=0)
    assert max(most) * x.shape[1] * 8 < x.size * 8 / 2, "never copied whole; the first look takes the largest part"
    monkeypatch.undo()
    assert torch.equal(near.ids, knn(x, 3).ids)
    assert torch.equal(near.ids, knn(np.load(tmp_path / "x.npy", mmap_mode="r"), 3).ids)
    assert torch.equal(near.ids, knn(str(tmp_path / "x.npy"), 3).ids)


@pytest.mark.parametrize("metric", METRICS)
def test_search_of_queries_in_a_corpus(metric: Metric) -> None:
    rng = np.random.default_rng(7)
    queries, corpus = rng.integers(-9, 9, (30, 6)), rng.integers(-9, 9, (80, 6)).astype(np.float32)
    skip = rng.integers(-1, 80, 30)
    for left_out in (None, skip):
        ids, score = search(queries, torch.from_numpy(corpus), 5, metric,
                            skip=None if left_out is None else torch.from_numpy(left_out))
        wanted = oracle(queries, corpus, 5, metric, left_out)
        np.testing.assert_allclose(score.numpy(), wanted[1], rtol=1e-12, atol=1e-12)
        if metric != "cosine":  # cosines of rows in the same direction differ in the last bit
            np.testing.assert_array_equal(ids.numpy(), wanted[0])
    assert search(queries, corpus, 80, metric)[0].sort(1).values.equal(torch.arange(80).expand(30, 80))


def test_nothing_global_is_touched_and_threads_change_nothing() -> None:
    x = np.random.default_rng(8).normal(size=(600, 16))
    torch.manual_seed(0)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    threads, grad = torch.get_num_threads(), torch.is_grad_enabled()
    first = knn(x, 6)
    torch.set_num_threads(2)
    try:
        second = knn(x, 6)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(first.ids, second.ids) and torch.equal(first.score, second.score)
    assert torch.equal(before, torch.get_rng_state()) and torch.is_grad_enabled() == grad
    assert (np.random.get_state()[1] == numpy_before).all()  # type: ignore[index]


X = np.ones((5, 2))


def holding(row: int, value: float) -> Array:
    x = np.ones((9000, 700), dtype=np.float32)
    x[row, 3] = x[row + 1, 2] = value
    return x


@pytest.mark.parametrize(("x", "k", "options", "message"), [
    (holding(8000, np.nan), 1, {}, "row 8000 of x holds nan"), (holding(7, -np.inf), 1, {}, "row 7 of x holds -inf"),
    (X, 5, {}, "k must be a whole number from 1 to 4, for 5 rows have 4 others; got 5"), (X, 0, {}, "got 0"),
    (X, True, {}, "got True"), (X, 1.0, {}, "got 1.0"), (X[:, 0], 1, {}, r"got shape \(5,\)"),
    (X[:0], 1, {}, r"at least one row"), (X[:, :0], 1, {}, r"shape \(5, 0\)"), (X * 1j, 1, {}, "real numbers.*complex"),
    (X.astype(str), 1, {}, "real numbers"), (X.tolist(), 1, {}, "got list"),
    (torch.eye(3).to_sparse(), 1, {}, "all of them stored, got torch.sparse_coo"),
    (X, 1, {"metric": "euclid"}, "one of cosine, l2, ip, got 'euclid'"), (X, 1, {"backend": "hnsw"}, "got 'hnsw'"),
    (X, 1, {"sample": -1}, "sample must be"), (X, 1, {"memory": 5}, "memory must be at least"),
    (X, 1, {"nprobe": 3}, "no option 'nprobe'"), ("/no/such.npy", 1, {}, "there is no file /no/such.npy"),
])
def test_bad_input_is_refused(x: Any, k: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        knn(x, k, **options)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("1 2 3\n")
    np.save(tmp_path / "objects.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "several.npz", x=X)
    np.save(tmp_path / "short.npy", X)
    content = (tmp_path / "short.npy").read_bytes()
    (tmp_path / "short.npy").write_bytes(content[:-8])
    for name, message in (("text.npy", "is no .npy file of plain numbers"), ("objects.npy", "needs a pickle"),
                          ("several.npz", "several arrays"), ("short.npy", "is no .npy file")):
        with pytest.raises(ValueError, match=message):
            knn(tmp_path / name, 1)


def test_bad_searches_are_refused() -> None:
    for options, message in (({"k": 6}, "from 1 to 5, for the corpus"), ({"corpus": np.ones((4, 3))}, "2 columns"),
                             ({"skip": torch.zeros(3)}, "skip must be one int64 id a query"),
                             ({"skip": torch.tensor([0, 5, 1, 1, 1])}, "ids of the corpus, 0 … 4"),
                             ({"k": 5, "skip": torch.zeros(5, dtype=torch.int64)}, "from 1 to 4")):
        with pytest.raises(ValueError, match=message):
            search(**{"queries": X, "corpus": X, "k": 1, **options})  # type: ignore[arg-type]
