"""Whose neighbourhood in the embedding space counts: the anchor's, or the positive's."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from graphns.base import Query
from graphns.samplers.exclusion import check_choice

Center = Literal["anchor", "positive"]
"""`"anchor"`: near the anchor, where anchors are rows of the candidate table. `"positive"`: near the positive."""


def check_center(center: Center) -> Center:
    """`center`, or a `ValueError` where it is neither ``"anchor"`` nor ``"positive"``."""
    check_choice(center, ("anchor", "positive"), "center")
    return center


def center_ids(query: Query, center: Center) -> Tensor:
    """The rows [B] of the candidate table around which to look."""
    if center == "anchor" and query.anchor.dim() != 1:
        raise ValueError(f"anchors of width {query.anchor.shape[1]} are no rows of the candidate table; take "
                         "center='positive'")
    return query.anchor if center == "anchor" else query.positive


@torch.no_grad()
def embedded(query: Query, ids: Tensor) -> Tensor:
    """The model's vectors [..., d] of candidates `ids`, float64, without gradient; refuses NaN and infinity."""
    vectors = query.require_model().embed(ids)
    if vectors.shape[:-1] != ids.shape:
        raise ValueError(f"the model gave vectors {tuple(vectors.shape)} for ids {tuple(ids.shape)}; embed(ids) must "
                         "give [..., d]")
    if not bool(vectors.isfinite().all()):
        raise ValueError("the model's vectors hold NaN or infinity: nothing is near them; look for a diverged loss")
    return vectors.double()


def center_vectors(query: Query, center: Center, ids: Tensor) -> tuple[Tensor, Tensor]:
    """The model's vectors of the centers [B, d] and of candidates `ids` [B|1, m], [B|1, m, d], both float64."""
    return embedded(query, center_ids(query, center)), embedded(query, ids)
