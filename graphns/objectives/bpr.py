"""BPR: the positive above each negative."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from graphns.objectives.correction import check_scores, usable_mean


def bpr(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    temperature: float = 1.0,
    log_prob: Tensor | None = None,
) -> Tensor:
    r"""Bayesian personalised ranking: a logistic loss of each difference.

    .. math:: L = -\mathrm{mean}_{bj\ \text{usable}} \log \sigma\big((s^+_b - s_{bj}) / \tau\big)

    Args:
        positive_score: [B].
        negative_score: [B, k].
        mask: [B, k] bool, True = use. Without any usable slot the loss is 0.
        temperature: divides the scores.
        log_prob: [B|1, k] log q: weighs the negatives of a row by 1/q, normalised to its usable slots, which estimates
            the mean under uniform negatives.

    Returns:
        A scalar.

    Raises:
        ValueError: shapes do not fit, or `log_prob` cannot correct.

    Example:
        >>> import torch
        >>> bpr(torch.zeros(2), torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)).exp()
        tensor(2.)

    References:
        Rendle, Freudenthaler, Gantner, Schmidt-Thieme: BPR: Bayesian Personalized Ranking from Implicit Feedback.
        UAI 2009.
    """
    check_scores(positive_score, negative_score, mask, temperature, log_prob)
    negative = negative_score.masked_fill(~mask, 0.0)  # whatever stands in a masked slot, NaN too, has no gradient
    return usable_mean(softplus((negative - positive_score[:, None]) / temperature), mask, log_prob)
