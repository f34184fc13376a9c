"""Self-adversarial weighting: negatives count as the model itself finds them likely."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from graphns.objectives.correction import check_scores
from graphns.objectives.weights import slot_weights


def self_adversarial(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    sharpness: float = 1.0,
    temperature: float = 1.0,
    weight: Tensor | None = None,
    log_prob: Tensor | None = None,
) -> Tensor:
    r"""RotatE's loss: the mean of a positive half and of a half of weighted negatives.

    .. math::

        L_b = -\tfrac12 \log \sigma(s^+_b) - \tfrac12 \sum_{j\ \text{usable}} w_{bj} \log \sigma(-s_{bj}), \qquad
        w_{bj} = \frac{e^{\alpha s_{bj}}}{\sum_{i\ \text{usable}} e^{\alpha s_{bi}}}

    The softmax runs over the negatives of one positive and carries no gradient. For distance models the score is
    :math:`s = \gamma - d`, so that alpha multiplies the score, not the distance. It is a weighting: it takes the
    draws of any sampler. With sharpness 0 and every slot usable it is half of `binary_cross_entropy`.

    Args:
        positive_score: [B] logits, margin included.
        negative_score: [B, k] logits, margin included.
        mask: [B, k] bool, True = use. A row with no usable slot has its positive half only.
        sharpness: alpha, at least 0 (RotatE: 1 on FB15k, 0.5 on WordNet); multiplies scores in the weights.
        temperature: divides the scores, those in the weights too.
        weight: [B], how much each row counts: a weighted mean of L_b. `frequency_weights` makes RotatE's.
        log_prob: [B|1, k] log q of marginal density: divides the weights by q before they are normalised, which
            estimates the softmax over all candidates.

    Returns:
        A scalar.

    Raises:
        ValueError: shapes do not fit, sharpness is below 0, or `log_prob` cannot correct.

    Example:
        >>> self_adversarial(torch.zeros(2), torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)).exp()
        tensor(2.)

    References:
        Sun, Deng, Nie, Tang: RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space. ICLR 2019.
    """
    check_scores(positive_score, negative_score, mask, temperature, log_prob)
    if not sharpness >= 0:
        raise ValueError(f"sharpness must be at least 0, got {sharpness}")
    if weight is not None and weight.shape != positive_score.shape:
        raise ValueError(f"weight must be one number per row {tuple(positive_score.shape)}, got {tuple(weight.shape)}")
    # whatever stands in a masked slot, NaN too, has no gradient
    negative = negative_score.masked_fill(~mask, 0.0) / temperature
    share = slot_weights(sharpness * negative, mask, log_prob)
    rows = (softplus(-positive_score / temperature) + (share * softplus(negative)).sum(1)) / 2
    return rows.mean() if weight is None else (weight * rows).sum() / weight.sum()


def frequency_weights(triples: Tensor, *, start: int = 4) -> Tensor:
    r"""RotatE's subsampling weights: triples of frequent (head, relation) and (relation, tail) pairs count less.

    .. math:: c_{hrt} = \big(\#(h, r) + \#(r, t) + 2 (\text{start} - 1)\big)^{-1/2}

    Args:
        triples: [n, 3] int64 (head, relation, tail), the training triples.
        start: the count of a pair that occurs once; RotatE's is 4.

    Returns:
        [n] float32, one weight per triple.

    Raises:
        ValueError: triples are not [n, 3], or `start` is below 1.

    Example:
        >>> frequency_weights(torch.tensor([[0, 0, 1], [0, 0, 2]]))  # (0, 0) occurs twice, the tails once
        tensor([0.3333, 0.3333])

    References:
        Sun, Deng, Nie, Tang: RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space. ICLR 2019.
    """
    if triples.dim() != 2 or triples.shape[1] != 3:
        raise ValueError(f"need triples [n, 3] of (head, relation, tail), got {tuple(triples.shape)}")
    if start < 1:
        raise ValueError(f"start must be at least 1, got {start}")
    total = torch.full((len(triples),), 2.0 * (start - 1), device=triples.device)
    for pair in (triples[:, :2], triples[:, 1:]):
        _, at, count = torch.unique(pair, dim=0, return_inverse=True, return_counts=True)
        total += count[at]
    return total.rsqrt()
