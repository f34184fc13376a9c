"""Means, paired differences with their intervals, and what a stack of gradients says about an estimator."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """A paired difference over seeds.

    Args:
        mean: mean of the differences.
        low: lower end of the interval; NaN with fewer than two pairs.
        high: upper end.
        verdict: "better", "worse", "no difference" (the interval covers 0), or "no interval" (fewer than two pairs).
    """

    mean: float
    low: float
    high: float
    verdict: str


def mean_std(values: list[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1); NaN for what too few values leave open."""
    if not values:
        return math.nan, math.nan
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, math.nan
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def paired_difference(ours: dict[int, float], theirs: dict[int, float], level: float = LEVEL) -> Difference:
    r"""The difference ours - theirs over the seeds that both have, with Student's interval.

    .. math:: \bar d \pm t_{n-1,\,(1+level)/2} \; s_d / \sqrt{n}

    Pairing takes out what the seed decides for both: initial weights, views and the split. Differences that are all
    equal have an interval of no width; if they are all 0 there is no difference.

    Args:
        ours: value of each seed.
        theirs: value of each seed, of the method compared with.
        level: coverage of the interval.

    Raises:
        ValueError: no seed is common.

    Example:
        >>> paired_difference({0: 0.8, 1: 0.9}, {0: 0.7, 1: 0.9}).verdict
        'no difference'
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        raise ValueError(f"no seed is common to {sorted(ours)} and {sorted(theirs)}: there is no pair to compare")
    differences = [ours[seed] - theirs[seed] for seed in seeds]
    mean, std = mean_std(differences)
    if len(seeds) < 2:
        return Difference(mean, math.nan, math.nan, "no interval")
    from scipy.stats import t

    half = float(t.ppf((1 + level) / 2, len(seeds) - 1)) * std / math.sqrt(len(seeds))
    low, high = mean - half, mean + half
    verdict = "no difference" if low <= 0 <= high else "better" if mean > 0 else "worse"
    return Difference(mean, low, high, verdict)


@dataclass(frozen=True)
class Estimate:
    """How an estimated gradient relates to the true one; every number is relative to the true gradient's length.

    Args:
        bias: length of (expected gradient - true gradient), the Monte-Carlo noise of the mean taken out.
        noise: standard error that S streams leave in the mean: biases below it are not told from 0.
        variance: expected squared distance of one draw's gradient from the expected gradient.
        cosine: cosine of the mean gradient with the true one.
        cosine_one: mean cosine of one draw's gradient with the true one.
        streams: S, the independent draws.
    """

    bias: float
    noise: float
    variance: float
    cosine: float
    cosine_one: float
    streams: int

    def as_dict(self) -> dict[str, float]:
        """The fields by name."""
        return asdict(self)


def estimate(drawn: Tensor, true: Tensor) -> Estimate:
    r"""Bias, variance and cosine of an estimated gradient.

    With :math:`\bar g` the mean of S draws and :math:`s^2 = \sum_i \|g_i - \bar g\|^2 / (S - 1)`:

    .. math:: bias^2 = \frac{\max(0, \|\bar g - g\|^2 - s^2 / S)}{\|g\|^2}, \quad
              noise^2 = \frac{s^2}{S \|g\|^2}, \quad variance = \frac{s^2}{\|g\|^2}

    since :math:`E\|\bar g - g\|^2 = \|E g_i - g\|^2 + E s^2 / S`.

    Args:
        drawn: [S, p] gradients under S independent streams, S at least 2.
        true: [p].

    Raises:
        ValueError: shapes do not fit, or the true gradient is 0.
    """
    if drawn.dim() != 2 or len(drawn) < 2 or true.shape != drawn.shape[1:]:
        raise ValueError(f"need gradients [S >= 2, p] and a true one [p], got {tuple(drawn.shape)} and "
                         f"{tuple(true.shape)}")
    drawn, true = drawn.double(), true.double()
    length = float(true.norm())
    if length == 0:
        raise ValueError("the true gradient is 0: nothing is relative to it")
    mean = drawn.mean(0)
    spread = float((drawn - mean).square().sum()) / (len(drawn) - 1)
    square = float((mean - true).square().sum())
    # float32 gradients carry rounding of about 1e-7 of their length: below that a spread is none
    rounding = (1e-6 * length) ** 2
    spread = spread if spread > rounding else 0.0
    square = square if square > rounding else 0.0
    one = torch.nn.functional.cosine_similarity(drawn, true[None], dim=1)
    return Estimate(
        bias=math.sqrt(max(0.0, square - spread / len(drawn))) / length,
        noise=math.sqrt(spread / len(drawn)) / length,
        variance=spread / length**2,
        cosine=float(torch.nn.functional.cosine_similarity(mean, true, dim=0)),
        cosine_one=float(one.mean()),
        streams=len(drawn),
    )
