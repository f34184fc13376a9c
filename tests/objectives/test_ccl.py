"""The cosine contrastive loss against a plain loop; w multiplies the mean."""

from __future__ import annotations

import pytest
import torch

from graphns.objectives.ccl import ccl
from tests.objectives.cases import make, rows_of


def loop(positive, negative, mask, margin, weight, log_prob=None):
    total = 0.0
    rows = list(rows_of(positive, negative, mask, log_prob))
    for own, others, q in rows:
        total += 1 - own
        if others:
            share = [1 / chance for chance in q]
            hinge = sum(w * max(0.0, s - margin) for w, s in zip(share, others, strict=True)) / sum(share)
            total += weight * hinge
    return total / len(rows)


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize(("margin", "weight"), [(0.0, 1.0), (0.4, 150.0), (-0.5, 3.0)])
def test_equals_a_plain_loop(margin, weight, corrected):
    positive, negative, mask, log_prob = make(batch=6, k=5)
    log_prob = log_prob if corrected else None
    got = ccl(positive, negative, mask, margin=margin, weight=weight, log_prob=log_prob)
    assert got.item() == pytest.approx(loop(positive, negative, mask, margin, weight, log_prob), rel=1e-12)


def test_the_weight_multiplies_the_mean():
    """Every negative twice changes nothing; a sum would double."""
    positive, negative, mask, _ = make()
    torch.testing.assert_close(ccl(positive, negative.repeat(1, 2), mask.repeat(1, 2), margin=0.1),
                               ccl(positive, negative, mask, margin=0.1))


def test_easy_negatives_have_no_gradient():
    negative = torch.tensor([[0.95, 0.89, -1.0]], requires_grad=True)
    ccl(torch.tensor([0.2]), negative, torch.ones(1, 3, dtype=torch.bool)).backward()
    assert negative.grad is not None and negative.grad.tolist() == [[pytest.approx(50.0), 0.0, 0.0]]


def test_refuses():
    positive, negative, mask, _ = make()
    with pytest.raises(ValueError, match=r"margin must be a cosine in \[-1, 1\], got 1.5"):
        ccl(positive, negative, mask, margin=1.5)
    with pytest.raises(ValueError, match="weight must be above 0, got 0"):
        ccl(positive, negative, mask, weight=0)
