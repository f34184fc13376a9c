"""HCL: debiased negatives, weighted by their hardness."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from graphns.objectives.correction import check_scores
from graphns.objectives.weights import check_cosines


def hcl(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    sharpness: float = 1.0,
    tau_plus: float = 0.1,
    temperature: float = 1.0,
    log_prob: Tensor | None = None,
) -> Tensor:
    r"""InfoNCE with its negative sum re-weighted towards hard negatives and rid of the expected false ones.

    .. math::

        p_b &= e^{s^+_b/\tau}, \quad n_{bj} = e^{s_{bj}/\tau}, \quad
        R_b = \frac{\sum_j n_{bj}^{\beta}\, n_{bj}}{\frac1{N_b} \sum_j n_{bj}^{\beta}} \\
        G_b &= \max\Big(\frac{R_b - N_b\, \tau^+ p_b}{1 - \tau^+},\; N_b\, e^{-1/\tau}\Big), \qquad
        L_b = -\log \frac{p_b}{p_b + G_b}

    Sums run over the N_b usable slots. beta = 0 is `dcl`; beta = 0 and tau_plus = 0 is `infonce`. The lower bound in
    G_b is the least that N_b negatives can sum to *if scores are cosines*, so scores outside [-1, 1] are refused.
    Everything is computed in logarithms, so small temperatures do not overflow.

    Args:
        positive_score: [B] cosines.
        negative_score: [B, m] cosines.
        mask: [B, m] bool, True = use. A row with no usable slot contributes 0, and counts in the mean.
        sharpness: beta, at least 0: how much harder negatives count more. The gradient passes through these weights.
        tau_plus: the share of negatives that are false, in [0, 1).
        temperature: divides the scores, those in the weights too (the authors' code: 0.5).
        log_prob: [B|1, m] log q of marginal density: slot j counts 1/q in both sums of R, so that R estimates what N_b
            uniform negatives give (self-normalised).

    Returns:
        A scalar, the mean of L_b.

    Raises:
        ValueError: shapes do not fit, a usable score is no cosine, sharpness or tau_plus is out of range, or
            `log_prob` cannot correct.

    Example:
        >>> mask = torch.ones(1, 3, dtype=torch.bool)
        >>> hcl(torch.zeros(1), torch.zeros(1, 3), mask).exp()  # (3 - 3 * 0.1) / 0.9 = 3 beside the positive's 1
        tensor(4.)

    References:
        Robinson, Chuang, Sra, Jegelka: Contrastive Learning with Hard Negative Samples. ICLR 2021.
    """
    check_scores(positive_score, negative_score, mask, temperature, log_prob)
    check_cosines(positive_score, negative_score, mask)
    if not sharpness >= 0:
        raise ValueError(f"sharpness must be at least 0, got {sharpness}")
    if not 0 <= tau_plus < 1:
        raise ValueError(f"tau_plus is a share in [0, 1), got {tau_plus}")
    positive = positive_score / temperature
    # whatever stands in a masked slot, NaN too, has no gradient
    negative = negative_score.masked_fill(~mask, 0.0) / temperature
    count = mask.sum(1)
    log_count = count.clamp(min=1).to(negative.dtype).log()
    importance = sharpness * negative if log_prob is None else sharpness * negative - log_prob
    lowest = torch.finfo(importance.dtype).min
    log_reweighted = log_count + torch.logsumexp(torch.where(mask, importance + negative, lowest), 1) \
        - torch.logsumexp(torch.where(mask, importance, lowest), 1)
    top = torch.maximum(log_reweighted, log_count + positive).detach()  # a factor that cancels
    debiased = ((log_reweighted - top).exp() - tau_plus * (log_count + positive - top).exp()) / (1 - tau_plus)
    floor = log_count - 1 / temperature
    log_negative = torch.where(debiased > 0, top + torch.where(debiased > 0, debiased, 1.0).log(), floor)
    rows = softplus(torch.maximum(log_negative, floor) - positive)
    return torch.where(count > 0, rows, 0.0).mean()
