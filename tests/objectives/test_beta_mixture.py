"""The Beta mixture: EM against plain Python, known mixtures found again, the posterior by its densities."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from graphns.objectives.beta_mixture import BetaMixture, fit_beta_mixture
from graphns.streams import Stream, unit_open


def quantiles(alpha, beta, size):
    return stats.beta(alpha, beta).ppf((torch.arange(size).numpy() + 0.5) / size)


def mixed(share=0.3, size=2000, low=-1.0, high=1.0):
    """Quantiles of Beta(4, 12), and of Beta(16, 3) for a share of the values, stretched to [low, high]."""
    values = [*quantiles(4, 12, round(size * (1 - share))), *quantiles(16, 3, round(size * share))]
    return low + (high - low) * torch.tensor(values, dtype=torch.float64)


def plain_em(similarity, share, iterations):
    """As the paper's code does it, number by number."""
    values = similarity.flatten().tolist()
    low, high = min(values), max(values)
    x = [min(max((v - low) / (high - low), 1e-4), 1 - 1e-4) for v in values]
    a, b, w = [1.0, 2.0], [2.0, 1.0], [1 - share, share]
    for _ in range(iterations):
        belongs = []
        for v in x:
            parts = [w[c] * v ** (a[c] - 1) * (1 - v) ** (b[c] - 1) * math.gamma(a[c] + b[c])
                     / math.gamma(a[c]) / math.gamma(b[c]) for c in (0, 1)]
            belongs.append([p / sum(parts) for p in parts])
        for c in (0, 1):
            total = sum(r[c] for r in belongs)
            mean = sum(r[c] * v for r, v in zip(belongs, x, strict=True)) / total
            variance = sum(r[c] * (v - mean) ** 2 for r, v in zip(belongs, x, strict=True)) / total
            a[c] = mean * (mean * (1 - mean) / variance - 1)
            b[c] = a[c] * (1 - mean) / mean
            w[c] = total / len(x)
    return a, b, w


@pytest.mark.parametrize(("share", "iterations"), [(0.05, 1), (0.05, 10), (0.15, 10)])
def test_equals_plain_em(share, iterations):
    similarity = mixed(size=200)
    got = fit_beta_mixture(similarity, share=share, iterations=iterations)
    alpha, beta, weight = plain_em(similarity, share, iterations)
    assert got.alpha == pytest.approx(alpha, rel=1e-8)
    assert got.beta == pytest.approx(beta, rel=1e-8)
    assert got.weight == pytest.approx(weight, rel=1e-8)
    assert (got.low, got.high) == (similarity.min().item(), similarity.max().item())


def test_a_known_mixture_is_found_again():
    """Near its parameters, as far as the stretch to the sample's smallest and largest lets it."""
    got = fit_beta_mixture(mixed(), iterations=50)
    means = [a / (a + b) for a, b in zip(got.alpha, got.beta, strict=True)]
    assert got.weight == pytest.approx((0.7, 0.3), abs=0.02)
    assert means[0] == pytest.approx(0.25, abs=0.04) and means[1] == pytest.approx(16 / 19, abs=0.05)


def test_the_first_component_is_the_lower():
    """Also where the start has them the other way round."""
    similarity = mixed()
    for share in (0.05, 0.5, 0.95):
        got = fit_beta_mixture(similarity, share=share, iterations=30)
        assert got.alpha[0] / (got.alpha[0] + got.beta[0]) < got.alpha[1] / (got.alpha[1] + got.beta[1])


def test_the_posterior_is_that_of_the_densities():
    mixture = BetaMixture(-0.5, 1.0, alpha=(2.0, 9.0), beta=(7.0, 1.5), weight=(0.8, 0.2))
    similarity = torch.tensor([[-0.4, 0.1], [0.6, 0.95]], dtype=torch.float64)
    got = mixture.true_negative(similarity)
    x = (similarity + 0.5) / 1.5
    parts = [w * stats.beta(a, b).pdf(x.numpy()) for a, b, w in zip(mixture.alpha, mixture.beta, mixture.weight,
                                                                  strict=True)]
    torch.testing.assert_close(got, torch.from_numpy(parts[0] / (parts[0] + parts[1])))
    assert got.shape == (2, 2) and bool((got.flatten().diff() < 0).all())


def test_the_edges_and_what_lies_beyond_are_finite():
    mixture = fit_beta_mixture(mixed())
    got = mixture.true_negative(torch.tensor([-3.0, -1.0, 1.0, 3.0]))
    assert got.dtype == torch.float32 and bool(torch.isfinite(got).all())
    assert bool(((got >= 0) & (got <= 1)).all())
    x = mixture.normalized(torch.tensor([-3.0, 3.0]))
    assert 0 < x[0] < x[1] < 1


def test_it_is_deterministic_and_leaves_generators_alone():
    state = torch.get_rng_state()
    assert fit_beta_mixture(mixed()) == fit_beta_mixture(mixed())
    assert torch.equal(state, torch.get_rng_state())


def test_shape_and_gradient_are_of_no_account():
    values = mixed(size=100).requires_grad_()
    assert fit_beta_mixture(values.view(10, 10)) == fit_beta_mixture(values.detach())


def test_one_heap_of_values_is_no_failure():
    values = 1e-3 * unit_open(Stream(0).words(torch.arange(50), 4)) + 0.5
    mixture = fit_beta_mixture(values, iterations=100)
    assert bool(torch.isfinite(mixture.true_negative(values)).all())
    two = fit_beta_mixture(torch.tensor([0.0, 0.0, 1.0]), iterations=100)
    assert all(math.isfinite(each) for part in (two.alpha, two.beta, two.weight) for each in part)
    assert bool(torch.isfinite(two.true_negative(torch.tensor([0.0, 0.5, 1.0]))).all())


def test_refuses():
    with pytest.raises(ValueError, match=r"share must be in \(0, 1\), got 1"):
        fit_beta_mixture(mixed(), share=1)
    with pytest.raises(ValueError, match="iterations must be at least 1, got 0"):
        fit_beta_mixture(mixed(), iterations=0)
    with pytest.raises(ValueError, match=r"at least two different finite similarities, got 3 values from 0\.5 to"):
        fit_beta_mixture(torch.full((3,), 0.5))
    with pytest.raises(ValueError, match="two different finite similarities"):
        fit_beta_mixture(torch.tensor([0.0, torch.nan]))
    with pytest.raises(ValueError, match="got 0 values"):
        fit_beta_mixture(torch.tensor([]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_posterior_is_that_of_the_densities_in_every_precision(dtype):
    """Also where components are narrow, U-shaped or without share."""
    similarity = torch.linspace(-1.5, 1.5, 301, dtype=torch.float64)
    x = ((similarity + 1) / 2).clamp(1e-4, 1 - 1e-4).numpy()
    for alpha, beta, weight in [((2.0, 6.0), (5.0, 2.0), (0.8, 0.2)), ((200.0, 0.3), (90.0, 0.2), (0.5, 0.5)),
                                ((1.0, 1.0), (1.0, 1.0), (0.25, 0.75)), ((2.0, 3.0), (3.0, 2.0), (1.0, 0.0)),
                                ((2.0, 3.0), (3.0, 2.0), (0.0, 1.0))]:
        mixture = BetaMixture(-1.0, 1.0, alpha=alpha, beta=beta, weight=weight)
        one, other = (w * stats.beta(a, b).pdf(x) for a, b, w in zip(alpha, beta, weight, strict=True))
        got = mixture.true_negative(similarity.to(dtype))
        assert got.dtype == dtype and got.shape == similarity.shape
        if dtype != torch.bfloat16:
            torch.testing.assert_close(got.double(), torch.from_numpy(one / (one + other)),
                                       atol=1e-12 if dtype == torch.float64 else 2e-4, rtol=0)
        else:  # the rounding of the similarity itself
            again = mixture.true_negative(similarity.to(dtype).double())
            torch.testing.assert_close(got.double(), again, atol=1e-2, rtol=0)
