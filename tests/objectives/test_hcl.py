"""HCL and DCL against a plain loop, with their limit cases: beta = 0 is DCL, and tau_plus = 0 then InfoNCE."""

from __future__ import annotations

import math

import pytest
import torch

from graphns.objectives.dcl import dcl
from graphns.objectives.hcl import hcl
from graphns.objectives.infonce import infonce
from tests.objectives.cases import make, rows_of


def loop(positive, negative, mask, beta, tau_plus, temperature, log_prob=None):
    """The formula as written, in exponentials."""
    total, clamped = 0.0, 0
    rows = list(rows_of(positive, negative, mask, log_prob))
    for own, others, q in rows:
        if not others:
            continue
        n, pos = len(others), math.exp(own / temperature)
        neg = [math.exp(s / temperature) for s in others]
        share = [1 / chance for chance in q]
        share = [n * each / sum(share) for each in share]  # 1 each without correction
        imp = [w * x**beta for w, x in zip(share, neg, strict=True)]
        reweighted = sum(i * x for i, x in zip(imp, neg, strict=True)) / (sum(imp) / n)
        bound = n * math.exp(-1 / temperature)
        debiased = (reweighted - n * tau_plus * pos) / (1 - tau_plus)
        clamped += debiased < bound
        total += -math.log(pos / (pos + max(debiased, bound)))
    return total / len(rows), clamped


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("tau_plus", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 3.0])
def test_equals_a_plain_loop(beta, tau_plus, temperature, corrected):
    positive, negative, mask, log_prob = make(batch=6, k=5)
    log_prob = log_prob if corrected else None
    expected, _ = loop(positive, negative, mask, beta, tau_plus, temperature, log_prob)
    got = hcl(positive, negative, mask, sharpness=beta, tau_plus=tau_plus, temperature=temperature, log_prob=log_prob)
    assert got.item() == pytest.approx(expected, rel=1e-10)
    if beta == 0:
        debiased = dcl(positive, negative, mask, tau_plus=tau_plus, temperature=temperature, log_prob=log_prob)
        assert debiased.item() == pytest.approx(expected, rel=1e-10)


def test_the_clamp_is_reached_in_those_cases():
    positive, negative, mask, _ = make(batch=6, k=5)
    assert 0 < loop(positive, negative, mask, 1.0, 0.6, 0.5)[1] < 5
    assert loop(positive, negative, mask, 1.0, 0.0, 0.5)[1] == 0


@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_without_sharpness_it_is_dcl(temperature):
    positive, negative, mask, _ = make()
    assert hcl(positive, negative, mask, sharpness=0.0, temperature=temperature).item() == dcl(
        positive, negative, mask, temperature=temperature).item()


@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_dcl_without_false_negatives_is_infonce(temperature):
    positive, negative, mask, _ = make()
    ours = dcl(positive, negative, mask, tau_plus=0.0, temperature=temperature)
    theirs = infonce(positive, negative, mask, temperature=temperature)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    for one, other in zip(torch.autograd.grad(ours, (positive, negative)),
                          torch.autograd.grad(theirs, (positive, negative)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)


def test_debiasing_is_unbiased_for_the_true_negatives():
    """Negatives of which a share tau_plus scores like the positive: the sum over true ones is given back."""
    own, true = torch.tensor([0.9], dtype=torch.float64), torch.tensor([-0.2, 0.1, 0.4, 0.0] * 2, dtype=torch.float64)
    negative = torch.cat([true, own.expand(2)])[None]  # 2 of 10 are false
    mask = torch.ones_like(negative, dtype=torch.bool)
    got = dcl(own, negative, mask, tau_plus=0.2, temperature=0.5)
    total = 10 / 8 * (true / 0.5).exp().sum()
    assert got.item() == pytest.approx(math.log(1 + total / math.exp(0.9 / 0.5)), rel=1e-12)


def test_the_gradient_passes_through_the_weights():
    """As in the paper: with weights held still the gradient would be another."""
    positive, negative, mask, _ = make()
    own = torch.autograd.grad(hcl(positive, negative, mask, tau_plus=0.0), negative)[0]
    importance = torch.where(mask, negative.detach().exp(), 0.0)
    mean = importance.sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)
    weight = torch.where(mask, importance / mean.clamp(min=1e-9), 0.0)
    held = torch.log1p((weight * negative.exp()).sum(1) / positive.exp()).mean()
    assert not torch.allclose(own, torch.autograd.grad(held, negative)[0])


def test_a_temperature_that_overflows_exp():
    """Float32 at 1/tau = 200: e^200 is beyond it, the loss is not."""
    positive, negative, mask, _ = make()
    expected, _ = loop(positive.detach(), negative.detach(), mask, 1.0, 0.1, 0.005)
    got = hcl(positive.detach().float(), negative.detach().float(), mask, temperature=0.005)
    assert got.item() == pytest.approx(expected, rel=1e-4)


def test_rounding_of_unit_vectors_is_no_offence():
    positive, negative, mask = torch.tensor([1.0005]), torch.tensor([[-1.004]]), torch.ones(1, 1, dtype=torch.bool)
    expected, _ = loop(positive.double(), negative.double(), mask, 1.0, 0.1, 1.0)
    assert hcl(positive, negative, mask).item() == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="cosine"):  # beyond rounding
        hcl(positive, negative - 0.1, mask)


def test_refuses():
    positive, negative, mask, _ = make()
    with pytest.raises(ValueError, match=r"sharpness must be at least 0, got -0\.5"):
        hcl(positive, negative, mask, sharpness=-0.5)
    for wrong in (1.0, -0.1):
        with pytest.raises(ValueError, match=rf"tau_plus is a share in \[0, 1\), got {wrong}"):
            dcl(positive, negative, mask, tau_plus=wrong)
