"""What objectives share: the check of their arguments, the mean over usable slots, and the correction for q.

A sampled objective that is not corrected makes the proposal part of the objective: hard negatives are punished more
because they are drawn more. Corrected, every full-support proposal estimates the same loss over all candidates.
"""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor

from graphns.base import Negatives, Query, Sampler


class Correction(TypedDict):
    """The arguments that switch the correction of an objective on."""

    log_prob: Tensor
    positive_log_prob: Tensor


def require_density(sampler: Sampler, negatives: Negatives) -> Tensor:
    """The log-probabilities of `negatives`, if they may correct an objective.

    Raises:
        ValueError: the density of the sampler is not "marginal", or it is one over pairs (two-ended edges), which does
            not sum to 1 given an anchor.
    """
    if negatives.anchor is not None:
        raise ValueError(f"{type(sampler).__name__} draws both ends, and its density is over pairs; a correction needs "
                         "one given the anchor. Leave the correction off")
    if sampler.density != "marginal" or negatives.log_prob is None:
        raise ValueError(
            f"{type(sampler).__name__} has density {sampler.density!r}; a correction needs 'marginal'. "
            "Leave the correction off, or draw with a sampler whose density is marginal"
        )
    return negatives.log_prob


def correction(sampler: Sampler, query: Query, negatives: Negatives) -> Correction:
    """The arguments that correct a softmax objective for the draws of `sampler`.

    The positive is corrected where the proposal can draw it (in-batch, whose popularity is unfiltered), and stays where
    the proposal excludes it: there its log-probability is -inf.

    Raises:
        ValueError: the density of the sampler is not "marginal".

    Example:
        >>> from graphns import Graph, Query, Stream, Uniform
        >>> from graphns.objectives.infonce import infonce
        >>> sampler = Uniform(Graph.empty(5))
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=2, stream=Stream(0))
        >>> negatives = sampler(query)
        >>> score = torch.zeros(1, 5)  # three candidates of e^0 beside the positive's: log 4, whatever is drawn
        >>> infonce(score[:, 1], score.gather(1, negatives.ids), negatives.mask,
        ...         **correction(sampler, query, negatives)).exp()
        tensor(4.)
    """
    log_prob = require_density(sampler, negatives)
    own = sampler.log_prob(query, query.positive[:, None])[:, 0]
    return Correction(log_prob=log_prob, positive_log_prob=own)


def check_scores(
    positive_score: Tensor, negative_score: Tensor, mask: Tensor, temperature: float, log_prob: Tensor | None = None
) -> None:
    """Refuse scores, mask and log-probabilities whose shapes do not fit: broadcasting would hide the mistake."""
    batch = positive_score.shape[0] if positive_score.dim() == 1 else -1
    if negative_score.dim() != 2 or negative_score.shape[0] != batch:
        raise ValueError(f"need positive_score [B] and negative_score [B, k], got {tuple(positive_score.shape)} and "
                         f"{tuple(negative_score.shape)}")
    if mask.shape != negative_score.shape or mask.dtype != torch.bool:
        raise ValueError(f"need a bool mask {tuple(negative_score.shape)} like the scores, got {mask.dtype} "
                         f"{tuple(mask.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    if log_prob is None:
        return
    if log_prob.dim() != 2 or log_prob.shape[0] not in (1, batch) or log_prob.shape[1] != mask.shape[1]:
        raise ValueError(f"log_prob must be [B|1, k] with [B, k] = {tuple(mask.shape)}, got {tuple(log_prob.shape)}")
    if log_prob.requires_grad:
        raise ValueError("log_prob carries a gradient: it is an adversary's, given its pool, and only a marginal "
                         "density can correct; give it to reinforce")
    if not torch.compiler.is_compiling() and bool((mask & ~torch.isfinite(log_prob)).any()):
        raise ValueError("log_prob is not finite at a usable slot: the proposal cannot have drawn that id, so its "
                         "density does not describe the draws (for in-batch: the popularity of a positive is 0)")


def usable_mean(losses: Tensor, mask: Tensor, log_prob: Tensor | None = None) -> Tensor:
    r"""The mean of losses [B, k] over the usable slots of the batch; 0 where there are none.

    With `log_prob`, slot j of row b weighs :math:`n_b q_{bj}^{-1} / \sum_i q_{bi}^{-1}` instead of 1, n_b being the
    usable slots of the row: the self-normalised importance estimate of a uniform proposal's mean (consistent; its bias
    falls as 1/k).
    """
    count = mask.sum()
    if log_prob is not None:
        inverse = torch.where(mask, -log_prob, -torch.inf)
        # a row without usable slots has softmax NaN; it is masked below, before the product
        share = torch.where(mask, inverse.softmax(1), 0.0)
        losses = losses * (share * mask.sum(1, keepdim=True))
    return torch.where(mask, losses, 0.0).sum() / count.clamp(min=1)
