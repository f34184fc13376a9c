"""Uniform draws outside a sorted row, with no rejection.

With the row's excluded ids n_0 < n_1 < …, the keys n_i - i never fall, and the r-th id outside the row is
r + #{i : n_i - i <= r}: one binary search. A few further exclusions per query (the anchor, its positive) are handled by
exchange: draw among the first n ids outside the row, n being the number of true candidates, and replace an excluded one
by one of the tail, which was out of reach. Both steps map equally likely integers one-to-one onto the candidates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.kernels.bits import bounded as _bounded
from graphns.kernels.bits import compiled, prefetch, word_at
from graphns.kernels.membership import find, in_rows_torch
from graphns.kernels.threads import run
from graphns.streams import bounded, words_at


def complement_uniform(
    indptr: Tensor, indices: Tensor, rows: Tensor, extra: Tensor, num_candidates: int, row_keys: Tensor, k: int,
    keys: Tensor | None = None,
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
        keys: `complement_keys(indptr, indices, N)` if at hand; the torch version computes it otherwise.

    Returns:
        ids [B, k] int64 and the number of candidates of each row [B] int64; where that is 0, ids are 0.
    """
    if extra.shape[1] > 2:
        raise ValueError(f"at most 2 further exclusions per row, got {extra.shape[1]}")
    if indptr.device.type != "cpu":
        keys = complement_keys(indptr, indices, num_candidates) if keys is None else keys
        return complement_uniform_torch(indptr, indices, keys, rows, extra, num_candidates, row_keys, k)
    ids = torch.empty((len(rows), k), dtype=torch.int64)
    counts = torch.empty(len(rows), dtype=torch.int64)
    run(_complement_uniform, len(rows), indptr.numpy(), indices.numpy(), rows.numpy(), extra.numpy(), num_candidates,
        row_keys.numpy(), ids.numpy(), counts.numpy(), cost=k + 2)
    return ids, counts


def complement_keys(indptr: Tensor, indices: Tensor, num_candidates: int) -> Tensor:
    """The keys n_i - i of all rows as one sorted array [E] int64: row r's are offset by r * (N + 1)."""
    degree = indptr.diff()
    row = torch.repeat_interleave(torch.arange(len(degree), device=indptr.device), degree)
    rank = torch.arange(len(indices), device=indptr.device) - indptr[row]
    return row * (num_candidates + 1) + indices - rank


def complement_uniform_torch(
    indptr: Tensor, indices: Tensor, keys: Tensor, rows: Tensor, extra: Tensor, num_candidates: int, row_keys: Tensor,
    k: int,
) -> tuple[Tensor, Tensor]:
    """The definition, on any device: `complement_uniform` with one `searchsorted` for all rows."""
    missing = rows < 0
    at = rows.clamp(min=0)
    start = torch.where(missing, 0, indptr[at])
    degree = torch.where(missing, 0, indptr[at + 1] - start)

    def outside(rank: Tensor) -> Tensor:
        """The ids [B, j] whose ranks [B, j] outside the row are given."""
        passed = torch.searchsorted(keys, at[:, None] * (num_candidates + 1) + rank, right=True) - start[:, None]
        return rank + torch.where(missing[:, None], 0, passed)

    first, second = _sorted_extra(extra)
    outside_row = ~in_rows_torch(indptr, indices, rows, torch.stack([first, second], 1))
    first = torch.where((first >= 0) & outside_row[:, 0], first, -1)
    second = torch.where((second >= 0) & outside_row[:, 1], second, -1)
    # keep the valid ones in front, in order: first < second
    first, second = torch.where(first < 0, second, first), torch.where(first < 0, -1, second)
    counts = (num_candidates - degree - (first >= 0).long() - (second >= 0).long()).clamp(min=0)
    ids = outside(bounded(words_at(row_keys, k), counts[:, None]))
    tail = outside(torch.stack([counts, counts + 1], 1))
    for_first = torch.where(tail[:, 0] == second, tail[:, 1], tail[:, 0])
    one = second < 0
    for_first = torch.where(one, tail[:, 0], for_first)
    ids = torch.where((ids == first[:, None]) & (first >= 0)[:, None], for_first[:, None],
                      torch.where((ids == second[:, None]) & (second >= 0)[:, None], tail[:, 1:], ids))
    return torch.where((counts > 0)[:, None], ids, 0), counts


def _sorted_extra(extra: Tensor) -> tuple[Tensor, Tensor]:
    none = torch.full_like(extra[:, 0], -1) if extra.shape[1] else extra.new_full((len(extra),), -1)
    a = extra[:, 0] if extra.shape[1] > 0 else none
    b = extra[:, 1] if extra.shape[1] > 1 else none
    b = torch.where(a == b, -1, b)
    return torch.minimum(a, b), torch.maximum(a, b)


@compiled
def outside_row(indices, start, stop, rank):
    """The id of the given rank among those outside the sorted row indices[start:stop]."""
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
def _valid_extra(indices, start, stop, value, num_candidates):
    """`value` if it excludes a candidate that the row does not exclude already, else -1."""
    if value < 0 or value >= num_candidates:
        return -1
    at = find(indices, start, stop, value)
    return -1 if at < stop and indices[at] == value else value


@compiled
def _complement_uniform(begin, end, indptr, indices, rows, extra, num_candidates, row_keys, ids, counts):
    k = ids.shape[1]
    ahead_row, ahead_start = 16, 8
    for b in range(begin, end):
        # rows of a large graph are cold: ask for the pointers of a later row and for the middle of a nearer one
        if b + ahead_row < end:
            prefetch(indptr, max(rows[b + ahead_row], 0))
        if b + ahead_start < end and rows[b + ahead_start] >= 0:
            near = rows[b + ahead_start]
            span = indptr[near + 1] - indptr[near]
            if span > 0:
                prefetch(indices, indptr[near] + (span >> 1))
                prefetch(indices, indptr[near] + (span >> 2))
                prefetch(indices, indptr[near] + (span >> 1) + (span >> 2))
        start, stop = 0, 0
        if rows[b] >= 0:
            start, stop = indptr[rows[b]], indptr[rows[b] + 1]
        first, second = -1, -1
        if extra.shape[1] > 0:
            first = _valid_extra(indices, start, stop, extra[b, 0], num_candidates)
        if extra.shape[1] > 1 and extra[b, 1] != extra[b, 0]:
            second = _valid_extra(indices, start, stop, extra[b, 1], num_candidates)
        if first < 0 or (0 <= second < first):
            first, second = second, first
        count = max(num_candidates - (stop - start) - (first >= 0) - (second >= 0), 0)
        counts[b] = count
        for j in range(k):
            if count == 0:
                ids[b, j] = 0
                continue
            drawn = outside_row(indices, start, stop, _bounded(word_at(row_keys[b], j), count))
            if first >= 0 and (drawn == first or drawn == second):
                low = outside_row(indices, start, stop, count)
                if second < 0:
                    drawn = low
                else:
                    high = outside_row(indices, start, stop, count + 1)
                    drawn = high if drawn == second or low == second else low
            ids[b, j] = drawn
