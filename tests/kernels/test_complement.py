"""Uniform draws outside a row: every rank, every position of the further exclusions, torch and Numba alike."""

from itertools import product

import pytest
import torch

from graphns.kernels import complement, edge_filter, membership
from graphns.kernels.complement import (
    candidate_at,
    complement_keys,
    complement_uniform,
    complement_uniform_torch,
    exchange,
    exchange_torch,
    outside_row,
    valid_extra,
)
from graphns.kernels.csr import build_csr
from graphns.kernels.distinct import complement_at_torch
from graphns.kernels.edge_filter import build_edge_filter
from graphns.kernels.sized import complement_sized, complement_sized_torch
from graphns.streams import Stream
from tests.kernels.plain import run_as_python
from tests.samplers.distribution import ALPHA, SEEDS, chi_square

N = 6


def every_row():
    """All 64 rows over 6 candidates, as one graph."""
    row, col = torch.tensor([(r, i) for r in range(2**N) for i in range(N) if r >> i & 1]).T
    return build_csr(row, col, 2**N, N)[:2]


def every_query():
    """Every row, and none, with every pair of further exclusions: in it, outside it, equal, at the tail, none."""
    rows, first, second = torch.tensor(list(product(range(-1, 2**N), range(-1, N + 1), range(-1, N + 1)))).T
    wanted = []
    for row, a, b in zip(rows.tolist(), first.tolist(), second.tolist(), strict=True):
        wanted.append([i for i in range(N) if i not in (a, b) and (row < 0 or not row >> i & 1)])
    return rows.contiguous(), torch.stack([first, second], 1), wanted


def test_every_rank_of_every_row_with_every_pair_of_exclusions():
    indptr, indices = every_row()
    rows, extra, wanted = every_query()
    columns = indices.numpy()
    for row, (a, b), want in zip(rows.tolist(), extra.tolist(), wanted, strict=True):
        start, stop = (0, 0) if row < 0 else (int(indptr[row]), int(indptr[row + 1]))
        first = valid_extra(columns, start, stop, a, N)
        second = -1 if a == b else valid_extra(columns, start, stop, b, N)
        count = N - (stop - start) - (first >= 0) - (second >= 0)
        got = [candidate_at(columns, start, stop, first, second, N, count, rank) for rank in range(count)]
        assert sorted(got) == want, (row, a, b)


@pytest.mark.parametrize("width", [0, 1, 2])
@pytest.mark.parametrize("filtered", [False, True])
def test_numba_and_torch_agree_and_draw_candidates_only(width, filtered):
    indptr, indices = every_row()
    rows, extra, _ = every_query()
    extra = extra[:, :width].contiguous()
    keys = Stream(7).row_keys(torch.arange(len(rows)))
    table = build_edge_filter(indptr, indices) if filtered else None
    ids, counts = complement_uniform(indptr, indices, rows, extra, N, keys, 9, table)
    again, counts_too = complement_uniform_torch(indptr, indices, rows, extra, N, keys, 9)
    assert torch.equal(ids, again) and torch.equal(counts, counts_too)
    for b, row in enumerate(rows.tolist()):
        want = [i for i in range(N) if i not in extra[b].tolist() and (row < 0 or not row >> i & 1)]
        assert int(counts[b]) == len(want)
        assert set(ids[b].tolist()) <= set(want or [0])


def test_exchange_is_one_to_one_and_ranks_rise():
    indptr, indices = every_row()
    columns = indices.numpy()
    for row in range(2**N):
        start, stop = int(indptr[row]), int(indptr[row + 1])
        free = [i for i in range(N) if not row >> i & 1]
        assert [outside_row(columns, start, stop, rank) for rank in range(len(free))] == free
        got = [exchange(columns, start, stop, N, rank) for rank in range(len(free))]
        assert sorted(got) == free
        assert exchange_torch(indptr, indices, torch.tensor([row]), N, torch.arange(len(free))[None])[0].tolist() == got


def test_complement_keys_are_sorted_and_count_the_row():
    indptr, indices = every_row()
    keys = complement_keys(indptr, indices, N)
    assert bool((keys.diff() >= 0).all())
    for row in (0, 5, 63, 42):
        for rank in range(N - row.bit_count()):
            passed = int(torch.searchsorted(keys, row * (N + 1) + rank, right=True)) - int(indptr[row])
            assert rank + passed == [i for i in range(N) if not row >> i & 1][rank]


def test_draws_are_uniform_on_a_hub():
    # a row of 9,990 among 10,000: nearly every draw takes the exchange
    free = torch.arange(17, 10_000, 1000)
    held = torch.ones(10_000, dtype=torch.bool)
    held[free] = False
    indptr, indices = torch.tensor([0, int(held.sum())]), held.nonzero()[:, 0].int()
    extra = torch.tensor([[int(free[3]), int(free[9])]])
    left = torch.cat([free[:3], free[4:9]])
    for seed in SEEDS:
        keys = Stream(seed).row_keys(torch.arange(1))
        ids, counts = complement_uniform(indptr, indices, torch.tensor([0]), extra, 10_000, keys, 50_000)
        seen = torch.bincount(ids[0], minlength=10_000)
        assert int(counts) == 8 and int(seen[left].sum()) == 50_000
        assert chi_square(seen[left], torch.full((8,), 1 / 8)) > ALPHA / len(SEEDS)


def test_more_than_2_to_the_31_candidates():
    num = 2**33 + 7
    indices = torch.tensor([0, 2**32, num - 1])
    indptr = torch.tensor([0, 3])
    keys = Stream(1).row_keys(torch.arange(3))
    rows, extra = torch.tensor([0, 0, -1]), torch.tensor([[num - 2, 5], [-1, -1], [num, 3]])
    ids, counts = complement_uniform(indptr, indices, rows, extra, num, keys, 2000)
    again, counts_too = complement_uniform_torch(indptr, indices, rows, extra, num, keys, 2000)
    assert torch.equal(ids, again) and torch.equal(counts, counts_too)
    assert counts.tolist() == [num - 5, num - 3, num - 1]
    assert int(ids.max()) > 2**32 and int(ids.min()) >= 0 and int(ids.max()) < num
    assert abs(float(ids.double().mean()) / num - 0.5) < 0.03


def test_threads_and_batches_do_not_matter():
    generator = torch.Generator().manual_seed(0)
    row, col = torch.randint(4000, (2, 40_000), generator=generator)
    indptr, indices, _ = build_csr(row, col, 4000, 4000)
    rows = torch.arange(4000).repeat(3)
    extra = torch.stack([rows, col[:12_000]], 1).contiguous()
    keys = Stream(0).row_keys(torch.arange(len(rows)))
    whole = complement_uniform(indptr, indices, rows, extra, 4000, keys, 7)[0]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    serial = complement_uniform(indptr, indices, rows, extra, 4000, keys, 7)[0]
    torch.set_num_threads(threads)
    assert torch.equal(whole, serial)
    part = complement_uniform(indptr, indices, rows[500:600], extra[500:600], 4000, keys[500:600], 7,
                              build_edge_filter(indptr, indices))[0]
    assert torch.equal(whole[500:600], part)


def test_the_loops_as_python(monkeypatch):
    indptr, indices = every_row()
    rows, extra, _ = every_query()
    rows, extra = rows[::97].contiguous(), extra[::97].contiguous()
    keys = Stream(7).row_keys(torch.arange(len(rows)))
    table = build_edge_filter(indptr, indices)
    want = complement_uniform(indptr, indices, rows, extra, N, keys, 3, table)[0]
    run_as_python(monkeypatch, membership, edge_filter, complement)
    assert torch.equal(edge_filter.build_edge_filter(indptr, indices), table)
    assert torch.equal(complement_uniform(indptr, indices, rows, extra, N, keys, 3, table)[0], want)
    assert torch.equal(complement_uniform(indptr, indices, rows, extra, N, keys, 3)[0], want)
    outside = [complement.outside_row(indices.numpy(), int(indptr[5]), int(indptr[6]), rank) for rank in range(4)]
    assert outside == [1, 3, 4, 5]


def test_three_extras_are_refused():
    indptr, indices = every_row()
    with pytest.raises(ValueError, match="at most 2 further exclusions per row, got 3"):
        complement_uniform(indptr, indices, torch.tensor([0]), torch.zeros((1, 3), dtype=torch.int64), N,
                           torch.tensor([0]), 1)


def test_a_matrix_without_rows_by_both_definitions():
    """What an `EdgeSet` without edges has: an anchor of it is row -1, and indptr has one entry."""
    indptr, indices = torch.zeros(1, dtype=torch.int64), torch.empty(0, dtype=torch.int64)
    rows, extra = torch.tensor([-1, -1]), torch.tensor([[-1, 2], [-1, 4]])
    keys = Stream(0).row_keys(torch.arange(2))
    given, counts = complement.complement_uniform(indptr, indices, rows, extra, 5, keys, 9)
    defined, number = complement.complement_uniform_torch(indptr, indices, rows, extra, 5, keys, 9)
    assert torch.equal(given, defined) and counts.tolist() == number.tolist() == [4, 4]
    ranks = torch.arange(4).expand(2, 4)
    ids, _ = complement_at_torch(indptr, indices, rows, extra, 5, ranks)
    assert ids.sort(1).values.tolist() == [[0, 1, 3, 4], [0, 1, 2, 3]]
    sizes = torch.tensor([5, 5])
    given, _ = complement_sized(indptr, indices, rows, extra, sizes, keys, 9)
    assert torch.equal(given, complement_sized_torch(indptr, indices, rows, extra, sizes, keys, 9)[0])
