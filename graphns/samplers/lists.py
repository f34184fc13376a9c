"""A list of candidates for each row, from which its positive is left out: uniform draws, and membership."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.streams import bounded


def without_positive(lists: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """Where the positive stands in each list [B], one past the end for nowhere, and the size without it [B].

    Args:
        lists: [B, W] int64, distinct ids, then -1.
        positive: [B] int64.

    Example:
        >>> without_positive(torch.tensor([[4, 2, 7], [5, -1, -1]]), torch.tensor([2, 2]))
        (tensor([1, 3]), tensor([2, 1]))
    """
    found = lists == positive[:, None]
    some = found.any(1)
    hole = torch.where(some, found.int().argmax(1), lists.shape[1])
    return hole, (lists >= 0).sum(1) - some.long()


def draw_listed(lists: Tensor, hole: Tensor, size: Tensor, words: Tensor) -> Tensor:
    """Ids [B, k], uniform among each list's but for the hole, from words [B, k]; of no meaning where size is 0."""
    place = bounded(words, size[:, None])
    place = place + (place >= hole[:, None])  # pass over the positive
    return lists.gather(1, place.clamp(max=lists.shape[1] - 1))


def is_listed(lists: Tensor, hole: Tensor, ids: Tensor) -> Tensor:
    """Whether each of ids [B, m] is in its row's list, the hole left out."""
    place = torch.arange(lists.shape[1], device=lists.device)
    usable = (lists >= 0) & (place != hole[:, None])
    ordered = torch.where(usable, lists, torch.iinfo(torch.int64).max).sort(1).values
    at = torch.searchsorted(ordered, ids.contiguous()).clamp(max=lists.shape[1] - 1)
    return ordered.gather(1, at) == ids
