"""Sampling a few neighbours of each node, for mini-batches: uniform or weighted, with or without replacement.

Slot j of a row's stream gives its j-th draw. Without replacement a row of at most `fanout` neighbours is taken whole;
longer ones by Floyd's algorithm (every subset equally likely), or, weighted, one after another in proportion to the
weights that are left, which are integers, so both versions agree exactly.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import GOLDEN, compiled, prefetch, word_at
from graphns.kernels.bits import bounded as _bounded
from graphns.kernels.memory import empty
from graphns.kernels.threads import run
from graphns.kernels.walks import find_above, first_above, row_totals
from graphns.streams import bounded, words_at


def neighbor_positions(
    indptr: Tensor, rows: Tensor, row_keys: Tensor, fanout: int, replace: bool = False, cumulative: Tensor | None = None
) -> Tensor:
    """Positions in `indices` of `fanout` neighbours of each row.

    Args:
        indptr: [R + 1] int64 row starts.
        rows: [B] int64.
        row_keys: [B] int64 from `Stream.row_keys`.
        fanout: neighbours per row, at least 1.
        replace: whether a neighbour may come twice.
        cumulative: `cumulative_weights(indptr, weight)`; None: uniform.

    Returns:
        [B, fanout] int64; -1 where a row has no more neighbours, or, if it is not taken whole, none of positive weight.
    """
    if indptr.device.type != "cpu":
        return neighbor_positions_torch(indptr, rows, row_keys, fanout, replace, cumulative)
    positions = empty(len(rows), fanout)
    weights = np.empty(0, dtype=np.int64) if cumulative is None else cumulative.numpy()
    run(_neighbor_positions, len(rows), indptr.numpy(), weights, rows.numpy(), row_keys.numpy(), replace,
        positions.numpy(), cost=2 * fanout)
    return positions


def neighbor_positions_torch(
    indptr: Tensor, rows: Tensor, row_keys: Tensor, fanout: int, replace: bool = False, cumulative: Tensor | None = None
) -> Tensor:
    """The definition, on any device: all rows draw their j-th neighbour together."""
    first, stop = indptr[rows], indptr[rows + 1]
    degree = stop - first
    words = words_at(row_keys, fanout)
    none = torch.full_like(words, -1)
    if replace:
        if cumulative is None:
            return torch.where((degree > 0)[:, None], first[:, None] + bounded(words, degree[:, None]), none)
        total = row_totals(cumulative, first, stop)
        found = first_above(cumulative, first[:, None].expand_as(words), stop[:, None].expand_as(words),
                            bounded(words, total[:, None]))
        return torch.where((total > 0)[:, None], found, none)
    place = torch.arange(fanout, device=rows.device)
    positions = torch.where(place < degree[:, None], first[:, None] + place, none)  # whole rows
    long = degree > fanout
    if cumulative is not None:
        return torch.where(long[:, None], _weighted_without_torch(words, first, stop, cumulative), positions)
    for j in range(fanout):  # Floyd: a draw below limit, or limit - 1 if it was drawn before
        limit = degree - fanout + j + 1
        drawn = first + bounded(words[:, j], limit.clamp(min=1))
        taken = (positions[:, :j] == drawn[:, None]).any(1)
        positions[:, j] = torch.where(long, torch.where(taken, first + limit - 1, drawn), positions[:, j])
    return positions


def _weighted_without_torch(words: Tensor, first: Tensor, stop: Tensor, cumulative: Tensor) -> Tensor:
    fanout = words.shape[1]
    total = row_totals(cumulative, first, stop)
    positions = torch.full_like(words, -1)
    # what was drawn so far, in rising order: where its weights begin, and how much they are
    begins = torch.full_like(words, torch.iinfo(torch.int64).max)
    sizes = torch.zeros_like(words)
    for j in range(fanout):
        value = bounded(words[:, j], total)
        for i in range(j):
            value = torch.where(begins[:, i] <= value, value + sizes[:, i], value)
        at = first_above(cumulative, first, stop, value).clamp(max=max(len(cumulative) - 1, 0))
        if len(cumulative) == 0:
            return positions
        open_ = total > 0
        begin = torch.where(at > first, cumulative[(at - 1).clamp(min=0)], 0)
        own = torch.where(open_, cumulative[at] - begin, 0)
        positions[:, j] = torch.where(open_, at, -1)
        total = total - own
        begins[:, j] = torch.where(open_, begin, begins[:, j])
        sizes[:, j] = own
        begins, order = begins.sort(1)  # two alike are both unused
        sizes = sizes.gather(1, order)
    return positions


def edges_at(positions: Tensor, indices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The drawn edges, row by row: what `neighbor_positions` gave, without the empty slots.

    Args:
        positions: [B, fanout] int64, -1 where there is none.
        indices: [E] int32 or int64.

    Returns:
        positions [e], the row of each in [0, B) and its entry of `indices`, all int64.
    """
    if positions.device.type != "cpu":
        return edges_at_torch(positions, indices)
    edge, owner, found = (empty(positions.numel()) for _ in range(3))
    size = _edges_at(positions.numpy(), indices.numpy(), edge.numpy(), owner.numpy(), found.numpy())
    return edge[:size], owner[:size], found[:size]


def edges_at_torch(positions: Tensor, indices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The definition, on any device."""
    kept = positions >= 0
    edge = positions[kept]
    return edge, kept.nonzero()[:, 0], indices[edge].long()


def taken(values: Tensor, positions: Tensor) -> Tensor:
    """`values[positions]` [e] as int64; on the CPU, the lines of a long table are asked for ahead.

    Args:
        values: [E] int32 or int64.
        positions: [e] int64, all in [0, E).
    """
    if positions.device.type != "cpu":
        return values[positions].long()
    out = empty(len(positions))
    run(_taken, len(positions), values.numpy(), positions.numpy(), out.numpy())
    return out


def relabel(nodes: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct values of `nodes` [n] in order of first appearance, and the place of each node among them [n]."""
    if nodes.device.type != "cpu":
        return relabel_torch(nodes)
    distinct, local = empty(len(nodes)), empty(len(nodes))
    table = empty(1 << max(2 * len(nodes) - 1, 1).bit_length(), dtype=np.int32)
    size = _relabel(nodes.numpy(), table.numpy(), distinct.numpy(), local.numpy())
    return distinct[:size].clone(), local


def relabel_torch(nodes: Tensor) -> tuple[Tensor, Tensor]:
    """The definition, on any device."""
    values, inverse = torch.unique(nodes, return_inverse=True)
    place = torch.arange(len(nodes), device=nodes.device)
    seen = torch.full_like(values, len(nodes)).scatter_reduce_(0, inverse, place, "amin")
    order = seen.argsort()
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=nodes.device)
    return values[order], rank[inverse]


@compiled
def _edges_at(positions, indices, edge, owner, found):
    size = 0
    for b in range(positions.shape[0]):
        if b + 8 < positions.shape[0]:
            for at in positions[b + 8]:
                if at >= 0:
                    prefetch(indices, at)
        for at in positions[b]:
            if at >= 0:
                edge[size], owner[size], found[size] = at, b, indices[at]
                size += 1
    return size


@compiled
def _taken(begin, end, values, positions, out):
    for i in range(begin, end):
        if i + 16 < end:
            prefetch(values, positions[i + 16])
        out[i] = values[positions[i]]


@compiled
def _relabel(nodes, table, distinct, local):
    capacity, bits = table.shape[0], 0
    while 1 << bits < capacity:
        bits += 1
    shift = np.uint64(64 - bits)
    table[:] = -1
    size = 0
    for i in range(nodes.shape[0]):
        if i + 8 < nodes.shape[0]:
            prefetch(table, np.int64((np.uint64(nodes[i + 8]) * GOLDEN) >> shift))
        place = np.int64((np.uint64(nodes[i]) * GOLDEN) >> shift)
        while table[place] >= 0 and distinct[table[place]] != nodes[i]:
            place = (place + 1) & (capacity - 1)
        if table[place] < 0:
            table[place] = size
            distinct[size] = nodes[i]
            size += 1
        local[i] = table[place]
    return size


@compiled
def _skipping(begins, sizes, count, value):
    """`value` moved past the weights that are gone; they stand in rising order of where they begin."""
    for i in range(count):
        if begins[i] <= value:
            value += sizes[i]
    return value


@compiled
def _neighbor_positions(begin, end, indptr, cumulative, rows, row_keys, replace, positions):
    fanout = positions.shape[1]
    begins, sizes = np.empty(fanout, dtype=np.int64), np.empty(fanout, dtype=np.int64)
    weighted = cumulative.shape[0] > 0
    for b in range(begin, end):
        if b + 16 < end:
            prefetch(indptr, rows[b + 16])
        first, stop = indptr[rows[b]], indptr[rows[b] + 1]
        degree = stop - first
        total = degree
        if weighted:
            total = cumulative[stop - 1] if degree > 0 else 0
        if not replace and degree <= fanout:
            for j in range(fanout):
                positions[b, j] = first + j if j < degree else -1
            continue
        for j in range(fanout):
            if total == 0:
                positions[b, j] = -1
                continue
            word = word_at(row_keys[b], j)
            if not weighted and replace:
                positions[b, j] = first + _bounded(word, degree)
            elif not weighted:
                limit = degree - fanout + j + 1
                drawn = first + _bounded(word, limit)
                for i in range(j):
                    if positions[b, i] == drawn:
                        drawn = first + limit - 1
                        break
                positions[b, j] = drawn
            elif replace:
                positions[b, j] = find_above(cumulative, first, stop, _bounded(word, total))
            else:
                at = find_above(cumulative, first, stop, _skipping(begins, sizes, j, _bounded(word, total)))
                low = cumulative[at - 1] if at > first else 0
                own = cumulative[at] - low
                positions[b, j] = at
                total -= own
                i = j - 1
                while i >= 0 and begins[i] > low:
                    begins[i + 1], sizes[i + 1] = begins[i], sizes[i]
                    i -= 1
                begins[i + 1], sizes[i + 1] = low, own
