"""Two Beta distributions fitted to similarities: which negatives are true, as far as similarity tells (ProGCL)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import lgamma

import torch
from torch import Tensor

_EDGE = 1e-4  # similarities stay this far from 0 and 1, where a Beta density may be infinite


@dataclass(frozen=True)
class BetaMixture:
    r"""A mixture of two Beta distributions of similarities; the first, of lower mean, is that of true negatives.

    .. math:: p(x) = \sum_{c=1}^{2} \lambda_c\, \mathrm{Beta}(x; \alpha_c, \beta_c), \qquad
              x = \frac{s - s_{\min}}{s_{\max} - s_{\min}}

    It holds numbers alone, so it can be saved as it prints. `fit_beta_mixture` makes one.

    Args:
        low: the smallest similarity of the fit.
        high: the largest.
        alpha: of the two components.
        beta: of the two components.
        weight: their shares, which sum to 1.

    Example:
        >>> mixture = BetaMixture(-1.0, 1.0, alpha=(2.0, 8.0), beta=(8.0, 2.0), weight=(0.5, 0.5))
        >>> mixture.true_negative(torch.tensor([-0.6, 0.0, 0.6])).round(decimals=3)
        tensor([1.0000, 0.5000, 0.0000])
    """

    low: float
    high: float
    alpha: tuple[float, float]
    beta: tuple[float, float]
    weight: tuple[float, float]

    def normalized(self, similarity: Tensor) -> Tensor:
        """Similarities brought to [0, 1] by the fit's smallest and largest, and kept just inside."""
        return (similarity - self.low).div_(self.high - self.low).clamp_(_EDGE, 1 - _EDGE)

    @torch.no_grad()
    def true_negative(self, similarity: Tensor) -> Tensor:
        r"""The posterior probability that a negative of this similarity is a true one, of the shape and dtype given.

        .. math:: p = \sigma\big(\log \tfrac{\lambda_1 B_2}{\lambda_2 B_1} + (\alpha_1 - \alpha_2) \log x
                  + (\beta_1 - \beta_2) \log(1 - x)\big), \qquad B_c = \mathrm{B}(\alpha_c, \beta_c)
        """
        # half precision has no number just below 1
        x = self.normalized(similarity if similarity.dtype == torch.float64 else similarity.float())
        # the odds of two densities: their norms are two numbers, and two logarithms are left for each similarity
        (one, other), (left, right) = self.alpha, self.beta
        first, second = (lgamma(p) + lgamma(q) - lgamma(p + q) for p, q in ((one, left), (other, right)))
        share = [math.log(each) if each > 0 else -math.inf for each in self.weight]
        odds = x.log().mul_(one - other).add_(torch.log1p(-x), alpha=left - right)
        return odds.add_(share[0] - share[1] + second - first).sigmoid_().to(similarity.dtype)


@torch.no_grad()
def fit_beta_mixture(similarity: Tensor, *, share: float = 0.05, iterations: int = 10) -> BetaMixture:
    r"""Fit a `BetaMixture` by EM from a fixed start: deterministic, nothing is random.

    E step: responsibilities :math:`r_{ic} \propto \lambda_c \mathrm{Beta}(x_i; \alpha_c, \beta_c)`. M step: shares
    :math:`\lambda_c = \mathrm{mean}_i\, r_{ic}`, and by the weighted moments (which, unlike the likelihood, need no
    inner search)

    .. math:: \alpha_c = \mu_c \Big(\frac{\mu_c (1 - \mu_c)}{v_c} - 1\Big), \qquad
              \beta_c = (1 - \mu_c) \Big(\frac{\mu_c (1 - \mu_c)}{v_c} - 1\Big)

    Args:
        similarity: any shape: similarities of anchors and their negatives, positives left out. A sample is enough;
            ProGCL's code fits once, at epoch 400, on 100 columns of the matrix of inter-view similarities.
        share: weight of the false negatives at the start, in (0, 1); ProGCL's code: 0.05 or 0.15.
        iterations: EM steps, at least 1. The start is alpha (1, 2), beta (2, 1).

    Raises:
        ValueError: the similarities are all alike or not finite, or an option is out of range.

    Example:
        >>> similarity = torch.cat([torch.linspace(-0.8, -0.2, 90), torch.linspace(0.6, 0.9, 10)])
        >>> mixture = fit_beta_mixture(similarity)
        >>> [round(each, 1) for each in mixture.weight]
        [0.9, 0.1]

    References:
        Xia, Wu, Wang, Chen, Li: ProGCL: Rethinking Hard Negative Mining in Graph Contrastive Learning. ICML 2022.
        Arazo, Ortego, Albert, O'Connor, McGuinness: Unsupervised Label Noise Modeling and Loss Correction. ICML 2019.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be in (0, 1), got {share}")
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, got {iterations}")
    values = similarity.detach().double().flatten()
    if len(values) < 2 or not bool(torch.isfinite(values).all()) or bool((values == values[0]).all()):
        raise ValueError(f"need at least two different finite similarities, got {len(values)} values"
                         + (f" from {float(values.min())} to {float(values.max())}" if len(values) else ""))
    low, high = float(values.min()), float(values.max())
    values = ((values - low) / (high - low)).clamp(_EDGE, 1 - _EDGE)
    alpha, beta = values.new_tensor([1.0, 2.0]), values.new_tensor([2.0, 1.0])
    weight = values.new_tensor([1 - share, share])
    for _ in range(iterations):
        belongs = _log_parts(values, alpha, beta, weight).softmax(1)
        total = belongs.sum(0)
        alive = total > 1e-6  # a component without data keeps its shape
        mean = (belongs * values[:, None]).sum(0) / total.clamp(min=1e-6)
        variance = (belongs * (values[:, None] - mean).square()).sum(0) / total.clamp(min=1e-6)
        scale = mean * (1 - mean) / variance.clamp(min=1e-8) - 1
        alpha = torch.where(alive, (mean * scale).clamp(min=1e-6), alpha)
        beta = torch.where(alive, ((1 - mean) * scale).clamp(min=1e-6), beta)
        weight = total / len(values)
    order = (alpha / (alpha + beta)).argsort(stable=True)
    numbers = [tuple(each[order].tolist()) for each in (alpha, beta, weight)]
    return BetaMixture(low, high, *numbers)


def _log_parts(values: Tensor, alpha: Tensor, beta: Tensor, weight: Tensor) -> Tensor:
    """Log of weight times density [..., 2] of each component at values [...]."""
    log_norm = torch.lgamma(alpha) + torch.lgamma(beta) - torch.lgamma(alpha + beta)
    x = values[..., None]
    return (alpha - 1) * x.log() + (beta - 1) * (1 - x).log() - log_norm + weight.log()
