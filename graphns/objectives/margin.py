"""Margin loss: the positive above each negative by a margin."""

from __future__ import annotations

from torch import Tensor

from graphns.objectives.correction import check_scores, usable_mean


def margin(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    margin: float = 1.0,
    temperature: float = 1.0,
    log_prob: Tensor | None = None,
) -> Tensor:
    r"""The hinge (triplet) loss of TransE.

    .. math:: L = \mathrm{mean}_{bj\ \text{usable}} \max\big(0, \gamma - (s^+_b - s_{bj}) / \tau\big)

    Args:
        positive_score: [B].
        negative_score: [B, k].
        mask: [B, k] bool, True = use. Without any usable slot the loss is 0.
        margin: gamma, above 0.
        temperature: divides the scores.
        log_prob: [B|1, k] log q: weighs the negatives of a row by 1/q, normalised to its usable slots, which estimates
            the mean under uniform negatives.

    Returns:
        A scalar.

    Raises:
        ValueError: shapes do not fit, the margin is not above 0, or `log_prob` cannot correct.

    Example:
        >>> import torch
        >>> margin(torch.tensor([2.0]), torch.tensor([[1.5, 0.0]]), torch.ones(1, 2, dtype=torch.bool))
        tensor(0.2500)

    References:
        Bordes, Usunier, García-Durán, Weston, Yakhnenko: Translating Embeddings for Modeling Multi-relational Data.
        NIPS 2013.
    """
    check_scores(positive_score, negative_score, mask, temperature, log_prob)
    negative = negative_score.masked_fill(~mask, 0.0)  # whatever stands in a masked slot, NaN too, has no gradient
    if not margin > 0:
        raise ValueError(f"margin must be above 0, got {margin}")
    losses = (margin + (negative - positive_score[:, None]) / temperature).clamp(min=0)
    return usable_mean(losses, mask, log_prob)
