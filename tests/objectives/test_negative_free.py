"""BGRL, CCA-SSG and Barlow Twins against plain loops over rows and columns."""

from __future__ import annotations

import math

import pytest
import torch

from graphns.objectives.barlow_twins import barlow_twins
from graphns.objectives.bgrl import bgrl
from graphns.objectives.cca_ssg import cca_ssg


def vectors(seed, rows=6, width=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, dtype=torch.float64, generator=generator).requires_grad_()


def cosine(a, b):
    return sum(v * w for v, w in zip(a, b, strict=True)) / math.sqrt(sum(v * v for v in a) * sum(w * w for w in b))


def columns(x):
    """Standardised columns of length 1, as lists."""
    found = []
    for column in zip(*x.tolist(), strict=True):
        mean = sum(column) / len(column)
        sigma = math.sqrt(sum((v - mean) ** 2 for v in column) / len(column))
        found.append([(v - mean) / (sigma * math.sqrt(len(column))) for v in column])
    return found


def product(first, second):
    return [[sum(v * w for v, w in zip(a, b, strict=True)) for b in second] for a in first]


def test_bgrl_equals_a_plain_loop():
    p1, t2, p2, t1 = (vectors(seed) for seed in range(4))
    mean = [sum(cosine(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)) / 6 for x, y in ((p1, t2), (p2, t1))]
    assert bgrl(p1, t2, p2, t1).item() == pytest.approx(2 - sum(mean), rel=1e-12)


def test_bgrl_leaves_the_targets_alone_and_the_predictions_not():
    p1, t2, p2, t1 = (vectors(seed) for seed in range(4))
    loss = bgrl(p1, t2, p2, t1)
    grads = torch.autograd.grad(loss, (p1, t2, p2, t1), allow_unused=True)
    assert grads[1] is None and grads[3] is None
    assert bool((grads[0] != 0).all()) and bool((grads[2] != 0).all())
    assert torch.autograd.gradcheck(lambda p, q: bgrl(p, t2.detach(), q, t1.detach()), (p1, p2))


def test_bgrl_is_zero_where_views_agree_and_four_where_they_oppose():
    x = vectors(0)
    assert bgrl(x, 2 * x, x, x).item() == pytest.approx(0, abs=1e-12)
    assert bgrl(x, -x, x, -x).item() == pytest.approx(4)


@pytest.mark.parametrize("weight", [1e-3, 0.5, 0.0])
def test_cca_ssg_equals_a_plain_loop(weight):
    x, y = vectors(0), vectors(1)
    one, other = columns(x), columns(y)
    invariance = sum((v - w) ** 2 for a, b in zip(one, other, strict=True) for v, w in zip(a, b, strict=True))
    decorrelation = sum((value - (i == j)) ** 2 for side in (one, other)
                        for i, row in enumerate(product(side, side)) for j, value in enumerate(row))
    assert cca_ssg(x, y, weight=weight).item() == pytest.approx(invariance + weight * decorrelation, rel=1e-12)


@pytest.mark.parametrize("weight", [None, 0.005, 2.0])
def test_barlow_twins_equals_a_plain_loop(weight):
    x, y = vectors(0), vectors(1)
    table = product(columns(x), columns(y))
    lam = 1 / 3 if weight is None else weight
    expected = sum((1 - value) ** 2 if i == j else lam * value**2
                   for i, row in enumerate(table) for j, value in enumerate(row))
    assert barlow_twins(x, y, weight=weight).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", [cca_ssg, barlow_twins])
def test_gradients_by_finite_differences(loss):
    assert torch.autograd.gradcheck(lambda x, y: loss(x, y, weight=0.3), (vectors(0), vectors(1)))


@pytest.mark.parametrize("loss", [cca_ssg, barlow_twins])
def test_scale_and_shift_do_not_matter(loss):
    x, y = vectors(0), vectors(1)
    torch.testing.assert_close(loss(1e-6 * x + 3, 10 * y - 1), loss(x, y), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", [cca_ssg, barlow_twins])
def test_a_constant_column_and_a_single_row_stay_finite(loss):
    x = vectors(0)
    dead = torch.cat([x[:, :2], torch.full((6, 1), 2.0, dtype=torch.float64)], 1).detach().requires_grad_()
    for one in (dead, x[:1].detach().requires_grad_()):
        value = loss(one, 2 * one)
        assert bool(torch.isfinite(value)) and bool(torch.isfinite(torch.autograd.grad(value, one)[0]).all())


def test_collapse_is_no_optimum():
    """Columns that repeat each other cost, where the views agree; one constant point costs too."""
    x = vectors(0)
    repeated = x[:, :1].expand(-1, 3)
    independent = torch.linalg.qr(x - x.mean(0))[0]
    for loss in (cca_ssg, barlow_twins):
        assert loss(independent, independent, weight=1.0) < 1e-9
        assert loss(repeated, repeated, weight=1.0) > 1
        assert loss(torch.zeros(6, 3), torch.zeros(6, 3), weight=1.0) > 1


def test_refuse():
    x = vectors(0)
    for loss in (cca_ssg, barlow_twins):
        with pytest.raises(ValueError, match=r"need vectors \[B, d\].*'second': \(5, 3\)"):
            loss(x, x[1:])
        with pytest.raises(ValueError, match="need vectors"):
            loss(x[:0], x[:0])
        with pytest.raises(ValueError, match="weight must be at least 0, got -1"):
            loss(x, x, weight=-1)
    with pytest.raises(ValueError, match=r"'first_target': \(6, 2\)"):
        bgrl(x, x, x, x[:, :2])
