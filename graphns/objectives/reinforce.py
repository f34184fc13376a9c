"""REINFORCE: the loss of a sampler that learns."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.objectives.correction import usable_mean


def reinforce(
    log_prob: Tensor, reward: Tensor, mask: Tensor | None = None, *, baseline: float | Tensor = 0.0
) -> Tensor:
    r"""The loss whose gradient raises the expected reward of the draws.

    .. math:: L = -\mathrm{mean}_{bj\ \text{usable}} \big(r_{bj} - \beta\big) \log p(y_{bj})

    Its gradient is an unbiased estimate of minus the gradient of the mean expected reward, for any baseline that does
    not depend on these draws; a baseline near the mean reward lowers the variance.

    Args:
        log_prob: [B, k] with gradient: what an adversarial sampler gave at its draws.
        reward: [B, k], or what broadcasts to it; taken without gradient. For negatives, the model's score of them.
        mask: [B, k] bool, True = use; None: all. Without any usable slot the loss is 0.
        baseline: a number, or what broadcasts to [B, k]: of earlier steps.

    Returns:
        A scalar; its value means nothing, its gradient does.

    Raises:
        ValueError: `log_prob` carries no gradient, or the mask does not fit.

    Example:
        >>> logits = torch.zeros(1, 2, requires_grad=True)
        >>> reinforce(logits.log_softmax(1)[:, :1], torch.tensor([[1.0]])).backward()
        >>> logits.grad  # descent raises the logit of the rewarded draw
        tensor([[-0.5000,  0.5000]])

    References:
        Williams: Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning.
        Machine Learning 1992.
    """
    if torch.is_grad_enabled() and not log_prob.requires_grad:
        raise ValueError("log_prob carries no gradient, so nothing would learn: draw with a sampler that has "
                         "parameters, and not under torch.no_grad()")
    mask = torch.ones_like(log_prob, dtype=torch.bool) if mask is None else mask
    if mask.shape != log_prob.shape or mask.dtype != torch.bool:
        raise ValueError(f"need a bool mask {tuple(log_prob.shape)}, got {mask.dtype} {tuple(mask.shape)}")
    advantage = torch.where(mask, (reward - baseline).detach(), 0.0)
    return usable_mean(-advantage * torch.where(mask, log_prob, 0.0), mask)
