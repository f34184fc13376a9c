"""Without replacement: Floyd and the shuffle, by counting ordered pairs; ids by enumerating every rank."""

import numpy as np
import pytest
import torch

from graphns.kernels import complement, distinct, membership, sized
from graphns.kernels.complement import complement_uniform
from graphns.kernels.csr import build_csr
from graphns.kernels.distinct import (
    complement_at,
    complement_at_torch,
    complement_distinct,
    distinct_ranks,
    distinct_ranks_torch,
)
from graphns.kernels.sized import complement_sized, complement_sized_torch
from graphns.streams import Stream, bounded, words_at
from tests.kernels.plain import run_as_python
from tests.samplers.distribution import ALPHA, SEEDS, chi_square


def rows_of(lists, num_dst):
    row = torch.tensor([r for r, ids in enumerate(lists) for _ in ids], dtype=torch.int64)
    col = torch.tensor([i for ids in lists for i in ids], dtype=torch.int64)
    return build_csr(row, col, len(lists), num_dst)[:2]


def make_case(seed):
    """Rows, and queries whose extras are in the row, outside it, equal, at the tail, out of range or none.

    From a seed, not by hypothesis: its examples lean to the simple, and two extras at once were rare.
    """
    rng = np.random.default_rng(seed)
    n, width = int(rng.integers(1, 9)), (2, 2, 1, 0)[seed % 4]
    rows = [set(np.flatnonzero(rng.random(n) < share).tolist()) for share in rng.random(4)]
    indptr, indices = rows_of(rows, n)
    number = torch.from_numpy(rng.integers(-1, 4, 10))
    extra = torch.from_numpy(rng.integers(-1, n + 1, (10, width)))
    wanted = [[i for i in range(n) if i not in each and (row < 0 or i not in rows[row])]
              for row, each in zip(number.tolist(), extra.tolist(), strict=True)]
    return n, indptr, indices, number, extra, wanted


CASES = [make_case(seed) for seed in range(100)]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_every_rank_gives_another_candidate(case):
    n, indptr, indices, rows, extra, wanted = case
    ranks = torch.arange(n).expand(len(rows), n).contiguous()
    ids, counts = complement_at(indptr, indices, rows, extra, n, ranks)
    again, counts_too = complement_at_torch(indptr, indices, rows, extra, n, ranks)
    assert torch.equal(ids, again) and torch.equal(counts, counts_too)
    assert counts.tolist() == [len(each) for each in wanted]
    for b, each in enumerate(wanted):
        assert sorted(ids[b, : len(each)].tolist()) == each
        assert not ids[b, len(each) :].any()


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_draws_are_the_ids_at_their_ranks(case):
    n, indptr, indices, rows, extra, wanted = case
    keys = Stream(1).row_keys(torch.arange(len(rows)))
    ids, counts = complement_uniform(indptr, indices, rows, extra, n, keys, 5)
    ranks = bounded(words_at(keys, 5), counts[:, None])
    assert torch.equal(ids, complement_at(indptr, indices, rows, extra, n, ranks)[0])
    drawn, counts_too = complement_distinct(indptr, indices, rows, extra, n, keys, 4)
    assert torch.equal(counts, counts_too)
    for b, each in enumerate(wanted):
        taken = drawn[b, : len(each)].tolist()
        assert len(set(taken)) == len(taken) == min(4, len(each)) and set(taken) <= set(each)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_ranges_of_their_own(case):
    n, indptr, indices, rows, extra, _ = case
    held = [set() if row < 0 else set(indices[indptr[row] : indptr[row + 1]].tolist()) for row in rows.tolist()]
    rng = np.random.default_rng(n)
    sizes = torch.tensor([int(rng.integers(max(each, default=-1) + 1, n + 1)) for each in held])
    wanted = [[i for i in range(int(sizes[b])) if i not in held[b] and i not in extra[b].tolist()]
              for b in range(len(rows))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sized, "words_at", lambda keys, k: torch.arange(k).expand(len(keys), k))
        patch.setattr(sized, "bounded", lambda words, high: torch.minimum(words, (high - 1).clamp(min=0)))
        ids, counts = complement_sized_torch(indptr, indices, rows, extra, sizes, rows, n)
        patch.setattr(sized, "word_at", lambda key, slot: slot)
        patch.setattr(sized, "_bounded", lambda word, high: min(word, high - 1))
        run_as_python(patch, sized)
        looped, counts_too = complement_sized(indptr, indices, rows, extra, sizes, rows, n)
    assert torch.equal(ids, looped) and torch.equal(counts, counts_too)
    for b, each in enumerate(wanted):
        assert int(counts[b]) == len(each)
        assert ids[b, : len(each)].tolist() == each
    keys = Stream(1).row_keys(torch.arange(len(rows)))
    drawn, _ = complement_sized(indptr, indices, rows, extra, sizes, keys, 6)
    assert torch.equal(drawn, complement_sized_torch(indptr, indices, rows, extra, sizes, keys, 6)[0])


@pytest.mark.parametrize("k", [1, 2, 7, 48, 49, 200])
def test_list_table_and_torch_agree(k):
    # 48 and 49 lie on both sides of the step from a list to a hash table
    counts = torch.tensor([0, 1, 2, k - 1, k, k + 1, 2 * k, 1000, 2**40])
    keys = Stream(4).row_keys(torch.arange(len(counts)))
    ranks = distinct_ranks(counts, keys, k)
    assert torch.equal(ranks, distinct_ranks_torch(counts, keys, k))
    for b, count in enumerate(counts.tolist()):
        taken = ranks[b, : min(k, count)].tolist()
        assert len(set(taken)) == len(taken) and all(0 <= rank < count for rank in taken)
        assert not ranks[b, len(taken) :].any()


@pytest.mark.parametrize(("count", "k"), [(5, 2), (5, 5), (8, 4), (16, 3), (16, 15), (3, 60)])
def test_ordered_pairs_of_slots_are_uniform(count, k):
    repeats, slots = 40_000, min(k, count)
    pairs = [(a, b) for a in range(slots) for b in range(slots) if a != b and (slots < 6 or {a, b} & {0, slots - 1})]
    n = count * (count - 1)
    for seed in SEEDS:
        keys = Stream(seed).row_keys(torch.arange(repeats))
        ranks = distinct_ranks(torch.full((repeats,), count), keys, k)
        for a, b in pairs:
            seen = torch.bincount(ranks[:, a] * count + ranks[:, b], minlength=count**2).view(count, count)
            assert not seen.diagonal().any()
            p_value = chi_square(seen[~torch.eye(count, dtype=torch.bool)], torch.full((n,), 1 / n))
            assert p_value > ALPHA / (len(SEEDS) * len(pairs)), f"slots {a}, {b}, seed {seed}: p = {p_value}"


def test_threads_and_batches_do_not_matter():
    counts = torch.full((5000,), 300)
    keys = Stream(0).row_keys(torch.arange(5000))
    whole = distinct_ranks(counts, keys, 9)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    serial = distinct_ranks(counts, keys, 9)
    torch.set_num_threads(threads)
    assert torch.equal(whole, serial)
    assert torch.equal(whole[777:780], distinct_ranks(counts[:3], keys[777:780], 9))


def test_the_loops_as_python(monkeypatch):
    indptr, indices = rows_of([{0, 2, 3}, set(), {1}], 6)
    rows, extra = torch.tensor([0, 1, 2, -1]), torch.tensor([[1, 5], [4, 4], [5, 4], [-1, 9]])
    keys = Stream(6).row_keys(torch.arange(4))
    want = [complement_distinct(indptr, indices, rows, extra, 6, keys, k)[0] for k in (4, 60)]
    run_as_python(monkeypatch, distinct, complement, membership)
    monkeypatch.setattr(distinct, "candidate_at", complement.candidate_at)
    monkeypatch.setattr(distinct, "valid_extra", complement.valid_extra)
    got = [complement_distinct(indptr, indices, rows, extra, 6, keys, k)[0] for k in (4, 60)]
    assert all(torch.equal(a, b) for a, b in zip(want, got, strict=True))


def test_three_extras_are_refused():
    indptr, indices = rows_of([{0}], 3)
    with pytest.raises(ValueError, match="at most 2 further exclusions per row, got 3"):
        complement_sized(indptr, indices, torch.tensor([0]), torch.zeros((1, 3), dtype=torch.int64),
                         torch.tensor([3]), torch.tensor([0]), 1)
