"""Importance weights from log q: draws of an easy proposal count as draws of the model's own softmax."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from graphns.objectives.correction import check_scores
from graphns.objectives.weights import slot_weights


def importance_weighted(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    log_prob: Tensor | None,
    sharpness: float = 1.0,
    temperature: float = 1.0,
) -> Tensor:
    r"""BPR with the negatives of a row weighted to be draws of a softmax of the model's scores.

    .. math::

        L_b = -\sum_{j\ \text{usable}} w_{bj} \log \sigma\big((s^+_b - s_{bj}) / \tau\big), \qquad
        w_{bj} = \frac{e^{\alpha s_{bj} / \tau} / q_{bj}}{\sum_{i\ \text{usable}} e^{\alpha s_{bi} / \tau} / q_{bi}}

    The weights carry no gradient. As k grows, L_b goes to the expectation under
    :math:`P(j) \propto e^{\alpha s_j/\tau}` over all candidates, whatever full-support q drew; with
    sharpness 0 to the mean under uniform negatives.

    Args:
        positive_score: [B].
        negative_score: [B, k].
        mask: [B, k] bool, True = use. A row with no usable slot contributes 0, and counts in the mean.
        log_prob: [B|1, k] log q of marginal density; must be given.
        sharpness: alpha, at least 0; multiplies scores in the weights.
        temperature: divides the scores, those in the weights too.

    Returns:
        A scalar, the mean of L_b.

    Raises:
        ValueError: there is no log_prob or it cannot correct, shapes do not fit, or sharpness is below 0.

    Example:
        >>> import torch
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> log_prob = torch.tensor([[0.75, 0.25]]).log()  # weights 1/4 and 3/4
        >>> importance_weighted(torch.tensor([1.0]), torch.tensor([[1.0, 1.0]]), mask, log_prob=log_prob)  # log 2
        tensor(0.6931)

    References:
        Lian, Liu, Chen: Personalized Ranking with Importance Sampling. WWW 2020.
        Chen, Lian et al.: Learning Recommenders for Implicit Feedback with Importance Resampling. WWW 2022.
    """
    if log_prob is None:
        raise ValueError("importance_weighted needs log_prob, and this sampler has no density: draw with one whose "
                         "density is 'marginal', or take self_adversarial, which weighs by scores alone")
    check_scores(positive_score, negative_score, mask, temperature, log_prob)
    if not sharpness >= 0:
        raise ValueError(f"sharpness must be at least 0, got {sharpness}")
    # whatever stands in a masked slot, NaN too, has no gradient
    negative = negative_score.masked_fill(~mask, 0.0) / temperature
    share = slot_weights(sharpness * negative, mask, log_prob)
    return (share * softplus(negative - positive_score[:, None] / temperature)).sum(1).mean()
