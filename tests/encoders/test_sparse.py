"""The fixed sparse matrix: its forms, where it comes from, and what it refuses."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.encoders.sparse import Sparse


def test_sparse_adds_entries_at_one_place() -> None:
    sparse = Sparse.from_entries(
        torch.tensor([1, 0, 1]), torch.tensor([2, 0, 2]), torch.tensor([1.0, 2.0, 4.0]), (2, 3)
    )
    assert sparse.shape == (2, 3)
    assert sparse.matrix.to_dense().tolist() == [[2, 0, 0], [0, 0, 5]]
    assert sparse.transposed.to_dense().T.tolist() == sparse.matrix.to_dense().tolist()


def test_sparse_without_entries() -> None:
    sparse = Sparse.from_dense(torch.zeros(2, 3))
    assert (sparse @ torch.ones(3, 4)).tolist() == [[0] * 4] * 2


def test_sparse_follows_dtype_and_device() -> None:
    sparse = Sparse.from_dense(torch.eye(2))
    assert sparse.to("cpu") is sparse
    doubled = sparse.map(lambda tensor: tensor.double())
    assert (doubled @ torch.ones(2, 1)).dtype == torch.float64


ENTRIES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from([-1.0, 0.0, 0.5, 2.0])), max_size=15)


@given(ENTRIES, st.sampled_from(["coo", "csr", "csc", "lil"]), st.sampled_from([np.float32, np.float64, np.int64]))
def test_every_way_in_and_out_keeps_the_matrix(entries: list[tuple[int, int, float]], form: str, dtype: type) -> None:
    row, col, value = (np.array([each[part] for each in entries]) for part in range(3))
    whole = scipy.sparse.coo_matrix((value.astype(dtype), (row.astype(int), col.astype(int))), shape=(4, 6))
    wanted = whole.toarray()
    kept = torch.float64 if dtype is np.float64 else torch.float32
    sparse = Sparse.from_scipy(whole.asformat(form))
    assert sparse.shape == (4, 6) and sparse.values.dtype == kept
    assert (sparse.to_dense().numpy() == wanted).all() and (sparse.to_scipy().toarray() == wanted).all()
    assert torch.equal(sparse.transposed.to_dense(), sparse.to_dense().T)
    dense = torch.zeros(4, 6, dtype=kept)
    dense[sparse.row, sparse.matrix.col_indices()] = sparse.values
    assert torch.equal(dense, sparse.to_dense()) and sparse.share == len(sparse.values) / 24
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch: sparse CSR is in beta
        tensors = (dense.to_sparse_coo(), dense.to_sparse_csr(), dense.to_sparse_csc())
    for tensor in tensors:
        assert torch.equal(Sparse.from_torch(tensor).to_dense(), dense)


def test_unsorted_rows_with_copies() -> None:
    sparse = Sparse.from_csr(torch.tensor([0, 3, 3]), torch.tensor([2, 0, 2]), torch.tensor([1.0, 2.0, 4.0]), (2, 3))
    assert sparse.to_dense().tolist() == [[2, 0, 5], [0, 0, 0]]
    assert sparse.matrix.col_indices().tolist() == [0, 2]


@pytest.mark.parametrize(("indptr", "indices", "message"), [
    ([0, 1], [0], r"indptr must rise from 0 in 3 numbers, got \(2,\)"),
    ([1, 1, 1], [0], "indptr must rise from 0"),
    ([0, 2, 1], [0], "indptr must rise from 0"),
    ([0, 1, 2], [0], "need 2 indices and values"),
    ([0, 1, 1], [3], r"indices must lie in \[0, 3\), got 3 to 3"),
    ([0, 1, 1], [-1], "got -1 to -1"),
])
def test_a_triple_that_does_not_fit(indptr: list[int], indices: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sparse.from_csr(torch.tensor(indptr), torch.tensor(indices), torch.ones(len(indices)), (2, 3))


def test_only_matrices() -> None:
    with pytest.raises(ValueError, match=r"need a matrix \[n, m\], got \(2,\)"):
        Sparse.from_torch(torch.ones(2).to_sparse())


def test_sparse_rows_and_their_gradient() -> None:
    x = torch.rand(20, 7, generator=torch.Generator().manual_seed(0))
    x[x < 0.6] = 0
    index = torch.tensor([3, 19, 3, 0])
    chosen = Sparse.from_dense(x).rows(index)
    assert chosen.shape == (4, 7)
    assert torch.equal(chosen.matrix.to_dense(), x[index]) and torch.equal(chosen.transposed.to_dense(), x[index].T)
    weight = torch.rand(7, 2, requires_grad=True)
    (grad,) = torch.autograd.grad(((chosen @ weight) ** 2).sum(), [weight])
    (expected,) = torch.autograd.grad(((x[index] @ weight) ** 2).sum(), [weight])
    torch.testing.assert_close(grad, expected)
    assert Sparse.from_dense(x).rows(index[:0]).shape == (0, 7)


def test_sparse_refuses_entries_outside() -> None:
    with pytest.raises(ValueError, match=r"destination id 3, outside \[0, 3\)"):
        Sparse.from_entries(torch.tensor([0]), torch.tensor([3]), torch.tensor([1.0]), (2, 3))
