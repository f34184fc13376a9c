"""Random walks of the second order (node2vec), with exact probabilities and no rejection.

From v, having come from t, neighbour x has weight w(v, x) times 1/p if x = t, 1 if t leads to x, and 1/q otherwise. The
draw is one integer below the row's total weight, located along the row. Without edge weights only the positions of t
and of the common neighbours matter, so the compiled loop scans the shorter of the two rows and never the longer.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import bounded as _bounded
from graphns.kernels.bits import compiled, prefetch, word_at
from graphns.kernels.bits import unit as _unit
from graphns.kernels.membership import find, in_rows_torch
from graphns.kernels.threads import run
from graphns.kernels.walks import step_position
from graphns.streams import bounded, unit, words_at

UNIT = 2**24
"""The largest of 1/p, 1, 1/q in fixed point; times the weight of a row, 2^37, it stays below 2^62."""


def second_order(p: float, q: float) -> tuple[int, int, int]:
    """(1/p, 1, 1/q) in fixed point, the largest 2^24: for the node before, a common neighbour, any other."""
    exact = (1 / p, 1.0, 1 / q)
    back, common, other = (max(1, round(each / max(exact) * UNIT)) for each in exact)
    return back, common, other


def walk_second_order(
    indptr: Tensor, indices: Tensor, start: Tensor, row_keys: Tensor, length: int, p: float, q: float,
    restart: float = 0.0, cumulative: Tensor | None = None,
) -> Tensor:
    """One node2vec walk from each start [B]: [B, length + 1] int64.

    The first step, and the step after a restart, is of the first order. Slots as in `kernels.walks`.
    """
    bias = second_order(p, q)
    if indptr.device.type != "cpu":
        return walk_second_order_torch(indptr, indices, start, row_keys, length, bias, restart, cumulative)
    nodes = torch.empty((len(start), length + 1), dtype=torch.int64)
    weights = np.empty(0, dtype=np.int64) if cumulative is None else cumulative.numpy()
    run(_walk_second_order, len(start), indptr.numpy(), indices.numpy(), weights, start.numpy(), row_keys.numpy(),
        float(restart), *bias, nodes.numpy(), cost=length * 8)
    return nodes


def walk_second_order_torch(
    indptr: Tensor, indices: Tensor, start: Tensor, row_keys: Tensor, length: int, bias: tuple[int, int, int],
    restart: float = 0.0, cumulative: Tensor | None = None,
) -> Tensor:
    """The definition, on any device: every weight of every row at hand, summed along the row."""
    back, common, other = bias
    words = words_at(row_keys, 2 * length)
    nodes = start.new_empty((len(start), length + 1))
    nodes[:, 0] = node = start
    before = torch.full_like(start, -1)
    for step in range(length):
        first, degree = indptr[node], indptr[node + 1] - indptr[node]
        owner = torch.repeat_interleave(torch.arange(len(node), device=node.device), degree)
        offset = degree.cumsum(0) - degree
        at = torch.arange(len(owner), device=node.device) - offset[owner] + first[owner]
        found = indices[at].long()
        known = in_rows_torch(indptr, indices, before[owner], found[:, None])[:, 0]
        factor = torch.where(found == before[owner], back, torch.where(known, common, other))
        factor = torch.where(before[owner] < 0, UNIT, factor)
        if cumulative is not None:
            inside = at > first[owner]
            factor = factor * (cumulative[at] - torch.where(inside, cumulative[at - 1], 0))
        running = torch.zeros(len(owner) + 1, dtype=torch.int64, device=node.device)
        running[1:] = factor.cumsum(0)
        sums = running[1:] - running[offset[owner]]
        total = running[offset + degree] - running[offset]
        drawn = bounded(words[:, 2 * step], total)
        passed = torch.zeros_like(node).index_add_(0, owner, (sums <= drawn[owner]).long())
        moves = total > 0
        following = node
        if len(indices):
            following = torch.where(moves, indices[(first + passed).clamp(max=len(indices) - 1)].long(), node)
        before = torch.where(moves, node, before)
        if restart > 0:
            again = unit(words[:, 2 * step + 1]) < restart
            following, before = torch.where(again, start, following), torch.where(again, -1, before)
        node = following
        nodes[:, step + 1] = node
    return nodes


@compiled
def _along_row(indptr, indices, cumulative, node, before, word, back, common, other):
    """Position of the next node when the row has weights: one scan to add up, one to locate."""
    first, stop = indptr[node], indptr[node + 1]
    low, high = indptr[before], indptr[before + 1]
    total, drawn = 0, -1
    for turn in range(2):
        if turn == 1:
            if total == 0:
                return -1
            drawn, total = _bounded(word, total), 0
        for at in range(first, stop):
            x = indices[at]
            if x == before:
                factor = back
            else:
                where = find(indices, low, high, x)
                factor = common if where < high and indices[where] == x else other
            total += factor * (cumulative[at] - (cumulative[at - 1] if at > first else 0))
            if turn == 1 and total > drawn:
                return at
    return -1


@compiled
def _special(indices, position, first, stop, low, high, before):
    """Fill `position` with where, in the row first:stop, `before` and the row low:high stand; their number.

    The scan goes along the shorter row, so `position` needs its length plus one.
    """
    size = 0
    if stop - first <= high - low:
        for at in range(first, stop):
            x = indices[at]
            if x != before:
                where = find(indices, low, high, x)
                if where >= high or indices[where] != x:
                    continue
            position[size] = at
            size += 1
        return size
    own = find(indices, first, stop, before)
    own = own if own < stop and indices[own] == before else stop
    from_here = first
    for other in range(low, high):
        x = indices[other]
        from_here = find(indices, from_here, stop, x)
        if own < stop and own <= from_here:
            position[size] = own
            size += 1
            own = stop
        if from_here < stop and indices[from_here] == x and x != before:
            position[size] = from_here
            size += 1
    if own < stop:
        position[size] = own
        size += 1
    return size


@compiled
def _locate(indices, position, size, first, stop, before, word, back, common, other):
    """The position drawn when every weight is one of three: between special positions they are all `other`."""
    total = (stop - first - size) * other
    for i in range(size):
        total += back if indices[position[i]] == before else common
    drawn = _bounded(word, total)
    reached = first
    for i in range(size):
        gap = (position[i] - reached) * other
        if drawn < gap:
            return reached + drawn // other
        drawn -= gap
        own = back if indices[position[i]] == before else common
        if drawn < own:
            return position[i]
        drawn -= own
        reached = position[i] + 1
    return reached + drawn // other


@compiled
def _walk_second_order(begin, end, indptr, indices, cumulative, start, row_keys, restart, back, common, other, nodes):
    position = np.empty(64, dtype=np.int64)
    for b in range(begin, end):
        node, before = start[b], -1
        nodes[b, 0] = node
        for step in range(nodes.shape[1] - 1):
            if restart > 0 and _unit(word_at(row_keys[b], 2 * step + 1)) < restart:
                node, before = start[b], -1
                nodes[b, step + 1] = node
                continue
            word = word_at(row_keys[b], 2 * step)
            first, stop = indptr[node], indptr[node + 1]
            if before < 0 or stop == first:
                at = step_position(indptr, cumulative, node, word)
            elif cumulative.shape[0] > 0:
                at = _along_row(indptr, indices, cumulative, node, before, word, back, common, other)
            else:
                low, high = indptr[before], indptr[before + 1]
                room = min(stop - first, high - low) + 1
                if room > position.shape[0]:
                    position = np.empty(2 * room, dtype=np.int64)
                size = _special(indices, position, first, stop, low, high, before)
                at = _locate(indices, position, size, first, stop, before, word, back, common, other)
            if at >= 0:
                before = node
                node = np.int64(indices[at])
                prefetch(indptr, node)
            nodes[b, step + 1] = node
