"""Which nodes train, choose and test under each protocol."""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.metrics.protocols import PROTOCOLS, Protocols, has_masks, protocol_name, split


def data(num_nodes: int = 300) -> SimpleNamespace:
    masks = torch.zeros(3, num_nodes, dtype=torch.bool)
    masks[0, :60], masks[1, 60:140], masks[2, 140:] = True, True, True
    return SimpleNamespace(y=torch.arange(num_nodes) % 3, train_mask=masks[0], val_mask=masks[1], test_mask=masks[2])


def test_names() -> None:
    assert get_args(Protocols) == PROTOCOLS == ("public", "random-10-90", "random-10-10-80")
    assert [protocol_name(name.upper().replace("-", "/")) for name in PROTOCOLS] == list(PROTOCOLS)
    with pytest.raises(ValueError, match="protocol must be one of public, random-10-90, random-10-10-80, got 'half'"):
        protocol_name("half")


def test_the_old_name() -> None:
    with pytest.warns(DeprecationWarning, match="'random' is now called 'random-10-10-80'"):
        old = split(data(), "random", 3)
    assert all(torch.equal(one, other) for one, other in zip(old, split(data(), "random-10-10-80", 3), strict=True))


@given(st.integers(10, 400), st.integers(0, 2**40))
def test_random_splits(num_nodes: int, seed: int) -> None:
    found = SimpleNamespace(y=torch.zeros(num_nodes, dtype=torch.long))
    train, validation, test = split(found, "random-10-10-80", seed)
    assert (len(train), len(train) + len(validation)) == (max(num_nodes // 10, 1), max(num_nodes // 5, 2))
    assert torch.cat([train, validation, test]).sort().values.tolist() == list(range(num_nodes))
    again, none, rest = split(found, "random-10-90", seed)
    assert torch.equal(again, train) and not len(none) and torch.equal(rest, torch.cat([validation, test]))


def test_the_seed_decides() -> None:
    for protocol in ("random-10-90", "random-10-10-80"):
        train = split(data(), protocol, seed=1)[0]
        assert torch.equal(train, split(data(), protocol, seed=1)[0])
        assert not torch.equal(train, split(data(), protocol, seed=2)[0])
    assert torch.equal(split(data(), "public", seed=1)[0], torch.arange(60))


def test_every_node_trains_equally_often() -> None:
    """600 splits of 50 nodes: counts of being a train node (5 of 50) against the uniform law, by chi-square."""
    found = SimpleNamespace(y=torch.zeros(50, dtype=torch.long))
    counts = torch.zeros(50)
    for seed in range(600):
        counts[split(found, "random-10-90", seed)[0]] += 1
    expected = 600 * 5 / 50
    # without replacement within a split: the statistic is (50 - 5) / (50 - 1) times a chi-square of 49 degrees
    statistic = float(((counts - expected) ** 2 / expected).sum()) * 49 / 45
    assert statistic < 85.4  # the upper 0.1 %


def test_nodes_of_unknown_class_are_in_no_part() -> None:
    found = data()
    found.y[::7] = -1
    for protocol in PROTOCOLS:
        parts = torch.cat(split(found, protocol, 0))
        assert bool((found.y[parts] >= 0).all())
    assert len(parts) == int((found.y >= 0).sum())


def test_refusals() -> None:
    bare = SimpleNamespace(y=torch.arange(9), train_mask=None)
    assert has_masks(data()) and not has_masks(bare)
    with pytest.raises(ValueError, match="no split of its own: use protocol='random-10-10-80' or 'random-10-90'"):
        split(bare, "public")
    found = data()
    found.val_mask = torch.zeros(300, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"train, validation and test nodes, got \[60, 0, 160\]"):
        split(found, "public")
    with pytest.raises(ValueError, match=r"train, validation and test nodes, got \[1, 0, 0\]"):
        split(SimpleNamespace(y=torch.zeros(1, dtype=torch.long)), "random-10-90")
