"""Augmented views: the rate by counting, the key, and nothing else random."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from graphns.streams import Stream
from graphns.views.augment import drop_edge, drop_feature, keep_mask


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.6])
def test_rate(rate: float) -> None:
    size = 100_000
    kept = int(keep_mask(size, rate, Stream(0)).sum())
    sigma = (size * rate * (1 - rate)) ** 0.5
    assert abs(kept - size * (1 - rate)) <= 4 * sigma


def test_same_stream_same_view_and_the_global_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    edges = torch.arange(400).view(2, 200)
    first = drop_edge(edges, 0.5, Stream(1, 2))
    assert torch.equal(first, drop_edge(edges, 0.5, Stream(1, 2)))
    assert not torch.equal(keep_mask(200, 0.5, Stream(1, 2)), keep_mask(200, 0.5, Stream(1, 3)))
    assert torch.equal(torch.get_rng_state(), state)


def test_edges_keep_their_columns_and_order() -> None:
    edges = torch.stack([torch.arange(50), torch.arange(50) + 100])
    left = drop_edge(edges, 0.3, Stream(0))
    assert 0 < left.shape[1] < 50
    assert torch.equal(left[1], left[0] + 100)
    assert bool((left[0].diff() > 0).all())


def test_features_lose_whole_columns() -> None:
    x = torch.rand(7, 40, generator=torch.Generator().manual_seed(0)) + 1
    before = x.clone()
    dropped = drop_feature(x, 0.5, Stream(0))
    zero = (dropped == 0).all(0)
    assert 0 < int(zero.sum()) < 40
    assert torch.equal(dropped[:, ~zero], x[:, ~zero])
    assert torch.equal(x, before)


@pytest.mark.parametrize("drop", [drop_edge, drop_feature])
@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_rates_outside_are_refused(drop: Callable[..., torch.Tensor], rate: float) -> None:
    with pytest.raises(ValueError, match=rf"drop rate must be in \[0, 1\), got {rate}"):
        drop(torch.ones(2, 4), rate, Stream(0))
