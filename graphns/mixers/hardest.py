"""What mixers of hard candidates share: scores, the best of a row, random pairs of those, and mixing coefficients."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.streams import Stream, bounded, unit_open

Measure = Literal["dot", "cosine", "distance"]


@torch.no_grad()
def similarity(anchor: Tensor, candidates: Tensor, measure: Measure = "dot") -> Tensor:
    """Scores [B, m] of candidates [B|1, m, d] for anchors [B, d], higher = more alike, without gradient.

    Raises:
        ValueError: the measure is unknown.

    Example:
        >>> similarity(torch.tensor([[3.0, 4.0]]), torch.tensor([[[0.0, 2.0]]]), "cosine")
        tensor([[0.8000]])
    """
    if measure == "distance":
        distance: Tensor = torch.linalg.vector_norm(anchor[:, None] - candidates, dim=2)
        return -distance
    if measure == "cosine":
        anchor, candidates = F.normalize(anchor, dim=1), F.normalize(candidates, dim=2)
    elif measure != "dot":
        raise ValueError(f"measure must be 'dot', 'cosine' or 'distance', got {measure!r}")
    if len(candidates) == 1:
        return anchor @ candidates[0].T
    return (candidates @ anchor[:, :, None])[:, :, 0]


def check_size(name: str, size: int) -> int:
    """`size`, or a `ValueError` where it is below 1."""
    if size < 1:
        raise ValueError(f"{name} must be at least 1, got {size}")
    return size


@torch.no_grad()
def best_slots(scores: Tensor, mask: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The `size` best usable slots of each row [B, min(size, m)], best first, and how many of them are usable [B]."""
    usable = torch.where(mask, scores, -torch.inf)
    return usable.topk(min(size, mask.shape[1]), dim=1).indices, mask.sum(1).clamp(max=size)


def draw_pairs(count: Tensor, num_pairs: int, stream: Stream, row: Tensor) -> tuple[Tensor, Tensor]:
    """Two different ranks below `count` [B], uniformly, `num_pairs` times a row: [B, num_pairs] each.

    Where only one is there, both are it; where none is, both are 0.
    """
    first = bounded(stream.child(0).words(row, num_pairs), count[:, None])
    further = 1 + bounded(stream.child(1).words(row, num_pairs), (count - 1).clamp(min=0)[:, None])
    return first, (first + further) % count.clamp(min=1)[:, None]


def coefficients(stream: Stream, row: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """Uniform numbers [B, size] strictly between 0 and 1, in the dtype given too."""
    edge = torch.finfo(dtype).eps
    return unit_open(stream.words(row, size)).to(dtype).clamp(edge, 1 - edge)


def take(candidates: Tensor, slots: Tensor) -> Tensor:
    """The vectors [B, k, d] that stand in slots [B, k] of candidates [B|1, m, d]; differentiable."""
    if len(candidates) == 1:
        # not candidates[0][slots]: its backward pass adds in another order for each number of threads
        return candidates[0].index_select(0, slots.flatten()).view(*slots.shape, candidates.shape[2])
    return candidates.gather(1, slots[:, :, None].expand(-1, -1, candidates.shape[2]))
