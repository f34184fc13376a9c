"""The moving average of an encoder, and BGRL's schedule of its momentum."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from graphns.encoders.momentum import annealed_momentum, follow


def pair():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        online = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        target = copy.deepcopy(online)
        for parameter in online.parameters():
            nn.init.normal_(parameter)
    return target, online


def test_parameters_move_by_one_less_the_momentum_and_buffers_stay():
    target, online = pair()
    online(torch.randn(8, 3, generator=torch.Generator().manual_seed(1)))  # moves the running mean of online alone
    before = [p.detach().clone() for p in target.parameters()]
    buffers = [b.clone() for b in target.buffers()]
    follow(target, online, 0.9)
    for old, new, there in zip(before, target.parameters(), online.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), 0.9 * old + 0.1 * there.detach())
    assert all(torch.equal(a, b) for a, b in zip(buffers, target.buffers(), strict=True))
    assert all(p.grad is None for p in online.parameters())


def test_the_limits():
    target, online = pair()
    before = [p.detach().clone() for p in target.parameters()]
    follow(target, online, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, target.parameters(), strict=True))
    follow(target, online, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(online.parameters(), target.parameters(), strict=True))


def test_the_schedule_is_the_papers():
    for step in range(0, 101, 10):
        expected = 1 - (1 - 0.99) * (math.cos(math.pi * step / 100) + 1) / 2
        assert annealed_momentum(step, 100) == pytest.approx(expected, rel=1e-12)
    assert annealed_momentum(0, 7) == pytest.approx(0.99) and annealed_momentum(7, 7) == 1


def test_refuses():
    target, online = pair()
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\], got 1.5"):
        follow(target, online, 1.5)
    with pytest.raises(ValueError, match="must have the same parameters"):
        follow(target, nn.Linear(3, 4), 0.9)
    with pytest.raises(ValueError, match="got 8 of 7"):
        annealed_momentum(8, 7)
    with pytest.raises(ValueError, match="got 0 of 0"):
        annealed_momentum(0, 0)
    with pytest.raises(ValueError, match=r"start must be in \[0, 1\], got 2"):
        annealed_momentum(0, 7, start=2)
