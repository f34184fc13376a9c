"""CCL: the cosine contrastive loss of SimpleX."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.objectives.correction import check_scores
from graphns.objectives.weights import check_cosines, slot_weights


def ccl(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    margin: float = 0.9,
    weight: float = 150.0,
    log_prob: Tensor | None = None,
) -> Tensor:
    r"""Cosine contrastive loss: positives are drawn to 1, negatives above a margin are pushed below it.

    .. math:: L_b = (1 - s^+_b) + w \cdot \mathrm{mean}_{j\ \text{usable}} \max(0, s_{bj} - m)

    w multiplies the mean over the negatives, so it needs no change when k does. Easy negatives, below the margin, have
    no gradient; so k is large (the authors': 1000).

    Args:
        positive_score: [B] cosines.
        negative_score: [B, k] cosines.
        mask: [B, k] bool, True = use. A row with no usable slot has its positive half only.
        margin: m in [-1, 1]. The default is the authors' for Yelp2018, and so is that of `weight`.
        weight: w, above 0.
        log_prob: [B|1, k] log q of marginal density: weighs the negatives of a row by 1/q, normalised to its usable
            slots, which estimates the mean under uniform negatives.

    Returns:
        A scalar, the mean of L_b.

    Raises:
        ValueError: shapes do not fit, a usable score is no cosine, margin or weight is out of range, or `log_prob`
            cannot correct.

    Example:
        >>> import torch
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> ccl(torch.tensor([0.5]), torch.tensor([[0.75, 0.0]]), mask, margin=0.25, weight=2.0)
        tensor(1.)

    References:
        Mao, Zhu, Wang, Dai, Dong, Xiao, He: SimpleX: A Simple and Strong Baseline for Collaborative Filtering.
        CIKM 2021.
    """
    check_scores(positive_score, negative_score, mask, 1.0, log_prob)
    check_cosines(positive_score, negative_score, mask)
    if not -1 <= margin <= 1:
        raise ValueError(f"margin must be a cosine in [-1, 1], got {margin}")
    if not weight > 0:
        raise ValueError(f"weight must be above 0, got {weight}")
    negative = negative_score.masked_fill(~mask, 0.0)  # whatever stands in a masked slot, NaN too, has no gradient
    share = slot_weights(torch.zeros_like(negative), mask, log_prob)
    return ((1 - positive_score) + weight * (share * (negative - margin).clamp(min=0)).sum(1)).mean()
