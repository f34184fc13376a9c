"""Self-adversarial weighting against a plain loop; its weights carry no gradient; RotatE's frequency weights."""

from __future__ import annotations

import math

import pytest
import torch

from graphns.objectives.bce import binary_cross_entropy
from graphns.objectives.self_adversarial import frequency_weights, self_adversarial
from graphns.objectives.weights import slot_weights
from tests.objectives.cases import make, rows_of, sigmoid


def loop(positive, negative, mask, sharpness, temperature=1.0, log_prob=None, weight=None):
    total, norm = 0.0, 0.0
    for b, (own, others, q) in enumerate(rows_of(positive, negative, mask, log_prob)):
        loss = -0.5 * math.log(sigmoid(own / temperature))
        parts = [math.exp(sharpness * s / temperature) / chance for s, chance in zip(others, q, strict=True)]
        for part, s in zip(parts, others, strict=True):
            loss -= 0.5 * part / sum(parts) * math.log(sigmoid(-s / temperature))
        counts = 1.0 if weight is None else float(weight[b])
        total, norm = total + counts * loss, norm + counts
    return total / norm


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize(("sharpness", "temperature"), [(1.0, 1.0), (0.5, 1.0), (2.0, 0.3), (0.0, 1.0)])
def test_equals_a_plain_loop(sharpness, temperature, corrected):
    positive, negative, mask, log_prob = make()
    log_prob = log_prob if corrected else None
    got = self_adversarial(3 * positive, 3 * negative, mask, sharpness=sharpness, temperature=temperature,
                           log_prob=log_prob)
    expected = loop(3 * positive, 3 * negative, mask, sharpness, temperature, log_prob)
    assert got.item() == pytest.approx(expected, rel=1e-12)


def test_sharpness_multiplies_the_score_not_the_distance():
    """With s = gamma - d the nearest negative weighs most; a softmax of alpha times the distance would turn it over."""
    gamma, distance = 6.0, torch.tensor([[1.0, 5.0]], dtype=torch.float64)
    got = self_adversarial(torch.zeros(1).double(), gamma - distance, torch.ones(1, 2, dtype=torch.bool), sharpness=0.7)
    near, far = math.exp(0.7 * 5), math.exp(0.7 * 1)
    halves = -math.log(0.5), -(near * math.log(sigmoid(-5.0)) + far * math.log(sigmoid(-1.0))) / (near + far)
    assert got.item() == pytest.approx(sum(halves) / 2, rel=1e-12)


def test_the_softmax_is_over_the_negatives_of_one_positive():
    """A row's loss does not change with what stands in other rows."""
    positive, negative, mask, _ = make(batch=3)
    mask = torch.ones_like(mask)
    rows = [self_adversarial(positive[[b]], negative[[b]], mask[[b]]) for b in range(3)]
    torch.testing.assert_close(self_adversarial(positive, negative, mask), torch.stack(rows).mean())


def test_the_weights_are_detached():
    """The gradient is that of the loss with its weights held still."""
    positive, negative, mask, log_prob = make()
    got = torch.autograd.grad(self_adversarial(positive, negative, mask, sharpness=2.0, log_prob=log_prob), negative)[0]
    held = slot_weights(2.0 * negative, mask, log_prob)
    assert not held.requires_grad
    still = (held * torch.nn.functional.softplus(negative)).sum(1).mean() / 2
    torch.testing.assert_close(got, torch.autograd.grad(still, negative)[0])


def test_without_sharpness_it_is_half_the_logistic_loss():
    positive, negative, mask, _ = make()
    mask = torch.ones_like(mask)
    torch.testing.assert_close(self_adversarial(positive, negative, mask, sharpness=0.0),
                               binary_cross_entropy(positive, negative, mask) / 2)


def test_very_sharp_only_the_hardest_counts():
    positive, negative, mask, _ = make(batch=2)
    mask = torch.ones_like(mask)
    hardest = negative.amax(1, keepdim=True)
    torch.testing.assert_close(self_adversarial(positive, negative, mask, sharpness=1e4),
                               self_adversarial(positive, hardest, mask[:, :1]))


def test_row_weights():
    positive, negative, mask, _ = make()
    weight = torch.tensor([0.5, 2.0, 1.0, 0.25], dtype=torch.float64)
    got = self_adversarial(positive, negative, mask, weight=weight)
    assert got.item() == pytest.approx(loop(positive, negative, mask, 1.0, weight=weight), rel=1e-12)
    torch.testing.assert_close(self_adversarial(positive, negative, mask, weight=torch.ones(4)),
                               self_adversarial(positive, negative, mask))
    with pytest.raises(ValueError, match=r"weight must be one number per row \(4,\), got \(3,\)"):
        self_adversarial(positive, negative, mask, weight=weight[:3])


def test_frequency_weights_equal_a_plain_count():
    triples = torch.tensor([[0, 0, 1], [0, 0, 2], [3, 0, 1], [0, 1, 1], [0, 0, 1]])
    counts: dict[tuple[int, ...], int] = {}
    for h, r, t in triples.tolist():
        for key in ((0, h, r), (1, r, t)):
            counts[key] = counts.get(key, 4 - 1) + 1  # counts start at 4
    expected = [1 / math.sqrt(counts[0, h, r] + counts[1, r, t]) for h, r, t in triples.tolist()]
    assert frequency_weights(triples).tolist() == pytest.approx(expected, rel=1e-6)
    assert frequency_weights(triples, start=1)[3].item() == pytest.approx(1 / math.sqrt(2))


def test_refuses():
    positive, negative, mask, _ = make()
    with pytest.raises(ValueError, match="sharpness must be at least 0, got -1"):
        self_adversarial(positive, negative, mask, sharpness=-1)
    with pytest.raises(ValueError, match=r"need triples \[n, 3\]"):
        frequency_weights(torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="start must be at least 1, got 0"):
        frequency_weights(torch.zeros(2, 3, dtype=torch.int64), start=0)
