"""JSD: for the best scores it is minus twice the divergence, counted over five events; its gradient is BCE's."""

from __future__ import annotations

import math

import pytest
import torch

from graphns.objectives.bce import binary_cross_entropy
from graphns.objectives.jsd import jsd
from tests.objectives.cases import make, rows_of, sigmoid

# 20 positives and 10 negatives over five events
POSITIVE = [0] * 8 + [1] * 6 + [2] * 3 + [3] * 2 + [4]
NEGATIVE = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4]


def optimal_scores():
    p = [POSITIVE.count(i) / 20 for i in range(5)]
    n = [NEGATIVE.count(i) / 10 for i in range(5)]
    middle = [(a + b) / 2 for a, b in zip(p, n, strict=True)]
    divergence = sum(0.5 * each * math.log(each / m) for side in (p, n) for each, m in zip(side, middle, strict=True))
    best = torch.tensor([math.log(a / b) for a, b in zip(p, n, strict=True)], dtype=torch.float64)
    return best[POSITIVE], best[NEGATIVE].expand(20, 10), divergence


def test_the_best_scores_give_minus_twice_the_divergence():
    positive, negative, divergence = optimal_scores()
    got = jsd(positive, negative, torch.ones(20, 10, dtype=torch.bool))
    assert got.item() == pytest.approx(-2 * divergence, rel=1e-12)


def test_no_other_scores_are_below():
    positive, negative, divergence = optimal_scores()
    mask = torch.ones(20, 10, dtype=torch.bool)
    for scale, shift in ((0.5, 0.0), (2.0, 0.0), (1.0, 0.3), (0.0, 0.0)):
        assert jsd(scale * positive + shift, scale * negative + shift, mask).item() > -2 * divergence
    assert jsd(0 * positive, 0 * negative, mask).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 0.4])
def test_equals_a_plain_loop(temperature):
    positive, negative, mask, _ = make()
    rows = list(rows_of(positive, negative, mask))
    first = -sum(math.log(2 * sigmoid(own / temperature)) for own, _, _ in rows) / len(rows)
    flat = [s for _, others, _ in rows for s in others]
    second = -sum(math.log(2 * sigmoid(-s / temperature)) for s in flat) / len(flat)
    assert jsd(positive, negative, mask, temperature=temperature).item() == pytest.approx(first + second, rel=1e-12)


def test_its_gradient_is_that_of_the_logistic_loss():
    positive, negative, mask, log_prob = make()
    ours = torch.autograd.grad(jsd(positive, negative, mask, log_prob=log_prob), (positive, negative))
    theirs = torch.autograd.grad(binary_cross_entropy(positive, negative, mask, log_prob=log_prob),
                                 (positive, negative))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
