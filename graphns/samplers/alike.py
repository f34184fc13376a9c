"""Draws from candidates that are all alike: their density is one over their number."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Negatives, Query
from graphns.samplers.exclusion import Infeasible, raise_if_short


def log_alike(counts: Tensor) -> Tensor:
    """-log of the number of candidates, float32 of the shape of `counts`; 0 where there is none."""
    return -counts.clamp(min=1).double().log().float()


def alike(ids: Tensor, counts: Tensor, query: Query, infeasible: Infeasible) -> Negatives:
    """Draws with replacement [B, k], one density a row; a row without candidates (`counts` [B]) is masked.

    Raises:
        InfeasibleError: a row has none, and ``infeasible="raise"``.
    """
    raise_if_short(counts, 1, query, infeasible)
    some = (counts > 0)[:, None].expand_as(ids)
    # one number a row, seen k times
    return Negatives(torch.where(some, ids, 0), log_alike(counts)[:, None].expand_as(ids), some)
