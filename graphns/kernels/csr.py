"""From a list of edges to sorted rows without duplicates: a radix sort that stays in the cache.

The edges are first brought to parts, a range of rows each, of some ten thousand edges: one number an edge, its row
within the part before its column. Each part is then sorted digit by digit in the second-level cache. Every step keeps
the order of what it does not compare, so weights of equal edges are added in the order in which they came.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled
from graphns.kernels.memory import empty
from graphns.kernels.threads import run

_PART = 15  # a part has about 2^15 edges
_MOST_PARTS = 12  # and there are at most about 2^12: each is a place where the first step writes
_DIGIT = 11
_CHUNKS = 16  # pieces of the list, that threads take
_ONE = np.uint64(1)


def build_csr(
    row: Tensor, col: Tensor, num_rows: int, num_cols: int, weight: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Sorted rows of the distinct edges; the weights of equal edges are added.

    Args:
        row: [E] int32 or int64 in [0, num_rows).
        col: [E] of the same dtype in [0, num_cols).
        weight: [E] float64, or None.

    Returns:
        indptr [num_rows + 1] int64, indices [E'] int32 below 2^31 columns else int64, weight [E'] float64 or None.

    Raises:
        ValueError: an id is out of range; the message names the edge.
    """
    width = torch.int32 if num_cols < 2**31 else torch.int64
    row_bits, col_bits = _key_bits(len(row), num_rows, num_cols)
    if row.device.type != "cpu" or row_bits + col_bits > 64 or len(row) == 0:
        return _build_csr_torch(row, col, num_rows, num_cols, weight, width)
    r, c = row.contiguous().numpy(), col.contiguous().numpy()
    chunks = _CHUNKS if len(r) >= 1 << 16 else 1
    parts = ((num_rows - 1) >> row_bits) + 1
    sizes, wrong = np.zeros((chunks, parts), dtype=np.int64), np.zeros(chunks, dtype=np.bool_)
    shift, low = np.uint64(row_bits), np.uint64(col_bits)
    run(_count, chunks, chunks, r, c, num_rows, num_cols, shift, sizes, wrong, cost=len(r) // chunks)
    if wrong.any():
        _refuse_first(row, col, num_rows, num_cols)
    ends = sizes.T.cumsum()  # part by part, and chunk by chunk within a part
    place = (ends - sizes.T.ravel()).reshape(parts, chunks).T.copy()
    bounds = np.append(place[0], len(r))
    keys = empty(len(r), dtype=np.uint32 if row_bits + col_bits <= 32 else np.uint64).numpy()
    given = np.empty(0) if weight is None else weight.contiguous().numpy()
    moved = empty(len(given), dtype=np.float64).numpy()
    run(_to_parts, chunks, chunks, r, c, given, shift, low, place, keys, moved, cost=len(r) // chunks)
    indptr, kept = np.zeros(num_rows + 1, dtype=np.int64), np.zeros(parts, dtype=np.int64)
    indices = empty(len(r), dtype=np.int32 if width == torch.int32 else np.int64)
    sums = empty(len(given), dtype=np.float64)
    run(_sort_parts, parts, bounds, keys, moved, shift, low, indptr, indices.numpy(), sums.numpy(), kept,
        cost=len(r) // parts)
    np.cumsum(indptr, out=indptr)
    if indptr[-1] < len(r):
        indices = _closed_up(indices, bounds, kept)
        sums = sums if weight is None else _closed_up(sums, bounds, kept)
    return torch.from_numpy(indptr), indices, None if weight is None else sums


def _key_bits(num_edges: int, num_rows: int, num_cols: int) -> tuple[int, int]:
    """Bits of a row within its part, and of a column."""
    bits, col_bits = max(num_rows - 1, 0).bit_length(), max(num_cols - 1, 0).bit_length()
    parts = (num_edges >> _PART).bit_length()
    short = bits + col_bits - 32  # with so many a key fits 32 bits, and half the memory
    if parts < short <= parts + 2:
        parts = short
    parts = min(parts, bits, _MOST_PARTS)
    return bits - parts, col_bits


def _closed_up(values: Tensor, bounds: Any, kept: Any) -> Tensor:
    """The first kept[p] values of each part, without the gaps that duplicates left."""
    begins = kept.cumsum() - kept
    whole = empty(int(kept.sum()), dtype=values.numpy().dtype.type)
    run(_close_up, len(kept), values.numpy(), bounds, kept, begins, whole.numpy(), cost=len(values) // len(kept))
    return whole


def _refuse_first(row: Tensor, col: Tensor, num_rows: int, num_cols: int) -> None:
    outside = (row < 0) | (row >= num_rows) | (col < 0) | (col >= num_cols)
    if bool(outside.any()):
        bad = int(outside.nonzero()[0])
        _refuse(int(row[bad]), int(col[bad]), bad, num_rows, num_cols)


def _refuse(row: int, col: int, edge: int, num_rows: int, num_cols: int) -> None:
    end, value, size = ("source", row, num_rows) if not 0 <= row < num_rows else ("destination", col, num_cols)
    raise ValueError(
        f"edge {edge} has {end} id {value}, outside [0, {size}); pass the right num_nodes, or remap the ids to 0 … N-1"
    )


def _build_csr_torch(
    row: Tensor, col: Tensor, num_rows: int, num_cols: int, weight: Tensor | None, width: torch.dtype
) -> tuple[Tensor, Tensor, Tensor | None]:
    _refuse_first(row, col, num_rows, num_cols)
    order = col.argsort(stable=True)
    order = order[row[order].argsort(stable=True)]
    source, target = row[order].long(), col[order].long()
    first = torch.ones(len(order), dtype=torch.bool, device=row.device)
    first[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    indptr = torch.zeros(num_rows + 1, dtype=torch.int64, device=row.device)
    indptr[1:] = torch.bincount(source[first], minlength=num_rows).cumsum(0)
    merged = None
    if weight is not None:
        merged = torch.zeros(int(first.sum()), dtype=torch.float64, device=row.device)
        merged.index_add_(0, first.cumsum(0) - 1, weight[order])
    return indptr, target[first].to(width), merged


@compiled
def _count(begin, end, chunks, row, col, num_rows, num_cols, shift, sizes, wrong):
    """How many edges of some chunks fall to each part, and whether an id is out of range."""
    last = np.uint64(num_rows - 1)
    for chunk in range(begin, end):
        size = sizes[chunk]
        most_row, most_col = np.uint64(0), np.uint64(0)
        for e in range(len(row) * chunk // chunks, len(row) * (chunk + 1) // chunks):
            r = np.uint64(row[e])  # a negative id is a huge one
            most_row = max(most_row, r)
            most_col = max(most_col, np.uint64(col[e]))
            size[min(r, last) >> shift] += 1
        wrong[chunk] = most_row > last or most_col >= np.uint64(num_cols)


@compiled
def _to_parts(begin, end, chunks, row, col, weight, shift, low, place, keys, moved):
    """Write the edges of some chunks to their parts, each as its row within the part before its column."""
    within = (_ONE << shift) - _ONE
    weighted = len(weight) > 0
    for chunk in range(begin, end):
        to = place[chunk]
        for e in range(len(row) * chunk // chunks, len(row) * (chunk + 1) // chunks):
            r = np.uint64(row[e])
            at = np.uint64(to[r >> shift])
            to[r >> shift] += 1
            keys[at] = ((r & within) << low) | np.uint64(col[e])
            if weighted:
                moved[at] = weight[e]


@compiled
def _sort_parts(begin, end, bounds, keys, moved, shift, low, indptr, indices, sums, kept):
    """Sort some parts, drop duplicates, and count the edges of each row into indptr[row + 1]."""
    bits = np.int64(shift + low)
    passes = max((bits + _DIGIT - 1) // _DIGIT, 1)
    digit = (bits + passes - 1) // passes
    place = np.empty((passes, 1 << digit), dtype=np.int64)
    most = np.int64(0)
    for part in range(begin, end):
        most = max(most, bounds[part + 1] - bounds[part])
    spare_keys, spare_weights = np.empty(most, dtype=keys.dtype), np.empty(most if len(moved) > 0 else 0)
    column, none = (_ONE << low) - _ONE, np.uint64(0xFFFFFFFFFFFFFFFF)
    for part in range(begin, end):
        first, size = bounds[part], bounds[part + 1] - bounds[part]
        _count_digits(keys[first : first + size], digit, place)
        now, other = keys[first : first + size], spare_keys[:size]
        weight, other_weight = moved[first : first + size], spare_weights[:size]
        for p in range(passes):
            _by_digit(now, weight, np.uint64(p * digit), place[p], other, other_weight)
            now, other = other, now
            weight, other_weight = other_weight, weight
        at, before, base = first, none, (part << np.int64(shift)) + 1
        for i in range(size):
            key = np.uint64(now[i])
            if key != before or i == 0:
                indices[at] = key & column
                indptr[base + np.int64(key >> low)] += 1
                if len(moved) > 0:
                    sums[at] = weight[i]
                at += 1
            elif len(moved) > 0:
                sums[at - 1] += weight[i]
            before = key
        kept[part] = at - first


@compiled
def _count_digits(keys, digit, place):
    """Where each value of each digit begins in the order by that digit: [digits, 2^digit], from the lowest digit."""
    mask = np.uint64(place.shape[1] - 1)
    place[:] = 0
    for i in range(len(keys)):
        for p in range(place.shape[0]):
            place[p, (np.uint64(keys[i]) >> np.uint64(p * digit)) & mask] += 1
    for p in range(place.shape[0]):
        total = np.int64(0)
        for value in range(place.shape[1]):
            size = place[p, value]
            place[p, value] = total
            total += size


@compiled
def _by_digit(keys, weight, shift, place, ordered, ordered_weight):
    """Bring keys, and their weights if there are any, into the order of one digit; equal ones keep theirs."""
    mask = np.uint64(len(place) - 1)
    if len(weight) == 0:
        for i in range(len(keys)):
            value = (np.uint64(keys[i]) >> shift) & mask
            at = np.uint64(place[value])
            place[value] += 1
            ordered[at] = keys[i]
        return
    for i in range(len(keys)):
        value = (np.uint64(keys[i]) >> shift) & mask
        at = np.uint64(place[value])
        place[value] += 1
        ordered[at] = keys[i]
        ordered_weight[at] = weight[i]


@compiled
def _close_up(begin, end, values, bounds, kept, begins, whole):
    for part in range(begin, end):
        for i in range(kept[part]):
            whole[begins[part] + i] = values[bounds[part] + i]
