"""Uniform draws outside a sorted row, with no rejection.

A row excludes d of N ids. Draw r in [0, N - d). If r is not in the row, it is the answer. If it is the i-th id of the
row, the answer is the i-th id of [N - d, N) outside the row: as many ids of the row lie below N - d as ids outside the
row lie above. So equally likely integers are mapped one-to-one onto the candidates. Nearly every draw needs only "is r
in the row?", which `edge_filter` answers with one memory access; the rest are binary searches.

A few further exclusions per query (the anchor, its positive) are exchanged in the same way: with n true candidates,
draw among the first n of the above order, and replace an excluded one by one of the next, which were out of reach.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import bounded as _bounded
from graphns.kernels.bits import compiled, prefetch, word_at
from graphns.kernels.edge_filter import ask, is_cold, may_have
from graphns.kernels.membership import count_torch, find, holds, in_rows_torch
from graphns.kernels.threads import run
from graphns.streams import bounded, words_at

_NO_FILTER = np.zeros(0, dtype=np.uint64)
_32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


def complement_uniform(
    indptr: Tensor, indices: Tensor, rows: Tensor, extra: Tensor, num_candidates: int, row_keys: Tensor, k: int,
    edge_filter: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw k ids per row, uniformly from [0, num_candidates) outside the row and `extra`, with replacement.

    Args:
        indptr: [R + 1] int64 row starts.
        indices: [E] int32 or int64, each row sorted and without duplicates.
        rows: [B] int64 row of each query; -1 means an empty row.
        extra: [B, m] int64 with m <= 2: further ids to exclude, in the row or not; -1 for none.
        num_candidates: N.
        row_keys: [B] int64 from `Stream.row_keys`.
        k: draws per row.
        edge_filter: `build_edge_filter(indptr, indices)` if at hand, for speed on the CPU.

    Returns:
        ids [B, k] int64 and the number of candidates of each row [B] int64; where that is 0, ids are 0.
    """
    if extra.shape[1] > 2:
        raise ValueError(f"at most 2 further exclusions per row, got {extra.shape[1]}")
    if indptr.device.type != "cpu":
        return complement_uniform_torch(indptr, indices, rows, extra, num_candidates, row_keys, k)
    ids = torch.empty((len(rows), k), dtype=torch.int64)
    counts = torch.empty(len(rows), dtype=torch.int64)
    words, shift = filter_arguments(edge_filter)
    run(_complement_uniform, len(rows), indptr.numpy(), indices.numpy(), rows.numpy(), extra.numpy(), num_candidates,
        row_keys.numpy().view(np.uint64), words, shift, ids.numpy(), counts.numpy(), cost=k + 2)
    return ids, counts


def filter_arguments(edge_filter: Tensor | None) -> tuple[Any, np.uint64]:
    """The bit table and its shift as compiled loops take them; an empty table where there is none."""
    if edge_filter is None:
        return _NO_FILTER, np.uint64(12)
    return edge_filter.numpy().view(np.uint64), np.uint64(64 - (len(edge_filter).bit_length() - 1))


def complement_uniform_torch(
    indptr: Tensor, indices: Tensor, rows: Tensor, extra: Tensor, num_candidates: int, row_keys: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """The definition, on any device."""
    extra = torch.cat([extra, torch.full((len(rows), 2 - extra.shape[1]), -1, device=rows.device)], 1)
    taken = (extra < 0) | (extra >= num_candidates) | in_rows_torch(indptr, indices, rows, extra)
    taken[:, 1] |= extra[:, 1] == extra[:, 0]
    extra = torch.where(taken, -1, extra)
    counts = (num_candidates - _degree(indptr, rows) - (extra >= 0).sum(1)).clamp(min=0)
    ids = exchange_torch(indptr, indices, rows, num_candidates, bounded(words_at(row_keys, k), counts[:, None]))
    tail = exchange_torch(indptr, indices, rows, num_candidates, torch.stack([counts, counts + 1], 1))
    for column in (0, 1):
        own, other = extra[:, column], extra[:, 1 - column]
        first_free = torch.where(tail[:, 0] == other, tail[:, 1], tail[:, 0])
        both = (other >= 0) & (tail != other[:, None]).all(1)
        instead = torch.where(both, tail[:, column], first_free)
        hit = (own[:, None] >= 0) & (ids == own[:, None])
        # an exchanged id is never the other exclusion, so the two columns do not disturb each other
        ids = torch.where(hit, instead[:, None], ids)
    return torch.where((counts > 0)[:, None], ids, 0), counts


def exchange_torch(indptr: Tensor, indices: Tensor, rows: Tensor, num_candidates: int, ranks: Tensor) -> Tensor:
    """The ids [B, j] outside the rows for ranks [B, j] in [0, N - d): the one-to-one map of this module."""
    degree = _degree(indptr, rows)
    found = in_rows_torch(indptr, indices, rows, ranks)
    place = count_torch(indptr, indices, rows, ranks)
    free = (num_candidates - degree)[:, None]
    below = count_torch(indptr, indices, rows, free)
    rank = free - below + place
    return torch.where(found, rank + count_torch(indptr, indices, rows, rank, keys=True), ranks)


def _degree(indptr: Tensor, rows: Tensor) -> Tensor:
    at = rows.clamp(min=0)
    return torch.where(rows < 0, 0, indptr[at + 1] - indptr[at])


def complement_keys(indptr: Tensor, indices: Tensor, num_candidates: int) -> Tensor:
    """The keys n_i - i of all rows as one sorted array [E] int64: row r's are offset by r * (N + 1)."""
    degree = indptr.diff()
    row = torch.repeat_interleave(torch.arange(len(degree), device=indptr.device), degree)
    rank = torch.arange(len(indices), device=indptr.device) - indptr[row]
    return row * (num_candidates + 1) + indices - rank


@compiled
def outside_row(indices, start, stop, rank):
    """The id of the given rank, in rising order, among those outside the sorted row indices[start:stop]."""
    low = start
    size = stop - start
    while size > 0:
        half = size >> 1
        middle = low + half
        inside = indices[middle] - (middle - start) <= rank
        low = middle + 1 if inside else low
        size = size - half - 1 if inside else half
    return rank + (low - start)


@compiled
def exchange(indices, start, stop, num_candidates, rank):
    """The id outside the row for a rank in [0, N - d), by the one-to-one map of this module."""
    place = find(indices, start, stop, rank)
    if place == stop or indices[place] != rank:
        return rank
    free = num_candidates - (stop - start)
    below = find(indices, place, stop, free) - start
    return outside_row(indices, start, stop, free - below + (place - start))


@compiled
def valid_extra(indices, start, stop, value, num_candidates):
    """`value` if it excludes a candidate that the row does not exclude already, else -1."""
    if value < 0 or value >= num_candidates:
        return -1
    at = find(indices, start, stop, value)
    return -1 if at < stop and indices[at] == value else value


@compiled
def candidate_at(indices, start, stop, first, second, num_candidates, count, rank):
    """The candidate of a rank in [0, count), given the valid further exclusions (-1: none)."""
    drawn = exchange(indices, start, stop, num_candidates, rank)
    if drawn != first and drawn != second:
        return drawn
    other = second if drawn == first else first
    low = exchange(indices, start, stop, num_candidates, count)
    if other < 0:
        return low
    high = exchange(indices, start, stop, num_candidates, count + 1)
    if low == other:
        return high
    if high == other:
        return low
    return low if drawn == first else high


@compiled
def _complement_uniform(begin, end, indptr, indices, rows, extra, num_candidates, row_keys, words, shift, ids, counts):
    k = ids.shape[1]
    size = max(1024 // k, 8)  # rows at a time: their draws stay in the first-level cache
    first, second = np.empty(size, np.int64), np.empty(size, np.int64)
    start, stop = np.empty(size, np.int64), np.empty(size, np.int64)
    table_row, high, keys = np.empty(size, np.uint64), np.empty(size, np.uint64), np.empty(size, np.uint64)
    at = np.empty(size, np.uint64)
    ranks, look = np.empty((k, size), np.uint64), np.empty((k, size), np.uint64)
    for base in range(begin, end, size):
        block = min(size, end - base)
        for i in range(block):
            if base + i + 16 < end:
                prefetch(indptr, max(rows[base + i + 16], 0))
            row = rows[base + i]
            start[i], stop[i] = 0, 0
            if row >= 0:
                start[i], stop[i] = indptr[row], indptr[row + 1]
                if extra.shape[1] > 0 and stop[i] > start[i]:
                    prefetch(indices, (start[i] + stop[i]) >> 1)
            table_row[i] = np.uint64(max(row, 0))
            keys[i] = row_keys[base + i]
        _keep_valid(indices, start, stop, table_row, extra, base, 0, num_candidates, words, shift, block, first, at)
        _keep_valid(indices, start, stop, table_row, extra, base, 1, num_candidates, words, shift, block, second, at)
        for i in range(block):
            if second[i] == first[i]:
                second[i] = -1
            count = max(num_candidates - (stop[i] - start[i]) - (first[i] >= 0) - (second[i] >= 0), 0)
            counts[base + i] = count
            high[i] = np.uint64(count)
        _draw(keys, high, table_row, first, second, num_candidates, words, shift, block, ranks, look)
        for i in range(block):
            for j in range(k):
                ids[base + i, j] = np.int64(ranks[j, i])
        for j in range(k):
            for i in range(block):
                if look[j, i] != 0 and high[i] > 0:
                    ids[base + i, j] = candidate_at(indices, start[i], stop[i], first[i], second[i], num_candidates,
                                                    counts[base + i], np.int64(ranks[j, i]))


@compiled
def _keep_valid(indices, start, stop, table_row, extra, base, column, num_candidates, words, shift, block, kept, at):
    """Column of `extra` for a block of rows, -1 where it excludes no further candidate: `valid_extra` for many."""
    if column >= extra.shape[1]:
        kept[:block] = -1
        return
    for i in range(block):
        value = extra[base + i, column]
        kept[i] = value if value < num_candidates else -1
        at[i] = np.uint64(1)
    if words.shape[0] > 0:
        for i in range(block):
            at[i] = may_have(words, shift, table_row[i], np.uint64(kept[i]))
    for i in range(block):
        if at[i] != 0 and kept[i] >= 0 and holds(indices, start[i], stop[i], kept[i]):
            kept[i] = -1


@compiled
def _draw(keys, high, table_row, first, second, num_candidates, words, shift, block, ranks, look):
    """Ranks for a block of rows, and which of them must be looked at: simple loops that vectorise."""
    for j in range(ranks.shape[0]):
        if num_candidates < 2147483648:
            for i in range(block):
                word = word_at(keys[i], j)
                ranks[j, i] = ((word >> _32) * high[i] + (((word & _LOW) * high[i]) >> _32)) >> _32
        else:
            for i in range(block):
                ranks[j, i] = np.uint64(_bounded(word_at(keys[i], j), high[i]))
        if is_cold(words):
            for i in range(block):
                ask(words, shift, table_row[i], ranks[j, i])
        if words.shape[0] > 0:
            for i in range(block):
                look[j, i] = may_have(words, shift, table_row[i], ranks[j, i])
        else:
            look[j, :block] = np.uint64(1)
        for i in range(block):
            rank = np.int64(ranks[j, i])
            look[j, i] |= np.uint64(rank == first[i]) | np.uint64(rank == second[i])
