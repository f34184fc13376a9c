"""Weighted draws outside a row: every number of the range, one by one, and the keys of a hub of 200,000 neighbours."""

from collections import Counter

import numpy as np
import pytest
import torch

from graphns.kernels import guide, weighted, weighted_distinct
from graphns.kernels.csr import build_csr
from graphns.kernels.weighted import (
    complement_weighted,
    complement_weighted_torch,
    cumulative_weights,
    fixed_point,
    weighted_keys,
)
from graphns.kernels.weighted_distinct import complement_weighted_distinct, complement_weighted_distinct_torch
from graphns.streams import Stream, bounded
from tests.kernels.plain import run_as_python


def rows_of(lists, num_dst):
    row = torch.tensor([r for r, ids in enumerate(lists) for _ in ids], dtype=torch.int64)
    col = torch.tensor([i for ids in lists for i in ids], dtype=torch.int64)
    return build_csr(row, col, len(lists), num_dst)[:2]


def make_case(seed):
    """Small weights, zeros among them; rows; and queries whose extras are in the row, outside it, equal or none.

    From a seed, not by hypothesis: its examples lean to the simple, and two extras at once were rare.
    """
    rng = np.random.default_rng(seed)
    n, width = int(rng.integers(1, 10)), (2, 2, 1, 0)[seed % 4]
    weights = (rng.integers(0, 7, n) * (rng.random(n) < 0.8)).tolist()
    rows = [set(np.flatnonzero(rng.random(n) < share).tolist()) for share in rng.random(4)]
    queries = [(int(rng.integers(-1, 4)), rng.integers(-1, n + 1, width).tolist()) for _ in range(8)]
    return weights, rows, width, queries


CASES = [make_case(seed) for seed in range(60)]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_every_number_of_the_range_gives_the_exact_multiset(case):
    weights, lists, width, queries = case
    indptr, indices = rows_of(lists, len(weights))
    table = cumulative_weights(torch.tensor(weights))
    keys = weighted_keys(indptr, indices, table)
    rows = torch.tensor([row for row, _ in queries])
    extra = torch.tensor([each for _, each in queries], dtype=torch.int64).reshape(len(queries), width)
    total = int(table[-1])
    with pytest.MonkeyPatch.context() as patch:
        # the j-th "word" is j itself: slot j draws number j of the range
        patch.setattr(weighted, "words_at", lambda keys, k, _: torch.arange(k).expand(len(keys), k))
        patch.setattr(weighted, "bounded", lambda words, high: torch.minimum(words, (high - 1).clamp(min=0)))
        vectorised, left = complement_weighted_torch(indptr, indices, keys, rows, extra, table, rows, total)
        patch.setattr(weighted, "word_at", lambda key, slot: slot)
        patch.setattr(weighted, "_bounded", lambda word, high: min(word, high - 1))
        run_as_python(patch, weighted, guide)
        looped, left_too = complement_weighted(indptr, indices, rows, extra, table, rows, total, keys)
    assert torch.equal(vectorised, looped) and torch.equal(left, left_too)
    for b, (row, each) in enumerate(queries):
        excluded = set(each) | (lists[row] if row >= 0 else set())
        want = {i: w for i, w in enumerate(weights) if w and i not in excluded}
        assert int(left[b]) == sum(want.values())
        assert Counter(vectorised[b, : int(left[b])].tolist()) == want


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_distinct_draws_agree_and_empty_the_row(case):
    weights, lists, width, queries = case
    indptr, indices = rows_of(lists, len(weights))
    table = cumulative_weights(torch.tensor(weights) * 2**55)
    keys = weighted_keys(indptr, indices, table)
    rows = torch.tensor([row for row, _ in queries])
    extra = torch.tensor([each for _, each in queries], dtype=torch.int64).reshape(len(queries), width)
    row_keys = Stream(3).row_keys(torch.arange(len(rows)))
    k = len(weights)
    ids, found = complement_weighted_distinct(indptr, indices, rows, extra, table, row_keys, k)
    again, found_too = complement_weighted_distinct_torch(indptr, indices, keys, rows, extra, table, row_keys, k)
    assert torch.equal(ids, again) and torch.equal(found, found_too)
    with pytest.MonkeyPatch.context() as patch:
        run_as_python(patch, weighted_distinct)
        looped, _ = complement_weighted_distinct(indptr, indices, rows, extra, table, row_keys, k, keys)
    assert torch.equal(ids, looped)
    with_replacement, left = complement_weighted(indptr, indices, rows, extra, table, row_keys, 1, keys)
    assert torch.equal(ids[:, 0], with_replacement[:, 0])
    for b, (row, each) in enumerate(queries):
        excluded = set(each) | (lists[row] if row >= 0 else set())
        want = [i for i, w in enumerate(weights) if w and i not in excluded]
        assert sorted(ids[b, : int(found[b])].tolist()) == want and bool(left[b] > 0) == bool(want)
        assert not ids[b, int(found[b]) :].any()


def hub(num_nodes, degree):
    """One row of every fifth id, whose weights span ten orders of magnitude."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(num_nodes, generator=generator, dtype=torch.float64) ** 12
    step = num_nodes // degree
    return fixed_point(weights), torch.tensor([0, degree]), torch.arange(0, step * degree, step, dtype=torch.int32)


def test_keys_of_a_hub_never_fall_and_its_boundaries_hold():
    fixed, indptr, indices = hub(1_000_000, 200_000)
    table = cumulative_weights(fixed)
    keys = weighted_keys(indptr, indices, table)
    assert bool((keys.diff() >= 0).all())
    # for every key: the numbers just below and at it, taken one by one
    columns = indices.long()
    numbers = torch.cat([keys - 1, keys])
    left = int(table[-1]) - int(fixed[columns].sum())
    numbers = numbers[(numbers >= 0) & (numbers < left)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weighted, "words_at", lambda keys, k, _: numbers[None])
        patch.setattr(weighted, "bounded", lambda words, high: words)
        ids, got = complement_weighted_torch(indptr, indices, keys, torch.tensor([0]), columns[:0].view(1, 0), table,
                                             torch.tensor([0]), len(numbers))
    assert int(got) == left
    assert not torch.isin(ids, columns).any() and bool((fixed[ids] > 0).all())
    # and they are the right ids: the weight of the allowed ids before the drawn one is at most its number
    allowed = fixed.clone()
    allowed[columns] = 0
    before = allowed.cumsum(0) - allowed
    assert bool(((before[ids[0]] <= numbers) & (numbers < before[ids[0]] + allowed[ids[0]])).all())


def test_numba_and_torch_agree_and_never_give_an_excluded_id():
    fixed, indptr, indices = hub(300_000, 60_000)
    table = cumulative_weights(fixed)
    keys = weighted_keys(indptr, indices, table)
    rows = torch.tensor([0, -1, 0, 0])
    extra = torch.tensor([[1, 2], [0, 5], [0, 299_999], [7, 7]])
    row_keys = Stream(2).row_keys(torch.arange(4))
    drawn, left = complement_weighted(indptr, indices, rows, extra, table, row_keys, 20_000)
    again, left_too = complement_weighted_torch(indptr, indices, keys, rows, extra, table, row_keys, 20_000)
    assert torch.equal(drawn, again) and torch.equal(left, left_too)
    for b in range(4):
        assert not torch.isin(drawn[b], extra[b]).any()
        assert rows[b] < 0 or not torch.isin(drawn[b], indices).any()


def test_more_than_2_to_the_24_candidates():
    # torch.multinomial ends at 2^24 categories, and float32 cannot name the odd ids above
    n = 2**24 + 1001
    weights = torch.zeros(n)
    weights[2**24 :] = 1.0
    indptr, indices = torch.tensor([0, 1]), torch.tensor([2**24 + 1], dtype=torch.int32)
    table = cumulative_weights(fixed_point(weights))
    row_keys = Stream(0).row_keys(torch.arange(1))
    ids, left = complement_weighted(indptr, indices, torch.zeros(1, dtype=torch.int64),
                                    torch.tensor([[2**24 + 3, -1]]), table, row_keys, 20_000)
    assert set(ids.unique().tolist()) == set(range(2**24, n)) - {2**24 + 1, 2**24 + 3}
    assert int(left) * 1001 == int(table[-1]) * 999


@pytest.mark.parametrize("weights", [
    [1, 2, 3], [0, 1, 0, 5], [1.0, 1e-300, 1e-30], [1e308, 1e308, 5.0], [5e-324, 1e-310], [7.0], [1.0] * 1000])
def test_fixed_point_keeps_proportions_and_every_positive_weight(weights):
    given_weights = torch.tensor(weights, dtype=torch.float64)
    fixed = fixed_point(given_weights)
    assert torch.equal(fixed > 0, given_weights > 0)
    total = sum(fixed.tolist())
    assert 2**59 <= total < 2**62
    share = given_weights / given_weights.max()
    assert torch.allclose(fixed.double() / fixed.max(), share, rtol=0, atol=1e-12)


def test_fixed_point_of_nothing():
    assert fixed_point(torch.zeros(3)).tolist() == [0, 0, 0]
    assert fixed_point(torch.zeros(0)).tolist() == []


def test_keys_are_the_definition():
    indptr, indices = rows_of([{0, 3, 4}, set(), {1}, {0, 1, 2, 3, 4}], 5)
    table = cumulative_weights(torch.tensor([2, 0, 5, 1, 3]))
    # W = 0 2 2 7 8 11; by hand: W(n_i) less the weights of the row's ids before
    assert weighted_keys(indptr, indices, table).tolist() == [0, 5, 5, 2, 0, 0, 0, 0, 0]
    with pytest.MonkeyPatch.context() as patch:
        run_as_python(patch, weighted)
        assert weighted_keys(indptr, indices, table).tolist() == [0, 5, 5, 2, 0, 0, 0, 0, 0]


def test_keys_survive_the_wrap_around_of_the_sum_over_all_rows():
    # many rows of nearly all the weight: their common sum passes 2^63 many times
    lists = [set(range(1, 6))] * 40
    indptr, indices = rows_of(lists, 6)
    table = cumulative_weights(fixed_point(torch.tensor([1.0, 2, 3, 4, 5, 6])))
    keys = weighted_keys(indptr, indices, table)
    assert torch.equal(keys.view(40, 5), keys[:5].expand(40, 5))
    assert keys[:5].tolist() == [int(table[1])] * 5
    assert bounded(torch.tensor([-1]), int(table[-1])).item() == int(table[-1]) - 1


def test_three_extras_are_refused():
    indptr, indices = rows_of([{0}], 3)
    table = cumulative_weights(torch.tensor([1, 1, 1]))
    with pytest.raises(ValueError, match="at most 2 further exclusions per row, got 3"):
        complement_weighted(indptr, indices, torch.tensor([0]), torch.zeros((1, 3), dtype=torch.int64), table,
                            torch.tensor([0]), 1)
    with pytest.raises(ValueError, match="at most 2 further exclusions per row, got 3"):
        complement_weighted_distinct(indptr, indices, torch.tensor([0]), torch.zeros((1, 3), dtype=torch.int64), table,
                                     torch.tensor([0]), 1)
