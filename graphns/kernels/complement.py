"""Uniform draws outside a sorted row, with no rejection.

A row excludes d of N ids. Draw r in [0, N - d). If r is not in the row, it is the answer. If it is the i-th id of the
row, the answer is the i-th id of [N - d, N) outside the row: as many ids of the row lie below N - d as ids outside the
row lie above. So equally likely integers are mapped one-to-one onto the candidates. Nearly every draw needs only "is r
in the row?", which `edge_filter` answers with one memory access; the rest are binary searches.

A few further exclusions per query (the anchor, its positive) are exchanged in the same way: with n true candidates,
draw among the first n of the above order, and replace an excluded one by one of the next, which were out of reach.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import GOLDEN, compiled, mix, prefetch, product_high
from graphns.kernels.edge_filter import ask, edge_code, filter_words, may_have, pattern, word_of
from graphns.kernels.membership import count_torch, find, hold_each, in_rows_torch
from graphns.kernels.memory import empty
from graphns.kernels.query import ROWS, SLOTS
from graphns.kernels.threads import run
from graphns.streams import bounded, words_at

_1, _32, _LOW = np.uint64(1), np.uint64(32), np.uint64(0xFFFFFFFF)
_NONE = np.uint64(0xFFFFFFFFFFFFFFFF)  # as int64: -1


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
    ids = empty(len(rows), k)
    counts = empty(len(rows))
    run(_complement_uniform, len(rows), indptr.numpy(), indices.numpy(), rows.numpy(), extra.numpy(), num_candidates,
        row_keys.numpy().view(np.uint64), filter_words(edge_filter), 0, ids.numpy(), counts.numpy(), cost=k + 2)
    return ids, counts


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
    end = indptr[(at + 1).clamp(max=len(indptr) - 1)]  # a matrix without rows has no second entry
    return torch.where(rows < 0, 0, end - indptr[at])


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
def _complement_uniform(begin, end, indptr, indices, rows, extra, num_candidates, row_keys, words, sure, ids, counts):
    start, degree = np.empty(ROWS, np.uint64), np.empty(ROWS, np.uint64)
    first, second = np.empty(ROWS, np.uint64), np.empty(ROWS, np.uint64)
    high, keys = np.empty(ROWS, np.uint64), np.empty(ROWS, np.uint64)
    ranks, at = np.empty((SLOTS, ROWS), np.uint64), np.empty((SLOTS, ROWS), np.uint64)
    bits = np.empty((SLOTS, ROWS), np.uint32)
    found, hit = np.empty(ROWS, np.uint32), np.empty(ROWS, np.bool_)
    room, sought = np.empty((4, ROWS), np.uint64), np.empty(ROWS, np.int64)
    filtered = words.shape[0] > 0
    # block by block, and step by step within a block: lines asked for in one step arrive while the others are asked for
    for base in range(begin, end, ROWS):
        size = min(ROWS, end - base)
        for b in range(base + size, min(base + size + ROWS, end)):
            prefetch(indptr, np.uint64(max(rows[b], 0)))
        for i in range(size):
            row = np.uint64(max(rows[base + i], 0))
            start[i] = np.uint64(indptr[row])
            degree[i] = np.uint64(indptr[row + _1]) - start[i]
            if rows[base + i] < 0:
                degree[i] = 0
            keys[i] = row_keys[base + i]
        further = extra[base : base + size]
        keep_valid(indices, start, degree, further, 0, sure, num_candidates, words, first, room, sought)
        keep_valid(indices, start, degree, further, 1, sure, num_candidates, words, second, room, sought)
        for i in range(size):
            if second[i] == first[i]:
                second[i] = _NONE
            taken = np.int64(degree[i]) + (first[i] != _NONE) + (second[i] != _NONE)
            counts[base + i] = max(num_candidates - taken, 0)
            high[i] = np.uint64(counts[base + i])
        for slot in range(0, ids.shape[1], SLOTS):
            slots = min(SLOTS, ids.shape[1] - slot)
            for j in range(slots):
                _rank(keys[:size], slot + j, high, num_candidates, ranks[j])
                if filtered:
                    for i in range(size):
                        code = edge_code(ranks[j, i])
                        at[j, i] = word_of(code, start[i], degree[i])
                        bits[j, i] = pattern(code)
                    for i in range(size):
                        prefetch(words, at[j, i])
            for j in range(slots):
                for i in range(size):
                    ids[base + i, slot + j] = ranks[j, i]
                    found[i] = words[at[j, i]] if filtered else bits[j, i]
                some = False  # in one of eight blocks, so that the others compare all rows at once
                for i in range(size):
                    hit[i] = (found[i] & bits[j, i]) == bits[j, i]
                    hit[i] |= (ranks[j, i] == first[i]) | (ranks[j, i] == second[i])
                    some |= hit[i]
                if some:
                    for i in range(size):
                        if hit[i] and high[i] > 0:
                            ids[base + i, slot + j] = candidate_at(
                                indices, np.int64(start[i]), np.int64(start[i] + degree[i]), np.int64(first[i]),
                                np.int64(second[i]), num_candidates, counts[base + i], np.int64(ranks[j, i]))


@compiled
def keep_valid(indices, start, degree, extra, column, sure, num_candidates, words, kept, room, sought):
    """A column of `extra` for a block of rows, all ones where it excludes nothing more: `valid_extra` for many.

    The first `sure` columns stand in no row, and are not looked for.
    `room` [4, ROWS] uint64 and `sought` [ROWS] int64 are used up: a block has no time to ask for memory.
    """
    size = 0
    if sure <= column and column < extra.shape[1] and words.shape[0] > 0:
        for i in range(len(extra)):
            ask(words, start[i], degree[i], extra[i, column])
    for i in range(len(extra)):
        value = extra[i, column] if column < extra.shape[1] else -1
        valid = value >= 0 and value < num_candidates
        kept[i] = np.uint64(value) if valid else _NONE
        if column >= sure and valid and (words.shape[0] == 0 or may_have(words, start[i], degree[i], value)):
            room[0, size], room[1, size], room[3, size], sought[size] = start[i], degree[i], i, value
            size += 1
    hold_each(indices, room, sought, size)
    for i in range(size):
        if room[2, i] != 0:
            kept[room[3, i]] = _NONE


@compiled
def _rank(keys, slot, high, num_candidates, ranks):
    """Ranks of one slot of a block of rows: a simple loop that vectorises."""
    step = np.uint64(slot + 1) * GOLDEN
    if num_candidates < 2147483648:
        for i in range(len(keys)):
            word = mix(keys[i] + step)
            ranks[i] = ((word >> _32) * high[i] + (((word & _LOW) * high[i]) >> _32)) >> _32
    else:
        for i in range(len(keys)):
            ranks[i] = product_high(mix(keys[i] + step), high[i])
