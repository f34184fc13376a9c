"""Which slots of a scored pool are taken: those closest to a wish, some by lot, the best of each handful.

What the samplers that compare a pool with the positive share; `pool` draws the pool and has the softmax.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Negatives, Query, Sampler
from graphns.samplers.pool import check_room, draw_pool
from graphns.streams import unit_open


def positive_scores(query: Query) -> Tensor:
    """The model's scores of the positives [B, 1] float64; refuses NaN, infinity and a wrong shape."""
    scores = query.score(query.positive[:, None])
    if scores.shape != (query.batch_size, 1):
        raise ValueError(f"the model gave scores {tuple(scores.shape)} for {query.batch_size} positives; "
                         "score(anchor, ids) must give [B, m]")
    if not bool(scores.isfinite().all()):
        raise ValueError("the model scored a positive NaN or infinite: nothing can be compared with it; look for a "
                         "diverged loss")
    return scores.double()


def lowest(pool: Negatives, criterion: Tensor, k: int) -> Negatives:
    """The k usable slots of lowest `criterion` [B, m], lowest first; of equal ones, the earlier slot.

    Raises:
        ValueError: k is above the pool.
    """
    check_room(pool, k)
    # a usable slot without bound still stands before every masked one
    criterion = criterion.clamp(max=torch.finfo(criterion.dtype).max).masked_fill(~pool.mask, torch.inf)
    slot = criterion.argsort(dim=1, stable=True)[:, :k]
    usable = torch.arange(k, device=slot.device) < pool.mask.sum(1, keepdim=True)
    return Negatives(pool.ids.expand_as(pool.mask).gather(1, slot), None, usable)


def draw_distinct(pool: Negatives, logits: Tensor, query: Query) -> Negatives:
    """Draw k slots of the pool, without replacement, each by a softmax of `logits` [B, m] over those left.

    By Gumbel-top-k; there is no log_prob, since a slot's marginal is a sum over all orders of the draws before it.

    Raises:
        ValueError: k is above the pool.
    """
    gumbel = -(-unit_open(query.stream.child(1).words(query.row, logits.shape[1])).log()).log()
    return lowest(pool, -(logits.double() + gumbel), query.k)


def draw_handfuls(base: Sampler, query: Query, size: int) -> Negatives:
    """A pool of `size` candidates for each of the k slots, [B, k size], slot by slot.

    Raises:
        ValueError: the base gives another number of candidates than it is asked for.
    """
    pool = draw_pool(base, query, query.k * size)
    if pool.ids.shape[1] != query.k * size:
        raise ValueError(f"{type(base).__name__} gave {pool.ids.shape[1]} candidates where k={query.k} slots ask for "
                         f"{size} each; take a base that draws as many as it is asked for")
    return pool
