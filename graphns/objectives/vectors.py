"""What objectives on pairs of vectors share: the check of their shapes, and columns brought to one scale."""

from __future__ import annotations

import torch
from torch import Tensor


def check_pairs(**named: Tensor) -> None:
    """Refuse vectors that are not all [B, d] alike: broadcasting would hide the mistake."""
    shapes = {name: tuple(value.shape) for name, value in named.items()}
    first = next(iter(named.values()))
    if first.dim() != 2 or len(first) == 0 or any(value.shape != first.shape for value in named.values()):
        raise ValueError(f"need vectors [B, d], all of one shape with B at least 1, got {shapes}")


def standardized(vectors: Tensor) -> Tensor:
    r"""Columns of [B, d] with mean 0 and length 1: :math:`(z - \mu) / (\sigma \sqrt B)`, sigma over the batch (1/B).

    So :math:`Z_1^\top Z_2` holds correlations. A constant column becomes 0.
    """
    centred = vectors - vectors.mean(0)
    square = centred.square().sum(0)
    # a constant column keeps its zeros, and no gradient divides by 0
    return centred / torch.where(square > 0, square, 1.0).sqrt()
