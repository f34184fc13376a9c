"""Sorted rows from edges: against SciPy, for both widths, with duplicates, weights and wrong ids."""

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.kernels import csr
from graphns.kernels.csr import build_csr
from tests.kernels.plain import run_as_python


@st.composite
def edge_lists(draw):
    num_rows, num_cols = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    edges = draw(st.lists(st.tuples(st.integers(0, num_rows - 1), st.integers(0, num_cols - 1)), max_size=40))
    # whole numbers add up exactly in any order
    weights = draw(st.lists(st.integers(0, 50), min_size=len(edges), max_size=len(edges)))
    dtype = draw(st.sampled_from([torch.int32, torch.int64]))
    pairs = torch.tensor(edges, dtype=dtype).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1], num_rows, num_cols, torch.tensor(weights, dtype=torch.float64)


def by_torch(row, col, num_rows, num_cols, weight=None):
    return csr._build_csr_torch(row, col, num_rows, num_cols, weight, torch.int32)


@given(edge_lists())
def test_equal_to_scipy_and_to_torch(case):
    row, col, num_rows, num_cols, _ = case
    oracle = scipy.sparse.coo_matrix((np.ones(len(row)), (row.numpy(), col.numpy())), (num_rows, num_cols)).tocsr()
    oracle.sum_duplicates()
    oracle.sort_indices()
    for build in (build_csr, by_torch):
        indptr, indices, none = build(row, col, num_rows, num_cols)
        assert none is None and indptr.dtype == torch.int64 and indices.dtype == torch.int32
        assert indptr.tolist() == oracle.indptr.tolist() and indices.tolist() == oracle.indices.tolist()


@given(edge_lists())
def test_weights_of_equal_edges_are_added(case):
    row, col, num_rows, num_cols, weight = case
    dense = np.zeros((num_rows, num_cols))
    np.add.at(dense, (row.numpy(), col.numpy()), weight.numpy())
    for build in (build_csr, by_torch):
        indptr, indices, merged = build(row, col, num_rows, num_cols, weight)
        source = torch.repeat_interleave(torch.arange(num_rows), indptr.diff())
        assert merged.dtype == torch.float64 and len(merged) == len(indices)
        assert merged.tolist() == dense[source.numpy(), indices.numpy()].tolist()
        assert float(merged.sum()) == dense.sum()


def test_inputs_that_are_not_contiguous():
    edges = torch.tensor([[3, 0], [1, 2], [1, 0], [1, 2]])
    indptr, indices, _ = build_csr(edges[:, 0], edges[:, 1], 4, 3)
    assert (indptr.tolist(), indices.tolist()) == ([0, 0, 2, 2, 3], [0, 2, 0])
    indptr, indices, merged = build_csr(edges[:, 0], edges[:, 1], 4, 3, torch.arange(8.0, dtype=torch.float64)[::2])
    assert merged.tolist() == [4, 8, 0]


@pytest.mark.parametrize("build", [build_csr, lambda *a: csr._build_csr_torch(*a, None, torch.int64)])
def test_columns_from_2_to_the_31_need_int64(build):
    big = 2**31
    row, col = torch.tensor([0, 0, 1]), torch.tensor([big, 0, big])
    indptr, indices, _ = build(row, col, 2, big + 1)
    assert indices.dtype == torch.int64 and indices.tolist() == [0, big, big] and indptr.tolist() == [0, 2, 3]


@pytest.mark.parametrize("part", [2, 6, 15])
@pytest.mark.parametrize(("num_rows", "num_cols"), [(1, 5000), (5000, 1), (3, 2**40), (700, 900), (100_000, 2**33)])
def test_parts_and_digits_of_any_size(part, num_rows, num_cols, monkeypatch):
    monkeypatch.setattr(csr, "_PART", part)
    generator = torch.Generator().manual_seed(part)
    size = 70_000  # several chunks, and rows of very different length
    row = (num_rows * torch.rand(size, generator=generator, dtype=torch.float64) ** 4).long()
    col = torch.randint(num_cols, (size,), generator=generator)
    weight = torch.randint(9, (size,), generator=generator).double()
    want = csr._build_csr_torch(row, col, num_rows, num_cols, weight, torch.int64)
    for weights in (weight, None):
        indptr, indices, merged = build_csr(row, col, num_rows, num_cols, weights)
        assert torch.equal(indptr, want[0]) and torch.equal(indices.long(), want[1])
        assert merged is None if weights is None else torch.equal(merged, want[2])


def test_weights_are_added_in_the_order_of_the_input():
    # floats whose sum depends on the order, in edges that stand far apart
    generator = torch.Generator().manual_seed(0)
    row, col = torch.randint(40, (2, 200_000), generator=generator)
    weight = torch.rand(200_000, generator=generator, dtype=torch.float64) ** 40
    sums = np.zeros(1600)
    np.add.at(sums, (row * 40 + col).numpy(), weight.numpy())  # one after another
    indptr, indices, merged = build_csr(row, col, 40, 40, weight)
    source = torch.repeat_interleave(torch.arange(40), indptr.diff())
    assert merged.tolist() == sums[(source * 40 + indices).numpy()].tolist()


def test_more_bits_than_a_key_holds():
    num_cols = 2**60
    row, col = torch.tensor([99, 0, 99, 5]), torch.tensor([num_cols - 1, 7, num_cols - 1, 0])
    indptr, indices, _ = build_csr(row, col, 100, num_cols)
    assert indices.tolist() == [7, 0, num_cols - 1] and indptr.diff().nonzero().flatten().tolist() == [0, 5, 99]


@pytest.mark.parametrize("build", [build_csr, by_torch])
@pytest.mark.parametrize(("row", "col", "message"), [
    ([0, 3], [0, 1], r"edge 1 has source id 3, outside \[0, 3\); pass the right num_nodes"),
    ([0, -1], [0, 1], r"edge 1 has source id -1, outside \[0, 3\)"),
    ([0, 1, 2], [0, 1, 5], r"edge 2 has destination id 5, outside \[0, 4\)"),
    ([0], [-7], r"edge 0 has destination id -7, outside \[0, 4\)")])
def test_ids_out_of_range_are_named(build, row, col, message):
    with pytest.raises(ValueError, match=message):
        build(torch.tensor(row), torch.tensor(col), 3, 4)


def test_the_loops_as_python(monkeypatch):
    row, col = torch.tensor([2, 0, 2, 2, 1, 0]), torch.tensor([1, 3, 1, 0, 2, 3])
    weight = torch.arange(6, dtype=torch.float64)
    want = build_csr(row, col, 3, 4, weight)
    run_as_python(monkeypatch, csr)
    got = build_csr(row, col, 3, 4, weight)
    assert all(torch.equal(a, b) for a, b in zip(want, got, strict=True))
    with pytest.raises(ValueError, match="edge 0 has source id 9"):
        build_csr(torch.tensor([9]), torch.tensor([0]), 3, 4)
