"""Binary cross-entropy: positives are ones, negatives zeros."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from graphns.objectives.correction import check_scores, usable_mean


def binary_cross_entropy(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    temperature: float = 1.0,
    log_prob: Tensor | None = None,
) -> Tensor:
    r"""The logistic loss of positives and of negatives, each a mean, weighted equally.

    .. math::

        L = -\mathrm{mean}_b \log \sigma(s^+_b / \tau)
            - \mathrm{mean}_{bj\ \text{usable}} \log \sigma(-s_{bj} / \tau)

    Both halves weigh the same whatever k is, as in PyG's `GAE.recon_loss`; the sum over k negatives of word2vec is
    k times the second half.

    Args:
        positive_score: [B] logits.
        negative_score: [B, k] logits.
        mask: [B, k] bool, True = use. Without any usable slot the second half is 0.
        temperature: divides the scores.
        log_prob: [B|1, k] log q: weighs the negatives of a row by 1/q, normalised to its usable slots, which estimates
            the mean under uniform negatives.

    Returns:
        A scalar.

    Raises:
        ValueError: shapes do not fit, or `log_prob` cannot correct.

    Example:
        >>> import torch
        >>> binary_cross_entropy(torch.zeros(2), torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)).exp()
        tensor(4.)

    References:
        Mikolov, Sutskever, Chen, Corrado, Dean: Distributed Representations of Words and Phrases and their
        Compositionality. NIPS 2013.
    """
    check_scores(positive_score, negative_score, mask, temperature, log_prob)
    negative = negative_score.masked_fill(~mask, 0.0)  # whatever stands in a masked slot, NaN too, has no gradient
    positive = softplus(-positive_score / temperature).mean()
    return positive + usable_mean(softplus(negative / temperature), mask, log_prob)
