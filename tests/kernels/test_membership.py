"""Is an id in a row: against Python sets, near the ends of rows and of the whole array."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.kernels import membership
from graphns.kernels.csr import build_csr
from graphns.kernels.membership import count_torch, find, holds, in_rows, in_rows_torch
from tests.kernels.plain import run_as_python


def rows_of(lists, num_dst, wide=False):
    row = torch.tensor([r for r, ids in enumerate(lists) for _ in ids], dtype=torch.int64)
    col = torch.tensor([i for ids in lists for i in ids], dtype=torch.int64)
    indptr, indices, _ = build_csr(row, col, len(lists), num_dst)
    return indptr, indices.long() if wide else indices


LISTS = st.lists(st.sets(st.integers(0, 120), max_size=40), min_size=1, max_size=6)


@given(LISTS, st.booleans(), st.booleans())
def test_equal_to_python_sets(lists, wide, shared):
    indptr, indices = rows_of(lists, 121, wide)
    rows = torch.arange(-1, len(lists))
    ids = torch.arange(-2, 124)[None]
    ids = ids if shared else (ids + torch.arange(len(rows))[:, None]).contiguous()
    got = in_rows(indptr, indices, rows, ids)
    assert torch.equal(got, in_rows_torch(indptr, indices, rows, ids))
    for b, row in enumerate(rows.tolist()):
        known = lists[row] if row >= 0 else set()
        assert got[b].tolist() == [value in known for value in ids[0 if shared else b].tolist()]


@given(LISTS)
def test_searches_are_their_definitions(lists):
    indptr, indices = rows_of(lists, 121)
    columns = indices.numpy()
    for row, known in enumerate(lists):
        start, stop = int(indptr[row]), int(indptr[row + 1])
        ordered = sorted(known)
        values = [-1, 0, 120, 121, *ordered, *(value + 1 for value in ordered)]
        for value in values:
            assert find(columns, start, stop, value) == start + sum(each < value for each in ordered)
            assert bool(holds(columns, start, stop, value)) == (value in known)
        ids = torch.tensor([values])
        place = torch.tensor([row])
        assert count_torch(indptr, indices, place, ids)[0].tolist() == [
            sum(each < value for each in ordered) for value in values]
        assert count_torch(indptr, indices, place, ids, keys=True)[0].tolist() == [
            sum(each - i <= value for i, each in enumerate(ordered)) for value in values]


def test_long_rows_and_many_threads():
    generator = torch.Generator().manual_seed(0)
    row = torch.randint(50, (200_000,), generator=generator)
    col = torch.randint(9000, (200_000,), generator=generator)
    indptr, indices, _ = build_csr(row, col, 50, 9000)
    rows = torch.arange(50).repeat(40)
    ids = torch.randint(-5, 9005, (2000, 30), generator=generator)
    got = in_rows(indptr, indices, rows, ids)
    shared = in_rows(indptr, indices, rows, ids[:1])
    assert torch.equal(shared, in_rows(indptr, indices, rows, ids[:1].expand(2000, 30).contiguous()))
    known = torch.zeros(50, 9010, dtype=torch.bool)
    known[row, col] = True
    assert torch.equal(got, known[rows[:, None], ids] & (ids >= 0))
    flat = [bool(holds(indices.numpy(), int(indptr[r]), int(indptr[r + 1]), int(i)))
            for r, i in zip(rows[:200].tolist(), ids[:200, 0].tolist(), strict=True)]
    assert flat == got[:200, 0].tolist()


@given(LISTS, st.lists(st.integers(-3, 125), min_size=1, max_size=60), st.booleans())
def test_shared_ids_in_any_order_and_again(lists, values, wide):
    """Few ids are searched for, many are sorted; some come several times, some rows are longer than the ids."""
    indptr, indices = rows_of(lists, 121, wide)
    rows = torch.tensor([*range(-1, len(lists)), 0, -1])
    got = in_rows(indptr, indices, rows, torch.tensor([values]))
    for b, row in enumerate(rows.tolist()):
        known = lists[row] if row >= 0 else set()
        assert got[b].tolist() == [value in known for value in values]


@pytest.mark.parametrize("lists", [[set()], [set(), set()]])
def test_no_edges_at_all(lists):
    indptr, indices = rows_of(lists, 4)
    rows, ids = torch.tensor([0, -1]), torch.tensor([[0, 3, -1]])
    assert not in_rows(indptr, indices, rows, ids).any() and not in_rows_torch(indptr, indices, rows, ids).any()


def test_the_loops_as_python(monkeypatch):
    lists = [{0, 2, 50}, set(), set(range(0, 120, 3))]
    indptr, indices = rows_of(lists, 121)
    rows, ids = torch.tensor([0, 1, 2, -1]), torch.arange(0, 121, 5)[None]
    want = in_rows(indptr, indices, rows, ids)
    run_as_python(monkeypatch, membership)
    assert torch.equal(in_rows(indptr, indices, rows, ids), want)
    for row in (0, 2):
        got = [bool(membership.holds(indices.numpy(), int(indptr[row]), int(indptr[row + 1]), value))
               for value in range(121)]
        assert got == [value in lists[row] for value in range(121)]
    assert membership.holds(indices.numpy()[:3], 0, 3, 2)
