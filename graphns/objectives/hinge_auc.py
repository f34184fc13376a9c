"""Hinge AUC: a squared hinge on each difference, PLNLP's surrogate of the area under the ROC curve."""

from __future__ import annotations

from torch import Tensor

from graphns.objectives.correction import check_scores, usable_mean


def hinge_auc(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    margin: float = 1.0,
    temperature: float = 1.0,
    log_prob: Tensor | None = None,
) -> Tensor:
    r"""The squared hinge on the difference of a positive and each of its negatives.

    .. math:: L = \mathrm{mean}_{bj\ \text{usable}} \max\big(0, m - (s^+_b - s_{bj}) / \tau\big)^2

    With margin 1 it bounds the share of wrongly ordered pairs, 1 - AUC, from above. It is a mean over the pairs, not a
    sum, so that the learning rate does not depend on k.

    Args:
        positive_score: [B].
        negative_score: [B, k].
        mask: [B, k] bool, True = use. Without any usable slot the loss is 0.
        margin: m, above 0.
        temperature: divides the scores.
        log_prob: [B|1, k] log q of marginal density: weighs the negatives of a row by 1/q, normalised to its usable
            slots, which estimates the mean under uniform negatives.

    Returns:
        A scalar.

    Raises:
        ValueError: shapes do not fit, the margin is not above 0, or `log_prob` cannot correct.

    Example:
        >>> import torch
        >>> hinge_auc(torch.tensor([2.0]), torch.tensor([[1.5, 0.0]]), torch.ones(1, 2, dtype=torch.bool))
        tensor(0.1250)

    References:
        Wang, Zhou, Hong, Zou, Su, Chen: Pairwise Learning for Neural Link Prediction. 2021.
        Gao, Zhou: On the Consistency of AUC Pairwise Optimization. IJCAI 2015.
    """
    check_scores(positive_score, negative_score, mask, temperature, log_prob)
    if not margin > 0:
        raise ValueError(f"margin must be above 0, got {margin}")
    negative = negative_score.masked_fill(~mask, 0.0)  # whatever stands in a masked slot, NaN too, has no gradient
    losses = (margin + (negative - positive_score[:, None]) / temperature).clamp(min=0).square()
    return usable_mean(losses, mask, log_prob)
