"""Is an id in a row? Binary search in sorted rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled, prefetch
from graphns.kernels.threads import run

_SPAN, _ONE = np.uint64(16), np.uint64(1)
_LANES = 64
_MANY = 16  # from so many ids that all rows share, they are sorted, and rows are looked up in them


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
    if len(ids) == 1 < len(rows) and ids.shape[1] >= _MANY:
        ordered, place = ids[0].sort()
        run(_shared_in_rows, len(rows), indptr.numpy(), indices.numpy(), rows.numpy(), ordered.numpy(), place.numpy(),
            found.numpy(), cost=ids.shape[1])
        return found
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
    # unsigned places spare Numba's test for a negative index, here and in every hot loop
    low, size = np.uint64(start), np.uint64(stop - start)
    while size > 0:
        half = size >> _ONE
        below = indices[low + half] < value
        low = low + half + _ONE if below else low
        size = size - half - _ONE if below else half
    return np.int64(low)


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
    first, last = np.int32(np.int64(low) - np.int64(base)), np.int32(np.int64(stop) - np.int64(base))
    found = np.int32(0)
    for i in range(np.int32(16)):
        lane = np.int32(i)
        found |= np.int32(indices[base + np.uint64(i)] == value) & np.int32(lane >= first) & np.int32(lane < last)
    return found != 0


@compiled
def hold_each(indices, room, sought, n):
    """Whether each of n rows, room[1, i] long from room[0, i], holds sought[i]: into room[2, i], 1 or 0.

    All searches advance together, so that the next lines of all are asked for before the first is read.

    Args:
        indices: int32 or int64, rows sorted.
        room: [3 or more, n or more] uint64; the first two lines are used up.
        sought: [n or more] int64.
        n: how many.
    """
    searching = False
    for i in range(n):
        room[2, i] = room[1, i] > 0
        if room[1, i] > 0:
            prefetch(indices, room[0, i] + (room[1, i] >> _ONE))
            searching |= room[1, i] > 1
    while searching:
        searching = False
        for i in range(n):
            if room[1, i] > 1:
                half = room[1, i] >> _ONE
                low = room[0, i] + half if indices[room[0, i] + half] <= sought[i] else room[0, i]
                room[0, i] = low
                room[1, i] -= half
                prefetch(indices, low + (room[1, i] >> _ONE))
                searching = True
    for i in range(n):
        if room[2, i] != 0:
            room[2, i] = indices[room[0, i]] == sought[i]


@compiled
def _in_rows(begin, end, indptr, indices, rows, ids, found):
    width = ids.shape[1]
    room, sought = np.empty((3, _LANES), np.uint64), np.empty(_LANES, np.int64)
    for b in range(begin, min(begin + _LANES, end)):
        prefetch(indptr, np.uint64(max(rows[b], 0)))
    used = 0
    first_b, first_j = begin, 0  # where the lanes in use begin
    for b in range(begin, end):
        if b + _LANES < end:
            prefetch(indptr, np.uint64(max(rows[b + _LANES], 0)))
        row = np.uint64(max(rows[b], 0))
        start = np.uint64(indptr[row])
        degree = np.uint64(indptr[row + _ONE]) - start if rows[b] >= 0 else np.uint64(0)
        for j in range(width):
            room[0, used], room[1, used] = start, degree
            sought[used] = ids[0 if ids.shape[0] == 1 else b, j]
            used += 1
            if used == _LANES or (b == end - 1 and j == width - 1):
                hold_each(indices, room, sought, used)
                for i in range(used):
                    found[first_b, first_j] = room[2, i] != 0
                    first_j += 1
                    if first_j == width:
                        first_b, first_j = first_b + 1, 0
                used = 0


@compiled
def _shared_in_rows(begin, end, indptr, indices, rows, ordered, place, found):
    """Each row's entries are looked up among the ids, of which there are more; of a longer row, each id in the row."""
    width = ordered.shape[0]
    for b in range(begin, end):
        if b + 16 < end:
            prefetch(indptr, np.uint64(max(rows[b + 16], 0)))
        if b + 8 < end and rows[b + 8] >= 0:
            start = indptr[rows[b + 8]]
            if start < indices.shape[0]:
                prefetch(indices, start)
        for j in range(width):
            found[b, j] = False
        if rows[b] < 0:
            continue
        start, stop = indptr[rows[b]], indptr[rows[b] + 1]
        if stop - start > width:
            for j in range(width):
                found[b, place[j]] = holds(indices, start, stop, ordered[j])
            continue
        for e in range(start, stop):
            at = find(ordered, 0, width, indices[e])
            while at < width and ordered[at] == indices[e]:
                found[b, place[at]] = True
                at += 1
