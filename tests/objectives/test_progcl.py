"""ProGCL-weight against a plain loop; where nothing distinguishes the negatives it is InfoNCE."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from graphns.objectives.beta_mixture import BetaMixture
from graphns.objectives.infonce import infonce
from graphns.objectives.progcl import progcl
from tests.objectives.cases import make, rows_of

MIXTURE = BetaMixture(-1.0, 1.0, alpha=(2.0, 6.0), beta=(5.0, 2.0), weight=(0.8, 0.2))


def loop(positive, negative, mask, temperature):
    total = 0.0
    rows = list(rows_of(positive, negative, mask))
    for own, others, _ in rows:
        if not others:
            continue
        raw = []
        for s in others:
            x = (s + 1) / 2
            parts = [w * stats.beta(a, b).pdf(x) for a, b, w in zip(MIXTURE.alpha, MIXTURE.beta, MIXTURE.weight,
                                                                  strict=True)]
            raw.append(parts[0] / sum(parts) * x)
        mean = sum(raw) / len(raw)
        total_negative = sum(w / mean * math.exp(s / temperature) for w, s in zip(raw, others, strict=True))
        pos = math.exp(own / temperature)
        total -= math.log(pos / (pos + total_negative))
    return total / len(rows)


@pytest.mark.parametrize("temperature", [1.0, 0.4])
def test_equals_a_plain_loop(temperature):
    positive, negative, mask, _ = make(batch=6, k=5)
    got = progcl(positive, negative, mask, mixture=MIXTURE, temperature=temperature)
    assert got.item() == pytest.approx(loop(positive, negative, mask, temperature), rel=1e-10)


def test_without_a_fit_it_is_infonce():
    positive, negative, mask, _ = make()
    torch.testing.assert_close(progcl(positive, negative, mask, mixture=None, temperature=0.5),
                               infonce(positive, negative, mask, temperature=0.5))


def test_equal_negatives_weigh_alike():
    positive, _, mask, _ = make()
    negative = torch.full((4, 3), 0.2, dtype=torch.float64)
    torch.testing.assert_close(progcl(positive, negative, mask, mixture=MIXTURE), infonce(positive, negative, mask))


def test_a_row_of_certainly_false_negatives_prefers_none():
    """The posterior underflows to 0 at every one of them: weights 1, not 0 / 0."""
    mixture = BetaMixture(-1.0, 1.0, alpha=(2.0, 9000.0), beta=(9000.0, 2.0), weight=(0.5, 0.5))
    positive, negative = torch.zeros(1), torch.tensor([[0.9, 0.95]], requires_grad=True)
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert bool((mixture.true_negative(negative) == 0).all())
    torch.testing.assert_close(progcl(positive, negative, mask, mixture=mixture), infonce(positive, negative, mask))


def test_the_weights_are_detached():
    positive, negative, mask, _ = make()
    got = torch.autograd.grad(progcl(positive, negative, mask, mixture=MIXTURE), negative)[0]
    raw = torch.where(mask, MIXTURE.true_negative(negative) * MIXTURE.normalized(negative), 0.0).detach()
    weight = raw * mask.sum(1, keepdim=True) / raw.sum(1, keepdim=True).clamp(min=1e-12)
    still = torch.log1p((weight * negative.exp()).sum(1) / positive.exp()).mean()
    torch.testing.assert_close(got, torch.autograd.grad(still, negative)[0])


def test_probably_false_negatives_count_less_than_hard_true_ones():
    negative = torch.tensor([[-0.2, 0.99]], requires_grad=True)
    mask = torch.ones(1, 2, dtype=torch.bool)
    sharp = BetaMixture(-1.0, 1.0, alpha=(4.0, 30.0), beta=(6.0, 1.1), weight=(0.8, 0.2))
    plain = torch.autograd.grad(infonce(torch.zeros(1), negative, mask), negative)[0]
    weighted = torch.autograd.grad(progcl(torch.zeros(1), negative, mask, mixture=sharp), negative)[0]
    assert plain[0, 1] > plain[0, 0] and weighted[0, 1] < weighted[0, 0]
