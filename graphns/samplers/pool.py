"""Choosing from a pool that another sampler drew: what `Hardest`, `Tempered` and `Adversarial` share.

A pool is a multiset, as in the papers: an id that was drawn twice has two slots, and so twice the chance. For pools of
distinct ids, draw them with a base that draws without replacement.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Negatives, Query, Sampler
from graphns.streams import unit


def check_pool(pool: int) -> int:
    """`pool`, or a `ValueError` where it is below 1."""
    if pool < 1:
        raise ValueError(f"pool must be at least 1, got {pool}")
    return pool


def check_temperature(temperature: float) -> float:
    """`temperature`, or a `ValueError` where it is not above 0."""
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    return temperature


def draw_pool(base: Sampler, query: Query, size: int) -> Negatives:
    """`size` candidates per pair from `base`, by a stream of their own; `All` and `InBatch` give all they have."""
    pool: Negatives = base(query.child(0, k=size))
    if pool.anchor is not None or pool.vectors is not None:
        raise ValueError(f"{type(base).__name__} draws pairs or vectors; a pool holds ids of one candidate table")
    return pool


def check_room(pool: Negatives, k: int) -> None:
    """Raise a `ValueError` where k distinct slots cannot come out of the pool."""
    if k > pool.ids.shape[1]:
        raise ValueError(f"a pool of {pool.ids.shape[1]} cannot fill k={k} distinct slots; make pool at least k")


def usable_scores(pool: Negatives, scores: Tensor) -> Tensor:
    """The scores [B, m], -inf at masked slots alone; refuses NaN, infinity and a wrong shape."""
    if scores.shape != pool.mask.shape:
        raise ValueError(f"the model gave scores {tuple(scores.shape)} for a pool {tuple(pool.mask.shape)}; "
                         "score(anchor, ids) must give [B, m]")
    scores = scores.masked_fill(~pool.mask, -torch.inf)
    if bool((scores.isnan() | (scores == torch.inf)).any()):
        raise ValueError("the model scored a candidate NaN or infinite: nothing can be chosen by such scores; look "
                         "for a diverged loss")
    # a usable score of -inf still stands above every masked slot
    return torch.where(pool.mask, scores.clamp(min=torch.finfo(scores.dtype).min), scores)


def draw(pool: Negatives, logits: Tensor, query: Query) -> Negatives:
    r"""Draw k slots of the pool, with replacement, by a softmax of `logits` [B, m]; gradient flows to log_prob.

    log_prob is exact given the pool: an id with several slots has their summed probability.
    """
    mask = pool.mask
    chance = logits.masked_fill(~mask, torch.finfo(logits.dtype).min).softmax(1).masked_fill(~mask, 0.0)
    with torch.no_grad():
        reached = chance.double().cumsum(1)
        mark = unit(query.stream.child(1).words(query.row, query.k)) * reached[:, -1:]
        slot = torch.arange(mask.shape[1], device=mask.device)
        last = (mask * slot).amax(1, keepdim=True)
        # strictly above the mark, so a slot of probability 0 is passed over; rounding may not pass the last one
        at = torch.searchsorted(reached, mark, right=True).minimum(last)
    ids = pool.ids.expand(mask.shape)
    some = mask.any(1, keepdim=True)
    # gathered before the logarithm: slots that were not drawn may have probability 0
    log_prob = torch.where(some, _with_copies(chance, ids).gather(1, at), 1.0).log()
    return Negatives(ids.gather(1, at), log_prob.float(), some.expand_as(at))


def _with_copies(chance: Tensor, ids: Tensor) -> Tensor:
    """Each slot's probability [B, m], summed over the slots of its row that hold the same id."""
    ordered, order = ids.sort(dim=1, stable=True)
    group = torch.zeros_like(ids)
    group[:, 1:] = (ordered[:, 1:] != ordered[:, :-1]).long().cumsum(1)
    group = torch.empty_like(group).scatter_(1, order, group)  # of each slot, in pool order
    return torch.zeros_like(chance).scatter_add(1, group, chance).gather(1, group)
