"""What mixers over the layers of an encoder share: a choice for each layer, and the layers made one vector."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Pooling = Literal["mean", "sum", "concat"]


def check_pooling(pooling: Pooling) -> Pooling:
    """`pooling`, or a `ValueError` where it is none of the three."""
    if pooling not in ("mean", "sum", "concat"):
        raise ValueError(f"pooling must be 'mean', 'sum' or 'concat', got {pooling!r}")
    return pooling


def as_layers(anchor: Tensor, positive: Tensor, candidates: Tensor, pooling: Pooling) -> tuple[Tensor, Tensor, Tensor]:
    """Anchor [B, L, d], positive [B, L, d] and candidates [B|1, m, L, d]; vectors without layers have one.

    The anchor is what its layers are scored with: its own layer where layers are concatenated, else the pooled vector.

    Raises:
        ValueError: layers are concatenated, and the anchor has none.
    """
    if positive.dim() == 2:
        positive, candidates = positive[:, None], candidates[:, :, None]
    layers = positive.shape[1]
    if anchor.dim() == 3 and pooling != "concat":
        anchor = pool_layers(anchor[:, None], pooling)[:, 0]
    if anchor.dim() == 2:
        if pooling == "concat" and layers > 1:
            raise ValueError(f"pooling 'concat' scores layer by layer: give the anchor as [B, L, d] with L={layers}, "
                             f"got {tuple(anchor.shape)}")
        anchor = anchor[:, None].expand(-1, layers, -1)
    return anchor, positive, candidates


@torch.no_grad()
def best_by_layer(scores: Tensor, mask: Tensor, groups: int) -> Tensor:
    """The best usable slot of each group and layer [B, groups, L], from scores [B, m, L].

    The groups are consecutive runs of m / groups slots. A group without a usable slot takes the row's best slot.

    Raises:
        ValueError: m is no multiple of the groups.
    """
    batch, size, layers = scores.shape
    if size % groups:
        raise ValueError(f"{size} candidates cannot be cut into k={groups} groups alike; give a multiple of k")
    scores = torch.where(mask[:, :, None], scores, -torch.inf)
    best = scores.argmax(1, keepdim=True).expand(-1, groups, -1)
    start = torch.arange(0, size, size // groups, device=scores.device)
    own = scores.view(batch, groups, size // groups, layers).argmax(2) + start[:, None]
    return torch.where(mask.reshape(batch, groups, size // groups).any(2)[:, :, None], own, best)


def take_by_layer(candidates: Tensor, slots: Tensor) -> Tensor:
    """The vectors [B, k, L, d] in slots [B, k, L] of candidates [B|1, m, L, d], layer by layer; differentiable."""
    layer = torch.arange(candidates.shape[2], device=slots.device)
    if len(candidates) == 1:
        return candidates[0][slots, layer]
    return candidates[torch.arange(len(slots), device=slots.device)[:, None, None], slots, layer]


def pool_layers(vectors: Tensor, pooling: Pooling) -> Tensor:
    """Vectors [B, k, d] of [B, k, L, d]: their mean or sum over the layers, or the layers side by side [B, k, L d]."""
    if pooling == "concat":
        return vectors.flatten(2)
    return vectors.mean(2) if pooling == "mean" else vectors.sum(2)
