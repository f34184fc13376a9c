"""Importance weights against a plain loop, and against the exact expectation under the model's softmax."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import softplus

from graphns.objectives.bpr import bpr
from graphns.objectives.importance_weighted import importance_weighted
from graphns.objectives.weights import slot_weights
from tests.objectives.cases import make, rows_of, sigmoid


def loop(positive, negative, mask, log_prob, sharpness, temperature):
    total = 0.0
    rows = list(rows_of(positive, negative, mask, log_prob))
    for own, others, q in rows:
        parts = [math.exp(sharpness * s / temperature) / chance for s, chance in zip(others, q, strict=True)]
        for part, s in zip(parts, others, strict=True):
            total -= part / sum(parts) * math.log(sigmoid((own - s) / temperature))
    return total / len(rows)


@pytest.mark.parametrize(("sharpness", "temperature"), [(1.0, 1.0), (0.0, 0.5), (2.0, 0.3)])
def test_equals_a_plain_loop(sharpness, temperature):
    positive, negative, mask, log_prob = make()
    got = importance_weighted(positive, negative, mask, log_prob=log_prob, sharpness=sharpness,
                              temperature=temperature)
    assert got.item() == pytest.approx(loop(positive, negative, mask, log_prob, sharpness, temperature), rel=1e-12)


@pytest.mark.parametrize("sharpness", [0.0, 1.0])
def test_draws_in_proportion_to_q_give_the_expectation_under_the_softmax(sharpness):
    """Counts of exactly n q: the estimate has no sampling error left, so it is the exact expectation."""
    score = torch.tensor([0.4, -1.0, 0.3, 1.2], dtype=torch.float64)
    q = torch.tensor([0.4, 0.1, 0.2, 0.3], dtype=torch.float64)
    drawn = torch.arange(4).repeat_interleave((10 * q).round().long())
    own = torch.tensor([0.7], dtype=torch.float64)
    mask = torch.ones(1, 10, dtype=torch.bool)
    expected = ((sharpness * score).softmax(0) * softplus(score - own)).sum()
    got = importance_weighted(own, score[drawn][None], mask, log_prob=q.log()[drawn][None], sharpness=sharpness)
    torch.testing.assert_close(got, expected)
    flipped = importance_weighted(own, score[drawn][None], mask, log_prob=-q.log()[drawn][None], sharpness=sharpness)
    assert abs(flipped.item() - expected.item()) > 0.01


def test_without_sharpness_it_is_corrected_bpr():
    positive, negative, mask, log_prob = make()
    mask = torch.ones_like(mask)
    torch.testing.assert_close(importance_weighted(positive, negative, mask, log_prob=log_prob, sharpness=0.0),
                               bpr(positive, negative, mask, log_prob=log_prob))


def test_the_weights_are_detached():
    positive, negative, mask, log_prob = make()
    got = torch.autograd.grad(importance_weighted(positive, negative, mask, log_prob=log_prob), negative)[0]
    still = (slot_weights(negative, mask, log_prob) * softplus(negative - positive[:, None])).sum(1).mean()
    torch.testing.assert_close(got, torch.autograd.grad(still, negative)[0])


def test_refuses():
    positive, negative, mask, log_prob = make()
    with pytest.raises(ValueError, match="importance_weighted needs log_prob"):
        importance_weighted(positive, negative, mask, log_prob=None)
    with pytest.raises(ValueError, match="sharpness must be at least 0, got -1"):
        importance_weighted(positive, negative, mask, log_prob=log_prob, sharpness=-1)
