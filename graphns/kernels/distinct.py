"""Draws without replacement outside a sorted row: Floyd's algorithm per row, then a keyed shuffle.

Floyd gives every set of k ranks with equal probability in k steps, whatever the number of candidates (Bentley and
Floyd, CACM 1987); the shuffle makes every order of the set equally likely, so that each slot alone is uniform. Ranks
become ids as in `kernels.complement`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import GOLDEN, compiled, prefetch, word_at
from graphns.kernels.bits import bounded as _bounded
from graphns.kernels.complement import candidate_at, exchange_torch, valid_extra
from graphns.kernels.membership import in_rows_torch
from graphns.kernels.memory import empty
from graphns.kernels.threads import run
from graphns.streams import bounded, words_at

LINEAR = 48  # up to here, looking through a list beats a hash table


def complement_distinct(
    indptr: Tensor, indices: Tensor, rows: Tensor, extra: Tensor, num_candidates: int, row_keys: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Draw k distinct ids per row, uniformly from [0, num_candidates) outside the row and `extra`, in random order.

    Args:
        indptr, indices, rows, extra, num_candidates, row_keys: as for `complement_uniform`.
        k: draws per row.

    Returns:
        ids [B, k] int64 and the number of candidates of each row [B] int64. A row with fewer than k gives all of them,
        in random order, in its first slots, and 0 after.
    """
    none = torch.empty((len(rows), 0), dtype=torch.int64, device=rows.device)
    counts = complement_at(indptr, indices, rows, extra, num_candidates, none)[1]
    ids, _ = complement_at(indptr, indices, rows, extra, num_candidates, distinct_ranks(counts, row_keys, k))
    return ids.masked_fill_(torch.arange(k, device=ids.device) >= counts[:, None], 0), counts


def distinct_ranks(counts: Tensor, row_keys: Tensor, k: int) -> Tensor:
    """min(k, counts) distinct integers of [0, counts) per row [B, k] int64, any ordered choice equally likely; then 0.

    Word j of a row chooses the j-th integer, word k + j shuffles.
    """
    if counts.device.type != "cpu":
        return distinct_ranks_torch(counts, row_keys, k)
    ranks = empty(len(counts), k)
    run(_distinct_ranks, len(counts), counts.numpy(), row_keys.numpy(), LINEAR, ranks.numpy(), cost=4 * k)
    return ranks


def distinct_ranks_torch(counts: Tensor, row_keys: Tensor, k: int) -> Tensor:
    """The definition, on any device: the rows advance together, slot by slot."""
    taken = counts.clamp(max=k)
    words = words_at(row_keys, 2 * k)
    ranks = torch.zeros((len(counts), k), dtype=torch.int64, device=counts.device)
    for j in range(k):
        top = counts - taken + j  # Floyd's j-th step draws from [0, top]
        drawn = bounded(words[:, j], top.clamp(min=0) + 1)
        again = (ranks[:, :j] == drawn[:, None]).any(1)
        ranks[:, j] = torch.where(j < taken, torch.where(again, top, drawn), 0)
    line = torch.arange(len(counts), device=counts.device)
    for j in range(k - 1, 0, -1):
        other = torch.where(j < taken, bounded(words[:, k + j], j + 1), j)
        here, there = ranks[:, j].clone(), ranks[line, other]
        ranks[:, j] = there
        ranks[line, other] = here
    return ranks


def complement_at(
    indptr: Tensor, indices: Tensor, rows: Tensor, extra: Tensor, num_candidates: int, ranks: Tensor
) -> tuple[Tensor, Tensor]:
    """The ids [B, m] at given ranks [B, m] int64 >= 0, and the number of candidates of each row [B] int64.

    One-to-one from the ranks below that number onto the candidates: the map that `complement_uniform` applies to its
    draws. Where a rank is not below it, the id is 0.
    """
    if indptr.device.type != "cpu":
        return complement_at_torch(indptr, indices, rows, extra, num_candidates, ranks)
    ids, counts = torch.empty_like(ranks), empty(len(rows))
    run(_complement_at, len(rows), indptr.numpy(), indices.numpy(), rows.numpy(), extra.numpy(), num_candidates,
        ranks.numpy(), ids.numpy(), counts.numpy(), cost=ranks.shape[1] + 2)
    return ids, counts


def complement_at_torch(
    indptr: Tensor, indices: Tensor, rows: Tensor, extra: Tensor, num_candidates: int, ranks: Tensor
) -> tuple[Tensor, Tensor]:
    """The definition, on any device."""
    extra = torch.cat([extra, torch.full((len(rows), 2 - extra.shape[1]), -1, device=rows.device)], 1)
    taken = (extra < 0) | (extra >= num_candidates) | in_rows_torch(indptr, indices, rows, extra)
    taken[:, 1] |= extra[:, 1] == extra[:, 0]
    extra = torch.where(taken, -1, extra)
    at = rows.clamp(min=0)
    end = indptr[(at + 1).clamp(max=len(indptr) - 1)]  # a matrix without rows has no second entry
    degree = torch.where(rows < 0, 0, end - indptr[at])
    counts = (num_candidates - degree - (extra >= 0).sum(1)).clamp(min=0)
    ids = exchange_torch(indptr, indices, rows, num_candidates, ranks)
    tail = exchange_torch(indptr, indices, rows, num_candidates, torch.stack([counts, counts + 1], 1))
    for column in (0, 1):
        own, other = extra[:, column], extra[:, 1 - column]
        free = torch.where((tail[:, 0] == other) & (other >= 0), tail[:, 1], tail[:, 0])
        both = (other >= 0) & (tail != other[:, None]).all(1)
        instead = torch.where(both, tail[:, column], free)
        ids = torch.where((own[:, None] >= 0) & (ids == own[:, None]), instead[:, None], ids)
    return torch.where(ranks < counts[:, None], ids, 0), counts


@compiled
def _complement_at(begin, end, indptr, indices, rows, extra, num_candidates, ranks, ids, counts):
    for b in range(begin, end):
        if b + 16 < end:
            prefetch(indptr, max(rows[b + 16], 0))
        if b + 8 < end and rows[b + 8] >= 0 and indptr[rows[b + 8]] < indptr[rows[b + 8] + 1]:
            prefetch(indices, (indptr[rows[b + 8]] + indptr[rows[b + 8] + 1]) >> 1)
        start, stop = 0, 0
        if rows[b] >= 0:
            start, stop = indptr[rows[b]], indptr[rows[b] + 1]
        first, second = -1, -1
        if extra.shape[1] > 0:
            first = valid_extra(indices, start, stop, extra[b, 0], num_candidates)
        if extra.shape[1] > 1 and extra[b, 1] != extra[b, 0]:
            second = valid_extra(indices, start, stop, extra[b, 1], num_candidates)
        count = max(num_candidates - (stop - start) - (first >= 0) - (second >= 0), 0)
        counts[b] = count
        for j in range(ranks.shape[1]):
            ids[b, j] = 0
            if ranks[b, j] < count:
                ids[b, j] = candidate_at(
                    indices, start, stop, first, second, num_candidates, count, ranks[b, j])


@compiled
def _distinct_ranks(begin, end, counts, row_keys, linear, ranks):
    k = ranks.shape[1]
    hashed = k > linear
    bits = 1
    while (1 << bits) < 2 * k:
        bits += 1
    shift, last = np.uint64(64 - bits), (1 << bits) - 1
    table = np.empty(1 << bits if hashed else 1, dtype=np.int64)
    for b in range(begin, end):
        taken = min(k, counts[b])
        table[:] = -1
        for j in range(taken):
            top = counts[b] - taken + j  # Floyd's j-th step draws from [0, top]
            drawn = _bounded(word_at(row_keys[b], j), top + 1)
            if hashed:
                at = np.int64((np.uint64(drawn) * GOLDEN) >> shift)
                while table[at] >= 0 and table[at] != drawn:
                    at = (at + 1) & last
                if table[at] == drawn:
                    # top is new: every earlier value is below it
                    drawn = top
                    at = np.int64((np.uint64(drawn) * GOLDEN) >> shift)
                    while table[at] >= 0:
                        at = (at + 1) & last
                table[at] = drawn
            else:
                for i in range(j):
                    if ranks[b, i] == drawn:
                        drawn = top
                        break
            ranks[b, j] = drawn
        for j in range(taken - 1, 0, -1):
            other = _bounded(word_at(row_keys[b], k + j), j + 1)
            ranks[b, j], ranks[b, other] = ranks[b, other], ranks[b, j]
        for j in range(taken, k):
            ranks[b, j] = 0
