"""Alignment and uniformity against plain loops over pairs."""

from __future__ import annotations

import math

import pytest
import torch

from graphns.objectives.alignment_uniformity import alignment, alignment_uniformity, uniformity


def vectors(rows=6, width=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, dtype=torch.float64, generator=generator).requires_grad_()


def on_sphere(x):
    return [[v / math.sqrt(sum(w * w for w in row)) for v in row] for row in x.tolist()]


def square(a, b):
    return sum((v - w) ** 2 for v, w in zip(a, b, strict=True))


def loop_uniformity(x, t):
    rows = on_sphere(x)
    parts = [math.exp(-t * square(rows[a], rows[b])) for a in range(len(rows)) for b in range(a)]
    return math.log(sum(parts) / len(parts))


def loop_alignment(x, y):
    pairs = list(zip(on_sphere(x), on_sphere(y), strict=True))
    return sum(square(a, b) for a, b in pairs) / len(pairs)


@pytest.mark.parametrize("t", [2.0, 0.5])
@pytest.mark.parametrize("weight", [1.0, 0.3, 0.0])
def test_equals_plain_loops(weight, t):
    x, y = vectors(seed=0), vectors(seed=1)
    expected = loop_alignment(x, y) + weight * (loop_uniformity(x, t) + loop_uniformity(y, t)) / 2
    got = alignment_uniformity(x, y, weight=weight, sharpness=t)
    assert got.item() == pytest.approx(expected, rel=1e-12)


def test_gradients_by_finite_differences():
    inputs = vectors(4), vectors(4, seed=1)
    assert torch.autograd.gradcheck(lambda x, y: alignment_uniformity(x, y, weight=0.7), inputs)


def test_length_does_not_matter():
    x, y = vectors(), vectors(seed=1)
    torch.testing.assert_close(alignment_uniformity(3 * x, 0.1 * y), alignment_uniformity(x, y))


def test_spread_is_better_than_a_cluster_and_duplicates_are_finite():
    cluster = torch.ones(4, 2, requires_grad=True)
    assert uniformity(torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])) < uniformity(cluster)
    assert uniformity(cluster).item() == pytest.approx(0, abs=1e-6)
    assert bool(torch.isfinite(torch.autograd.grad(alignment_uniformity(cluster, cluster), cluster)[0]).all())


def test_refuses():
    x = vectors()
    with pytest.raises(ValueError, match="need vectors"):
        alignment(x, x[:, :2])
    with pytest.raises(ValueError, match="need vectors"):
        alignment_uniformity(x, x[:3])
    with pytest.raises(ValueError, match=r"uniformity is over pairs of rows: .* got \(1, 3\)"):
        alignment_uniformity(x[:1], x[:1])
    with pytest.raises(ValueError, match="sharpness must be above 0, got 0"):
        uniformity(x, sharpness=0)
    with pytest.raises(ValueError, match="weight must be at least 0, got -1"):
        alignment_uniformity(x, x, weight=-1)


def test_a_copy_counts_and_exerts_no_force():
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8]], requires_grad=True)
    value = uniformity(rows)
    assert value.exp().item() == pytest.approx((1 + 2 * math.exp(-2 * 0.8)) / 3, rel=1e-6)  # 2 - 2 x.y
    copies = uniformity(rows[:2])
    copies.backward()
    assert copies.item() == 0 and rows.grad.tolist() == [[0.0, 0.0]] * 3
