"""Hinge AUC against a plain loop, and above one minus the AUC."""

from __future__ import annotations

import pytest

from graphns.objectives.hinge_auc import hinge_auc
from tests.objectives.cases import make, rows_of


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize(("margin", "temperature"), [(1.0, 1.0), (0.3, 0.5)])
def test_equals_a_plain_loop(margin, temperature, corrected):
    positive, negative, mask, log_prob = make(batch=6, k=5)
    log_prob = log_prob if corrected else None
    total, count = 0.0, 0
    for own, others, q in rows_of(positive, negative, mask, log_prob):
        share = [1 / chance for chance in q]
        for w, s in zip(share, others, strict=True):
            total += len(others) * w / sum(share) * max(0.0, margin - (own - s) / temperature) ** 2
            count += 1
    got = hinge_auc(positive, negative, mask, margin=margin, temperature=temperature, log_prob=log_prob)
    assert got.item() == pytest.approx(total / count, rel=1e-12)


def test_bounds_one_minus_the_auc():
    positive, negative, mask, _ = make(batch=20, k=10)
    wrong = [(own < s) for own, others, _ in rows_of(positive, negative, mask) for s in others]
    share = sum(wrong) / len(wrong)
    assert 0 < share < 1
    assert hinge_auc(positive, negative, mask).item() >= share


def test_refuses():
    positive, negative, mask, _ = make()
    with pytest.raises(ValueError, match="margin must be above 0, got -1"):
        hinge_auc(positive, negative, mask, margin=-1)
