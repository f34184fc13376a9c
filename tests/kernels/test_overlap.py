"""Weights of common neighbours: both versions against sets, whole numbers that no order changes."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.kernels import membership, overlap
from graphns.kernels.csr import build_csr
from graphns.kernels.overlap import fixed_point, overlap_rows, overlap_rows_torch, overlap_torch
from tests.kernels.plain import run_as_python

SIZE = 30
PAIRS = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), max_size=90)


def symmetric(pairs, size=SIZE, wide=False):
    both = torch.tensor([*pairs, *((b, a) for a, b in pairs)], dtype=torch.int64).view(-1, 2)
    indptr, indices, _ = build_csr(both[:, 0], both[:, 1], size, size)
    return indptr, indices.long() if wide else indices


def hub(size=400):
    """Node 0 has all others, the others few: rows of very different length."""
    spokes = [(0, node) for node in range(1, size)]
    return symmetric([*spokes, *((node, node + 3) for node in range(1, size - 3))], size)


@given(PAIRS, st.booleans(), st.sampled_from([1, 3, 8, 40]))
def test_equal_to_sets(pairs, wide, m):
    indptr, indices = symmetric(pairs, wide=wide)
    weight = torch.arange(SIZE) ** 3 + 1
    rows = torch.arange(SIZE)
    ids = (7 * torch.arange(m) + torch.arange(SIZE)[:, None]) % SIZE
    found = overlap.overlap(indptr, indices, weight, rows, ids)
    assert torch.equal(found, overlap_torch(indptr, indices, weight, rows, ids))
    known = [set(indices[indptr[node]:indptr[node + 1]].tolist()) for node in range(SIZE)]
    wanted = [[sum(w**3 + 1 for w in known[u] & known[v]) for v in row] for u, row in enumerate(ids.tolist())]
    assert found.tolist() == wanted
    shared = overlap.overlap(indptr, indices, weight, rows, ids[:1])
    assert torch.equal(shared, overlap.overlap(indptr, indices, weight, rows, ids[:1].expand(SIZE, m).contiguous()))
    whole = overlap_rows(indptr, indices, weight, rows)
    assert torch.equal(whole, overlap_rows_torch(indptr, indices, weight, rows))
    assert torch.equal(whole.gather(1, ids), found)


@pytest.mark.parametrize("m", [1, 9])
def test_long_and_short_rows_and_many_threads(m):
    indptr, indices = hub()
    weight = torch.arange(400) + 1
    rows = torch.arange(400).repeat(30)
    ids = (torch.arange(m) * 11 + torch.arange(len(rows))[:, None] * 17) % 400
    found = overlap.overlap(indptr, indices, weight, rows, ids)
    assert torch.equal(found, overlap_torch(indptr, indices, weight, rows, ids))
    turned = overlap.overlap(indptr, indices, weight, ids[:, 0], rows[:, None])
    assert torch.equal(turned[:, 0], found[:, 0]) and int((found > 0).sum()) > 1000
    once = rows[:400]  # few questions of a row: nothing is marked, and the hub's row is searched
    assert torch.equal(overlap.overlap(indptr, indices, weight, once, ids[:400, :1]), found[:400, :1])


def test_no_order_changes_a_sum():
    """In floating point it does: of 2, 3, 7, 11 and 13, not all orders of 1/d add up alike."""
    degrees = [2, 3, 7, 11, 13, 49]
    assert len({sum(1 / d for d in order) for order in itertools.permutations(degrees)}) > 1
    weight, bits = fixed_point(1 / torch.tensor(degrees).double(), 6)
    assert len({sum(weight[list(order)].tolist()) for order in itertools.permutations(range(6))}) == 1
    torch.testing.assert_close(weight.double() * 2.0**-bits, 1 / torch.tensor(degrees).double(), rtol=1e-15, atol=0)


@given(st.lists(st.floats(0, 1e6), max_size=5), st.integers(0, 10**7))
def test_sums_stay_below_the_top(values, terms):
    weight, bits = fixed_point(torch.tensor(values, dtype=torch.float64), terms)
    assert max(weight.tolist(), default=0) * max(terms, 1) < 2**62 and bool((weight >= 0).all())
    for value, whole in zip(values, weight.tolist(), strict=True):
        assert whole / 2**bits == pytest.approx(value, abs=2.0 ** -bits)


def test_no_edges_and_no_questions():
    indptr, indices = symmetric([])
    none = torch.zeros(0, dtype=torch.int64)
    assert not overlap.overlap(indptr, indices, torch.ones(SIZE).long(), torch.arange(3), torch.arange(9)[None]).any()
    assert not overlap_torch(indptr, indices, torch.ones(SIZE).long(), torch.arange(3), torch.arange(9)[None]).any()
    assert overlap.overlap(indptr, indices, torch.ones(SIZE).long(), none, none[:, None]).shape == (0, 1)
    assert overlap_rows(indptr, indices, torch.ones(SIZE).long(), none).shape == (0, SIZE)


def test_the_loops_as_python(monkeypatch):
    indptr, indices = hub(60)
    weight = torch.arange(60) + 1
    questions = [(torch.arange(60), torch.arange(60)[:, None].flip(0)), (torch.arange(20), torch.arange(12)[None])]
    wanted = [overlap.overlap(indptr, indices, weight, *question) for question in questions]
    rows = overlap_rows(indptr, indices, weight, torch.arange(5))
    run_as_python(monkeypatch, overlap, membership)
    for question, want in zip(questions, wanted, strict=True):
        assert torch.equal(overlap.overlap(indptr, indices, weight, *question), want)
    assert torch.equal(overlap.overlap_rows(indptr, indices, weight, torch.arange(5)), rows)
