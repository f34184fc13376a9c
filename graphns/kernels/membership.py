"""Is an id in a row? Binary search in sorted rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled, prefetch
from graphns.kernels.threads import run

_SPAN, _ONE = np.uint64(16), np.uint64(1)


def in_rows(indptr: Tensor, indices: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
    """Whether each of ids [B|1, m] int64 stands in its row [B]; rows of -1 hold nothing.

    Args:
        indptr: [R + 1] int64 row starts.
        indices: [E] int32 or int64, each row sorted.
        rows: [B] int64.
        ids: [B|1, m] int64; an id outside the graph is in no row.

    Returns:
        [B, m] bool.
    """
    if indptr.device.type != "cpu":
        return in_rows_torch(indptr, indices, rows, ids)
    found = torch.empty((len(rows), ids.shape[1]), dtype=torch.bool)
    run(_in_rows, len(rows), indptr.numpy(), indices.numpy(), rows.numpy(), ids.numpy(), found.numpy(),
        cost=ids.shape[1])
    return found


def in_rows_torch(indptr: Tensor, indices: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
    """The definition, on any device."""
    ids = ids.expand(len(rows), ids.shape[1])
    if len(indices) == 0:
        return torch.zeros_like(ids, dtype=torch.bool)
    at = rows.clamp(min=0)
    place = indptr[at][:, None] + count_torch(indptr, indices, rows, ids)
    found = indices[place.clamp(max=len(indices) - 1)] == ids
    return found & (place < indptr[at + 1][:, None]) & (rows >= 0)[:, None]


def count_torch(indptr: Tensor, indices: Tensor, rows: Tensor, ids: Tensor, keys: bool = False) -> Tensor:
    """How many ids n_i of its row lie below each of ids [B|1, m]: [B, m] int64; with `keys`, how many n_i - i <= it.

    All binary searches advance together, halving each row once a round.
    """
    ids = ids.expand(len(rows), ids.shape[1])
    if len(indices) == 0 or ids.numel() == 0:
        return torch.zeros_like(ids)
    at = rows.clamp(min=0)
    start = indptr[at][:, None]
    low = torch.zeros_like(ids)
    size = torch.where(rows < 0, 0, indptr[at + 1] - indptr[at])[:, None].expand_as(ids).clone()
    for _ in range(int(size.max()).bit_length()):
        half = size >> 1
        value = indices[(start + low + half).clamp(max=len(indices) - 1)]
        below = (value - (low + half) <= ids) if keys else (value < ids)
        below = below & (size > 0)
        low = torch.where(below, low + half + 1, low)
        size = torch.where(below, size - half - 1, half)
    return low


@compiled
def find(indices, start, stop, value):
    """The first position in indices[start:stop] whose id is >= value."""
    size = stop - start
    while size > 0:
        half = size >> 1
        below = indices[start + half] < value
        start = start + half + 1 if below else start
        size = size - half - 1 if below else half
    return start


@compiled
def holds(indices, start, stop, value):
    """Whether indices[start:stop] holds `value`: halved to 16 ids, which are compared at once."""
    low, size = np.uint64(start), np.uint64(stop - start)
    while size > _SPAN:
        half = size >> _ONE
        low = low + half if indices[low + half] <= value else low
        size -= half
    if np.uint64(indices.shape[0]) < _SPAN:
        at = find(indices, start, stop, value)
        return at < stop and indices[at] == value
    base = min(low, np.uint64(indices.shape[0]) - _SPAN)
    # the 16 ids may reach into other rows: only lanes of this one count
    first, last = np.int32(np.int64(low) - np.int64(base)), np.int32(stop - np.int64(base))
    found = np.int32(0)
    for i in range(np.int32(16)):
        lane = np.int32(i)
        found |= np.int32(indices[base + np.uint64(i)] == value) & np.int32(lane >= first) & np.int32(lane < last)
    return found != 0


@compiled
def _in_rows(begin, end, indptr, indices, rows, ids, found):
    shared = ids.shape[0] == 1
    for b in range(begin, end):
        if b + 16 < end:
            prefetch(indptr, max(rows[b + 16], 0))
        if b + 8 < end and rows[b + 8] >= 0 and indptr[rows[b + 8]] < indices.shape[0]:
            prefetch(indices, (indptr[rows[b + 8]] + indptr[rows[b + 8] + 1]) >> 1)
        start, stop = 0, 0
        if rows[b] >= 0:
            start, stop = indptr[rows[b]], indptr[rows[b] + 1]
        for j in range(ids.shape[1]):
            value = ids[0 if shared else b, j]
            at = find(indices, start, stop, value)
            found[b, j] = at < stop and indices[at] == value
