"""The alias table: each id has as many numbers as its weight; and the second draw makes up exactly for exclusions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from graphns.kernels import alias, weighted
from graphns.kernels.alias import AliasTable, alias_complement_torch, build_alias, row_weights
from graphns.kernels.csr import build_csr
from graphns.kernels.weighted import cumulative_weights, fixed_point, weighted_keys
from tests.kernels.plain import run_as_python


def ids_of(table: AliasTable, number: Tensor) -> Tensor:
    """The ids of numbers, by the definition of the table."""
    bucket = number >> table.bits
    entry = table.entry[bucket, 0]
    own = (number & ((1 << table.bits) - 1)) < (entry & ((2 << table.bits) - 1))
    return torch.where(own, bucket, entry >> (table.bits + 1))


def some_weights(seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 14))
    weights = rng.integers(0, (3, 9, 1000)[seed % 3], n) * (rng.random(n) < 0.8)
    return torch.from_numpy(weights)


@pytest.mark.parametrize("seed", range(150))
def test_each_id_has_as_many_numbers_as_its_weight(seed: int) -> None:
    weights = some_weights(seed)
    table = build_alias(cumulative_weights(weights))
    assert torch.equal(torch.bincount(ids_of(table, torch.arange(int(weights.sum()))), minlength=len(weights)), weights)


@pytest.mark.parametrize("weights", [
    torch.ones(1), torch.arange(1000.0, dtype=torch.float64) ** 30, torch.cat([torch.zeros(50), torch.ones(3)]),
    torch.tensor([1e300, 1.0, 0, 1e-300], dtype=torch.float64)])
def test_tables_of_rounded_weights_are_small_and_exact(weights: Tensor) -> None:
    fixed = fixed_point(weights)
    table = build_alias(cumulative_weights(fixed))
    size, total = 1 << table.bits, sum(fixed.tolist())
    assert len(weights) < len(table.entry) <= len(weights) + 2
    # every bucket's numbers, as intervals: too many to be counted one by one
    found = Counter()
    for bucket, entry in enumerate(table.entry[:, 0].tolist()):
        room = min(size, total - bucket * size)
        own = min(entry & (2 * size - 1), room)
        found[bucket] += own
        found[entry >> (table.bits + 1)] += room - own
    assert [found[i] for i in range(len(weights))] == fixed.tolist()
    assert sum(found.values()) == total


def test_logs_are_those_of_the_shares() -> None:
    weights = torch.tensor([5, 0, 3, 8])
    table = build_alias(cumulative_weights(weights))
    logs = table.entry.numpy().view(np.float32)
    share = (weights.double() / 16).log().float()
    assert torch.equal(torch.from_numpy(logs[:4, 2].copy()), share)
    other = table.entry[:, 0] >> (table.bits + 1)
    assert torch.equal(torch.from_numpy(logs[:, 3].copy()), share[other])


@pytest.mark.parametrize("seed", range(40))
def test_two_draws_give_the_exact_distribution(seed: int) -> None:
    """All pairs of first and second numbers, each as likely: the ids come in proportion to the weights left."""
    rng = np.random.default_rng(seed)
    weights = some_weights(3 * seed + seed % 2)
    n, total = len(weights), int(weights.sum())
    members = np.flatnonzero(rng.random(n) < 0.5)
    indptr, indices, _ = build_csr(torch.zeros(len(members), dtype=torch.int64), torch.from_numpy(members), 1, n)
    extra = torch.from_numpy(rng.integers(-1, n + 1, (1, 2)))
    cumulative = cumulative_weights(weights)
    keys = weighted_keys(indptr, indices, cumulative)
    left = {i: int(w) for i, w in enumerate(weights.tolist()) if w and i not in {*members.tolist(), *extra[0].tolist()}}
    rest = sum(left.values())
    first, second = torch.cartesian_prod(torch.arange(max(total, 1)), torch.arange(max(rest, 1))).T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alias, "words_at", lambda keys, k: first[None])
        patch.setattr(weighted, "words_at", lambda keys, k, first_slot: second[None])
        for module in (alias, weighted):
            patch.setattr(module, "bounded", lambda words, high: words)
        ids, weight_left = alias_complement_torch(
            indptr, indices, keys, torch.tensor([0]), extra, cumulative, build_alias(cumulative), torch.tensor([0]),
            len(first))
    assert int(weight_left) == rest
    assert Counter(ids[0].tolist()) == ({i: w * total for i, w in left.items()} or {0: len(first)})


def test_row_weights_are_sums() -> None:
    weights = torch.tensor([4, 0, 1, 7, 2])
    indptr, indices, _ = build_csr(torch.tensor([0, 0, 2, 2, 2]), torch.tensor([0, 3, 1, 2, 4]), 4, 5)
    cumulative = cumulative_weights(weights)
    keys = weighted_keys(indptr, indices, cumulative)
    assert row_weights(indptr, indices, keys, cumulative).tolist() == [11, 0, 3, 0]


def test_the_loop_as_python(monkeypatch: pytest.MonkeyPatch) -> None:
    cumulative = cumulative_weights(torch.tensor([9, 0, 1, 4, 30, 2]))
    want = build_alias(cumulative)
    run_as_python(monkeypatch, alias)
    found = build_alias(cumulative)
    assert torch.equal(found.entry, want.entry) and found.bits == want.bits
