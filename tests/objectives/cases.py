"""Cosines in float64 with a mask, a row without usable slot among them, and log-probabilities."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def make(batch: int = 4, k: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """positive [B], negative [B, k] with gradient, mask [B, k], log_prob [B, k]; the last row has no usable slot."""
    generator = torch.Generator().manual_seed(seed)
    positive = torch.randn(batch, dtype=torch.float64, generator=generator).tanh().requires_grad_()
    negative = torch.randn(batch, k, dtype=torch.float64, generator=generator).tanh().requires_grad_()
    mask = torch.rand(batch, k, generator=generator) < 0.6
    mask[0] = True
    mask[-1] = False
    log_prob = torch.rand(batch, k, dtype=torch.float64, generator=generator).log()
    return positive, negative, mask, log_prob


def rows_of(positive: Tensor, negative: Tensor, mask: Tensor, log_prob: Tensor | None = None):
    """(score of the positive, scores of its usable negatives, their q) of each row, as plain numbers."""
    positive, negative = positive.detach(), negative.detach()
    for b in range(len(positive)):
        at = [j for j in range(mask.shape[1]) if mask[b, j]]
        q = [1.0 if log_prob is None else math.exp(float(log_prob[b, j])) for j in at]
        yield float(positive[b]), [float(negative[b, j]) for j in at], q


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
