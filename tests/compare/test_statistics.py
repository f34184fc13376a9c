import math

import numpy as np
import pytest
import torch
from scipy import stats

from graphns.compare.statistics import estimate, mean_std, paired_difference


def test_paired_interval_is_scipys():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.8, 0.02, 7), rng.normal(0.79, 0.02, 7)
    found = paired_difference(dict(enumerate(ours.tolist())), dict(enumerate(theirs.tolist())))
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert found.low == pytest.approx(expected.low, rel=1e-12)
    assert found.high == pytest.approx(expected.high, rel=1e-12)
    assert found.mean == pytest.approx((ours - theirs).mean())


@pytest.mark.parametrize(("shift", "verdict"), [(0.1, "better"), (-0.1, "worse"), (0.0, "no difference")])
def test_verdict_follows_the_interval(shift, verdict):
    noise = [0.01, -0.01, 0.005, -0.005]
    found = paired_difference({i: 0.5 + shift + e for i, e in enumerate(noise)}, dict.fromkeys(range(4), 0.5))
    assert found.verdict == verdict
    assert (found.low <= 0 <= found.high) == (verdict == "no difference")


def test_equal_results_are_no_difference():
    found = paired_difference({0: 0.5, 1: 0.6}, {0: 0.5, 1: 0.6})
    assert (found.low, found.high, found.verdict) == (0.0, 0.0, "no difference")


def test_one_seed_has_no_interval_and_only_common_seeds_count():
    found = paired_difference({0: 0.9, 5: 0.1}, {0: 0.8, 6: 0.3})
    assert found.mean == pytest.approx(0.1)
    assert found.verdict == "no interval" and math.isnan(found.low)
    with pytest.raises(ValueError, match="no seed is common to \\[0\\] and \\[1\\]"):
        paired_difference({0: 0.9}, {1: 0.8})


def test_mean_std():
    assert mean_std([1.0, 2.0, 4.0]) == (pytest.approx(7 / 3), pytest.approx(np.std([1, 2, 4], ddof=1)))
    assert mean_std([2.0])[0] == 2.0 and math.isnan(mean_std([2.0])[1])
    assert all(map(math.isnan, mean_std([])))


def test_estimate_of_the_truth_itself():
    true = torch.tensor([3.0, 4.0])
    found = estimate(true.expand(5, 2), true)
    assert (found.bias, found.variance, found.noise, found.streams) == (0.0, 0.0, 0.0, 5)
    assert found.cosine == pytest.approx(1.0) and found.cosine_one == pytest.approx(1.0)


def test_bias_has_the_noise_of_the_mean_taken_out():
    # unbiased draws: the plain distance of their mean is sqrt(p / S), the bias reported is far below it
    generator = torch.Generator().manual_seed(0)
    true = torch.ones(2000, dtype=torch.float64)
    drawn = true + torch.randn(16, 2000, generator=generator, dtype=torch.float64)
    found = estimate(drawn, true)
    assert found.noise == pytest.approx(0.25, rel=0.05)
    assert found.bias < 0.1
    assert found.variance == pytest.approx(1.0, rel=0.05)
    shifted = estimate(drawn + 0.5, true)
    assert shifted.bias == pytest.approx(0.5, rel=0.05)


def test_cosine_tells_direction_from_length():
    true = torch.tensor([1.0, 0.0])
    found = estimate(torch.tensor([[2.0, 2.0], [2.0, -2.0]]), true)
    assert found.cosine == pytest.approx(1.0)
    assert found.cosine_one == pytest.approx(math.sqrt(0.5))
    assert found.variance == pytest.approx(8.0)


@pytest.mark.parametrize("drawn", [torch.ones(1, 2), torch.ones(3, 3), torch.ones(2)])
def test_estimate_refuses_shapes(drawn):
    with pytest.raises(ValueError, match="need gradients"):
        estimate(drawn, torch.ones(2))


def test_estimate_refuses_no_gradient():
    with pytest.raises(ValueError, match="true gradient is 0"):
        estimate(torch.ones(2, 2), torch.zeros(2))
