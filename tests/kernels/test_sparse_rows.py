"""Rows of a sparse matrix and its columns as rows: both versions agree with SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.kernels import sparse_rows
from tests.kernels.plain import run_as_python


def matrix(rows: int, cols: int, seed: int = 0, density: float = 0.3) -> scipy.sparse.csr_array:
    random = np.random.default_rng(seed)
    made = scipy.sparse.csr_array(random.random((rows, cols)) * (random.random((rows, cols)) < density))
    made.sort_indices()
    return made


def tensors(made: scipy.sparse.csr_array) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.from_numpy(made.indptr).long(), torch.from_numpy(made.indices), torch.from_numpy(made.data)


@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 5), st.data())
def test_rows_are_scipys(rows: int, cols: int, seed: int, data: st.DataObject) -> None:
    made = matrix(rows, cols, seed)
    chosen = data.draw(st.lists(st.integers(0, rows - 1), max_size=20))
    expected = tensors(made[chosen] if chosen else matrix(1, cols)[:0])
    index = torch.tensor(chosen, dtype=torch.int64)
    found = sparse_rows.select_rows(*tensors(made), index)
    plain = sparse_rows.select_rows_torch(*tensors(made), index, found[0])
    for ours, torchs, theirs in zip(found, plain, expected, strict=True):
        assert torch.equal(ours, theirs) and torch.equal(torchs, theirs)


@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 5))
def test_flip_is_scipys(rows: int, cols: int, seed: int) -> None:
    made = matrix(rows, cols, seed)
    found = sparse_rows.flip(*tensors(made), cols)
    for ours, theirs in zip(found, tensors(made.T.tocsr()), strict=True):
        assert torch.equal(ours, theirs)
    plain = sparse_rows.flip_torch(*tensors(made))
    assert torch.equal(plain[0], found[1]) and torch.equal(plain[1], found[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uncompiled_and_many(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    indptr, indices, values = tensors(matrix(300, 200, 3, 0.1))
    values, indices = values.to(dtype), indices.long()
    index = torch.arange(299, -1, -1).repeat(20)
    many = sparse_rows.select_rows(indptr, indices, values, index)
    flipped = sparse_rows.flip(indptr, indices, values, 200)
    assert many[2].dtype == flipped[2].dtype == dtype and flipped[1].dtype == torch.int64
    for ours, theirs in zip(many, sparse_rows.select_rows_torch(indptr, indices, values, index, many[0]), strict=True):
        assert torch.equal(ours, theirs)
    run_as_python(monkeypatch, sparse_rows)
    again = sparse_rows.select_rows(indptr, indices, values, index[:310])
    for ours, theirs in zip(again[1:], many[1:], strict=True):
        assert torch.equal(ours, theirs[: len(ours)])
    for ours, theirs in zip(sparse_rows.flip(indptr, indices, values, 200), flipped, strict=True):
        assert torch.equal(ours, theirs)
