"""Distinct draws in many ranges at once."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare

from graphns.kernels.blocks import distinct_in_blocks
from graphns.streams import Stream


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_exact_counts_within_each_range(seed: int) -> None:
    sizes = torch.tensor([0, 5, 1, 1000, 7, 0, 10**17, 20])
    counts = torch.tensor([0, 5, 1, 300, 0, 0, 40, 11])
    values = distinct_in_blocks(sizes, counts, Stream(seed))
    assert len(values) == int(counts.sum()) == len(values.unique())
    for part, low, size in zip(values.split(counts.tolist()), (sizes.cumsum(0) - sizes).tolist(), sizes.tolist(),
                               strict=True):
        assert all(low <= value < low + size for value in part.tolist())


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_ordered_pairs_are_uniform(seed: int, count: int) -> None:
    """Up to half by rounds, above half by a keyed order: each ordered pair of values alike, in each range."""
    ranges = 20_000
    values = distinct_in_blocks(torch.full((ranges,), 6), torch.full((ranges,), count), Stream(seed))
    local = values.reshape(ranges, count) - 6 * torch.arange(ranges)[:, None]
    for first, second in ((0, 1), (count - 1, 0)):
        code = local[:, first] * 6 + local[:, second]
        seen = torch.bincount(code, minlength=36).reshape(6, 6)
        assert int(seen.diagonal().sum()) == 0
        assert chisquare(seen[~torch.eye(6, dtype=torch.bool)].tolist()).pvalue > 1e-3 / 18


def test_too_many_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot draw 4 distinct values of the 3 of range 1"):
        distinct_in_blocks(torch.tensor([9, 3]), torch.tensor([1, 4]), Stream(0))


def test_no_ranges() -> None:
    none = torch.empty(0, dtype=torch.int64)
    assert distinct_in_blocks(none, none, Stream(0)).shape == (0,)
    assert distinct_in_blocks(torch.tensor([3]), torch.tensor([0]), Stream(0)).shape == (0,)
