"""Weighted draws outside a sorted row, with no rejection.

With W(j) the weight before id j and X(i) the weight of the row's ids before its i-th, the keys W(n_i) - X(i) never
fall. A number t below the weight left outside the row passes i = #{i : W(n_i) - X(i) <= t} excluded ids, and belongs to
the id that holds t + X(i) in W. A further excluded id is skipped likewise: it holds an interval of the numbers outside
the row, and t jumps over it. Weights are integers, so keys are monotone and searches exact at any size, on every
device. Keys are held, 8 bytes an edge: to sum up a row again for each query costs as much as five draws where rows have
80 ids, and grows with them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import bounded as _bounded
from graphns.kernels.bits import compiled, prefetch, word_at
from graphns.kernels.guide import Guide, build_guide, guided, search_torch
from graphns.kernels.membership import count_torch, find, in_rows_torch
from graphns.kernels.memory import empty
from graphns.kernels.threads import run
from graphns.streams import bounded, words_at


def fixed_point(weights: Tensor) -> Tensor:
    """Weights [N] float, finite and >= 0, as int64 [N] in proportion, summing to between 2^59 and 2^61.

    The sum is made little more than N times a power of two, for which `kernels.alias` needs the smallest table. Every
    step is exact or rounds one number alone, so the result is the same on every device. A positive weight never becomes
    0; zero stays zero and is never drawn. If all are zero, so is the result.
    """
    weights = weights.to(torch.float64)
    if len(weights) == 0 or float(weights.max()) == 0:
        return torch.zeros(len(weights), dtype=torch.int64, device=weights.device)
    exponent = int(torch.frexp(weights.max()).exponent)
    # in halves: 2^exponent itself may lie outside float64
    shares = weights * 2.0 ** -(exponent // 2) * 2.0 ** -(exponent - exponent // 2)
    num = len(weights)
    # the sum of integers has no order, unlike that of floats: it says how much room the first scale leaves
    scale = 2.0 ** (60 - num.bit_length())
    wanted = num * 2.0 ** (60 - num.bit_length()) * (1 + 2.0**-20)
    scale *= wanted / int((shares * scale).round().long().sum())
    return (shares * scale).round().long().clamp(min=1) * (weights > 0)


def cumulative_weights(fixed: Tensor) -> Tensor:
    """W [N + 1] int64: the weight before each id; the last entry is the total."""
    # on the CPU in huge pages: it is read at random places
    before = empty(len(fixed) + 1) if fixed.device.type == "cpu" else fixed.new_empty(len(fixed) + 1)
    before[0] = 0
    torch.cumsum(fixed, 0, out=before[1:])
    return before


def weighted_keys(indptr: Tensor, indices: Tensor, cumulative: Tensor) -> Tensor:
    """The keys W(n_i) - X(i) of every row [E] int64, rising within rows: 8 bytes an edge."""
    if indptr.device.type != "cpu":
        columns = indices.long()
        before = cumulative[columns]
        # differences within a row are right even where the sum over all rows wraps around
        passed = torch.zeros(len(columns) + 1, dtype=torch.int64, device=indptr.device)
        torch.cumsum(cumulative[columns + 1] - before, 0, out=passed[1:])
        start = torch.repeat_interleave(passed[indptr[:-1]], indptr.diff())
        return before - (passed[:-1] - start)
    keys = empty(len(indices))
    run(_weighted_keys, len(indptr) - 1, indptr.numpy(), indices.numpy(), cumulative.numpy(), keys.numpy(),
        cost=1 + len(indices) // max(len(indptr) - 1, 1))
    return keys


def complement_weighted(
    indptr: Tensor, indices: Tensor, rows: Tensor, extra: Tensor, cumulative: Tensor, row_keys: Tensor, k: int,
    keys: Tensor | None = None, guide: Guide | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw k ids per row, in proportion to their weights, outside the row and `extra`, with replacement.

    Args:
        indptr: [R + 1] int64 row starts.
        indices: [E] int32 or int64, each row sorted and without duplicates.
        rows: [B] int64 row of each query; -1 means an empty row.
        extra: [B, m] int64 with m <= 2: further ids to exclude, in the row or not; -1 for none.
        cumulative: [N + 1] int64 from `cumulative_weights`.
        row_keys: [B] int64 from `Stream.row_keys`.
        k: draws per row; 0 to ask for the weight left alone.
        keys: `weighted_keys(indptr, indices, cumulative)` if at hand; computed otherwise.
        guide: `build_guide(cumulative)` if at hand; computed otherwise.

    Returns:
        ids [B, k] int64 and the weight left to each row [B] int64; where that is 0, ids are 0.
    """
    if extra.shape[1] > 2:
        raise ValueError(f"at most 2 further exclusions per row, got {extra.shape[1]}")
    keys = weighted_keys(indptr, indices, cumulative) if keys is None else keys
    if indptr.device.type != "cpu":
        return complement_weighted_torch(indptr, indices, keys, rows, extra, cumulative, row_keys, k)
    guide = build_guide(cumulative) if guide is None else guide
    ids = empty(len(rows), k)
    left = empty(len(rows))
    run(_complement_weighted, len(rows), indptr.numpy(), indices.numpy(), keys.numpy(), rows.numpy(), extra.numpy(),
        cumulative.numpy(), guide.start.numpy(), guide.shift, row_keys.numpy(), ids.numpy(), left.numpy(), cost=k + 2)
    return ids, left


def complement_weighted_torch(
    indptr: Tensor, indices: Tensor, keys: Tensor, rows: Tensor, extra: Tensor, cumulative: Tensor, row_keys: Tensor,
    k: int, first_slot: int = 0,
) -> tuple[Tensor, Tensor]:
    """The definition, on any device: all binary searches advance together."""
    start, _ = row_spans(indptr, rows)
    place, size, left = skips_torch(indptr, indices, keys, rows, extra, cumulative)
    at = bounded(words_at(row_keys, k, first_slot), left[:, None])
    for s in range(place.shape[1]):
        at = at + torch.where(at >= place[:, s, None], size[:, s, None], 0)
    at = at + passed_torch(indices, keys, start, count_torch(indptr, keys, rows, at + 1), cumulative)
    return torch.where((left > 0)[:, None], search_torch(cumulative, at), 0), left


def row_spans(indptr: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Start and length [B] int64 of each row; a row of -1 is empty."""
    at = rows.clamp(min=0)
    start = indptr[at]
    end = indptr[(at + 1).clamp(max=len(indptr) - 1)]  # a matrix without rows has no second entry
    return start, torch.where(rows < 0, 0, end - start)


def passed_torch(indices: Tensor, keys: Tensor, start: Tensor, count: Tensor, cumulative: Tensor) -> Tensor:
    """X(count): the weight [B, m] of the first `count` [B, m] ids of each row."""
    if len(keys) == 0:
        return torch.zeros_like(count)
    at = (start[:, None] + count - 1).clamp(min=0)
    return torch.where(count > 0, cumulative[indices[at].long() + 1] - keys[at], 0)


def skips_torch(
    indptr: Tensor, indices: Tensor, keys: Tensor, rows: Tensor, extra: Tensor, cumulative: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Where among the numbers outside the row each further excluded id stands, its weight, and the weight left."""
    start, degree = row_spans(indptr, rows)
    num = len(cumulative) - 1
    extra = extra.sort(1).values
    further = (extra >= 0) & (extra < num) & ~in_rows_torch(indptr, indices, rows, extra)
    further[:, 1:] &= extra[:, 1:] != extra[:, :-1]
    inside = extra.clamp(0, num - 1)
    count = count_torch(indptr, indices, rows, inside)
    size = torch.where(further, cumulative[inside + 1] - cumulative[inside], 0)
    place = cumulative[inside] - passed_torch(indices, keys, start, count, cumulative)
    row_weight = passed_torch(indices, keys, start, degree[:, None], cumulative)[:, 0]
    return place, size, cumulative[-1] - row_weight - size.sum(1)


@compiled
def _weighted_keys(begin, end, indptr, indices, cumulative, keys):
    for r in range(begin, end):
        passed = np.int64(0)
        for e in range(indptr[r], indptr[r + 1]):
            before = cumulative[indices[e]]
            keys[e] = before - passed
            passed += cumulative[indices[e] + 1] - before


@compiled
def passed_weight(indices, keys, start, count, cumulative):
    """X(count): the weight of the first `count` ids of the row that begins at `start`."""
    if count == 0:
        return np.int64(0)
    return cumulative[indices[start + count - 1] + 1] - keys[start + count - 1]


@compiled
def num_passed(keys, start, stop, value):
    """#{i : keys[start + i] <= value} in the sorted keys[start:stop]."""
    low, size = start, stop - start
    while size > 0:
        half = size >> 1
        passed = keys[low + half] <= value
        low = low + half + 1 if passed else low
        size = size - half - 1 if passed else half
    return low - start


@compiled
def skips(indices, keys, start, stop, extra, cumulative, place, size):
    """Write where each further excluded id of a row stands, and its weight, by rising place; the weight left."""
    left = cumulative[-1] - passed_weight(indices, keys, start, stop - start, cumulative)
    for s in range(extra.shape[0]):
        value = extra[s]
        place[s], size[s] = 0, 0
        if value < 0 or value >= cumulative.shape[0] - 1 or (s > 0 and value == extra[0]):
            continue
        at = find(indices, start, stop, value)
        if at < stop and indices[at] == value:
            continue
        place[s] = cumulative[value] - passed_weight(indices, keys, start, at - start, cumulative)
        size[s] = cumulative[value + 1] - cumulative[value]
        left -= size[s]
    # a skip of no weight may stand anywhere
    if extra.shape[0] == 2 and size[0] > 0 and size[1] > 0 and place[1] < place[0]:
        place[0], place[1] = place[1], place[0]
        size[0], size[1] = size[1], size[0]
    return left


@compiled
def _complement_weighted(
    begin, end, indptr, indices, keys, rows, extra, cumulative, guide, shift, row_keys, ids, left
):
    k, ahead = ids.shape[1], 8
    place, size = np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int64)
    num_skips = extra.shape[1]
    # two passes over a block of rows, so that the cold lines of the weight table arrive while the draws run
    block = max(64 // max(k, 1), 1)
    for low in range(begin, end, block):
        high = min(low + block, end)
        for b in range(low, high):
            if b + 2 * ahead < end:
                prefetch(indptr, max(rows[b + 2 * ahead], 0))
            if b + ahead < end and rows[b + ahead] >= 0 and indptr[rows[b + ahead]] < indptr[rows[b + ahead] + 1]:
                near = rows[b + ahead]
                prefetch(keys, (indptr[near] + indptr[near + 1]) >> 1)
                prefetch(indices, (indptr[near] + indptr[near + 1]) >> 1)
            start, stop = np.int64(0), np.int64(0)
            if rows[b] >= 0:
                start, stop = indptr[rows[b]], indptr[rows[b] + 1]
            left[b] = skips(indices, keys, start, stop, extra[b], cumulative, place, size)
            for j in range(k):
                if left[b] == 0:
                    ids[b, j] = 0
                    continue
                at = _bounded(word_at(row_keys[b], j), left[b])
                for s in range(num_skips):
                    if at >= place[s]:
                        at += size[s]
                at += passed_weight(indices, keys, start, num_passed(keys, start, stop, at), cumulative)
                prefetch(guide, at >> shift)
                ids[b, j] = at
        for b in range(low, high):
            if left[b] > 0:
                for j in range(k):
                    ids[b, j] = guided(cumulative, guide, shift, ids[b, j])
