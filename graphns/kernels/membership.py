"""Is an id in a row? Binary search in sorted rows."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.kernels.bits import compiled, prefetch
from graphns.kernels.threads import run


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
    """The definition, on any device: all binary searches advance together, halving one row each."""
    ids = ids.expand(len(rows), ids.shape[1])
    missing = (rows < 0)[:, None].expand_as(ids)
    at = rows.clamp(min=0)
    low = indptr[at][:, None].expand_as(ids).clone()
    stop = indptr[at + 1][:, None].expand_as(ids)
    size = stop - low
    longest = int(size.max()) if size.numel() else 0
    last = max(len(indices) - 1, 0)
    if len(indices) == 0:
        return torch.zeros_like(missing)
    for _ in range(longest.bit_length()):
        half = size >> 1
        below = (size > 0) & (indices[(low + half).clamp(max=last)] < ids)
        low = torch.where(below, low + half + 1, low)
        size = torch.where(below, size - half - 1, half)
    return (low < stop) & (indices[low.clamp(max=last)] == ids) & ~missing


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
