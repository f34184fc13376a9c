"""Uniform draws outside a sorted row where every query has a candidate range [0, n) of its own.

As `kernels.complement`, by rising ranks: the r-th id outside the row is r + #{i : n_i - i <= r}, whatever the range. A
further excluded id has a rank of its own, and r jumps over it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.kernels.bits import bounded as _bounded
from graphns.kernels.bits import compiled, prefetch, word_at
from graphns.kernels.complement import outside_row
from graphns.kernels.membership import count_torch, find, in_rows_torch
from graphns.kernels.memory import empty
from graphns.kernels.threads import run
from graphns.streams import bounded, words_at


def complement_sized(
    indptr: Tensor, indices: Tensor, rows: Tensor, extra: Tensor, sizes: Tensor, row_keys: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Draw k ids per row, uniformly from [0, sizes) outside the row and `extra`, with replacement.

    Args:
        indptr: [R + 1] int64 row starts.
        indices: [E] int32 or int64, each row sorted, without duplicates, below the sizes of its queries.
        rows: [B] int64 row of each query; -1 means an empty row.
        extra: [B, m] int64 with m <= 2: further ids to exclude, in the row or not; out of range for none.
        sizes: [B] int64.
        row_keys: [B] int64 from `Stream.row_keys`.
        k: draws per row; 0 to ask for the numbers alone.

    Returns:
        ids [B, k] int64 and the number of candidates of each row [B] int64; where that is 0, ids are 0.
    """
    if extra.shape[1] > 2:
        raise ValueError(f"at most 2 further exclusions per row, got {extra.shape[1]}")
    if indptr.device.type != "cpu":
        return complement_sized_torch(indptr, indices, rows, extra, sizes, row_keys, k)
    ids = empty(len(rows), k)
    counts = empty(len(rows))
    run(_complement_sized, len(rows), indptr.numpy(), indices.numpy(), rows.numpy(), extra.numpy(), sizes.numpy(),
        row_keys.numpy(), ids.numpy(), counts.numpy(), cost=k + 2)
    return ids, counts


def complement_sized_torch(
    indptr: Tensor, indices: Tensor, rows: Tensor, extra: Tensor, sizes: Tensor, row_keys: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """The definition, on any device."""
    extra = extra.sort(1).values
    own = (extra >= 0) & (extra < sizes[:, None]) & ~in_rows_torch(indptr, indices, rows, extra)
    own[:, 1:] &= extra[:, 1:] != extra[:, :-1]
    place = torch.where(own, extra - count_torch(indptr, indices, rows, extra), torch.iinfo(torch.int64).max)
    at = rows.clamp(min=0)
    end = indptr[(at + 1).clamp(max=len(indptr) - 1)]  # a matrix without rows has no second entry
    degree = torch.where(rows < 0, 0, end - indptr[at])
    counts = sizes - degree - own.sum(1)
    rank = bounded(words_at(row_keys, k), counts[:, None])
    for s in range(extra.shape[1]):
        rank = rank + (rank >= place[:, s, None])
    ids = rank + count_torch(indptr, indices, rows, rank, keys=True)
    return torch.where((counts > 0)[:, None], ids, 0), counts


@compiled
def _complement_sized(begin, end, indptr, indices, rows, extra, sizes, row_keys, ids, counts):
    never = 1 << 62
    for b in range(begin, end):
        if b + 16 < end:
            prefetch(indptr, max(rows[b + 16], 0))
        if b + 8 < end and rows[b + 8] >= 0 and indptr[rows[b + 8]] < indptr[rows[b + 8] + 1]:
            prefetch(indices, (indptr[rows[b + 8]] + indptr[rows[b + 8] + 1]) >> 1)
        start, stop = 0, 0
        if rows[b] >= 0:
            start, stop = indptr[rows[b]], indptr[rows[b] + 1]
        first, second = never, never
        count = sizes[b] - (stop - start)
        for s in range(extra.shape[1]):
            value = extra[b, s]
            if value < 0 or value >= sizes[b] or (s > 0 and value == extra[b, 0]):
                continue
            at = find(indices, start, stop, value)
            if at < stop and indices[at] == value:
                continue
            count -= 1
            place = value - (at - start)
            first, second = min(first, place), (place if first == never else max(first, place))
        if first == second:
            second = never
        counts[b] = count
        for j in range(ids.shape[1]):
            ids[b, j] = 0
            if count > 0:
                rank = _bounded(word_at(row_keys[b], j), count)
                rank += rank >= first
                rank += rank >= second
                ids[b, j] = outside_row(indices, start, stop, rank)
