"""Drawing from a law over every candidate: exact, a block of pairs at a time so that no whole [B, N] table is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from graphns.base import Negatives, Query
from graphns.streams import unit

_BLOCK = 1 << 22  # numbers of a [block, N] table


def masked_log_softmax(logits: Tensor, allowed: Tensor) -> Tensor:
    """Log of the softmax over the allowed ids [B, N], in float64; -inf at others, and in rows that allow none."""
    log_q = logits.double().masked_fill(~allowed, -torch.inf).log_softmax(1)
    return torch.where(allowed, log_q, -torch.inf)


def choose(log_q: Tensor, lots: Tensor) -> Tensor:
    """Columns [B, n] that lots [B, n] in [0, 1) fall on by log_q [B, m]; any column where a row has no mass."""
    chance = log_q.detach().double().exp()
    reached = chance.cumsum(1)
    # strictly above the mark, so an id of probability 0 is passed over; rounding may not pass the last one
    every = torch.arange(chance.shape[1], device=chance.device)
    last = ((chance > 0) * every).amax(1, keepdim=True)
    return torch.searchsorted(reached, lots * reached[:, -1:], right=True).minimum(last)


def draw_from(log_q: Tensor, query: Query) -> Tensor:
    """Ids [B, k] of each row, with replacement, by log_q [B, N]."""
    return choose(log_q, unit(query.stream.words(query.row, query.k)))


def answer(log_q: Tensor, query: Query) -> Negatives:
    """The draws of each row by log_q [B, N], with their density; masked in rows that have no candidate."""
    ids = draw_from(log_q, query)
    log_prob = log_q.gather(1, ids)
    some = log_prob.isfinite()
    return Negatives(ids, torch.where(some, log_prob, 0.0).float(), some)


def part_of(query: Query, at: Tensor) -> Query:
    """The question for the pairs at places `at` [n]."""
    time = None if query.time is None else query.time[at]
    return replace(query, anchor=query.anchor[at], positive=query.positive[at], row=query.row[at], time=time)


def by_blocks(query: Query, width: int, ask: Callable[[Query, Tensor], Tensor]) -> Tensor:
    """`ask` of a block of pairs and their places gives a row for each; all rows, for tables [block, width] within."""
    places = torch.arange(query.batch_size, device=query.device)
    return torch.cat([ask(part_of(query, at), at) for at in torch.split(places, max(1, _BLOCK // width))])


def answer_by_blocks(query: Query, width: int, log_q: Callable[[Query], Tensor]) -> Negatives:
    """`answer` for a law log_q(query) [B, width] that is made for a block of pairs at a time."""
    places = torch.arange(query.batch_size, device=query.device)
    blocks = [part_of(query, at) for at in torch.split(places, max(1, _BLOCK // width))]
    drawn = [answer(log_q(block), block) for block in blocks]
    ids, log_prob, mask = (torch.cat(each) for each in list(zip(*drawn, strict=True))[:3])
    return Negatives(ids, log_prob, mask)
