"""Random walks of the second order (node2vec), with exact probabilities and a bounded number of steps.

From v, having come from t, neighbour x has weight w(v, x) times 1/p if x = t, 1 if t leads to x, and 1/q otherwise. A
trial draws an integer below w(v) m + e, where m = max(1, 1/q) and e is what 1/p adds to t's weight above m: the last e
mean t, any other names a neighbour and a height under m, and counts if the height is below the neighbour's factor. So
at least min(q, 1/q) of the trials count. After 16 that do not, the row is scanned and one draw decides. Either way the
probabilities are exact, and nothing can loop for long.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import bounded as _bounded
from graphns.kernels.bits import compiled, prefetch, word_at
from graphns.kernels.bits import unit as _unit
from graphns.kernels.membership import find, in_rows_torch
from graphns.kernels.memory import empty
from graphns.kernels.threads import run
from graphns.kernels.walks import find_above, first_above, row_totals, step_position
from graphns.streams import bounded, unit, words_at

TRIALS = 16
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

    The first step, and the step after a restart, is of the first order. Slots as in `kernels.walks`; the word of a
    step is the key of its own sequence, one word a trial.
    """
    bias = second_order(p, q)
    if indptr.device.type != "cpu":
        return walk_second_order_torch(indptr, indices, start, row_keys, length, bias, restart, cumulative)
    nodes = empty(len(start), length + 1)
    weights = np.empty(0, dtype=np.int64) if cumulative is None else cumulative.numpy()
    run(_walk_second_order, len(start), indptr.numpy(), indices.numpy(), weights, start.numpy(), row_keys.numpy(),
        float(restart), *bias, nodes.numpy(), cost=length * 8)
    return nodes


def walk_second_order_torch(
    indptr: Tensor, indices: Tensor, start: Tensor, row_keys: Tensor, length: int, bias: tuple[int, int, int],
    restart: float = 0.0, cumulative: Tensor | None = None,
) -> Tensor:
    """The definition, on any device: all walks advance together, trial by trial."""
    words = words_at(row_keys, 2 * length)
    nodes = start.new_empty((len(start), length + 1))
    nodes[:, 0] = node = start
    before = torch.full_like(start, -1)
    for step in range(length):
        at = _position_torch(indptr, indices, cumulative, node, before, words[:, 2 * step], bias)
        moves = at >= 0
        following = torch.where(moves, indices[at.clamp(min=0)].long(), node) if len(indices) else node
        before = torch.where(moves, node, before)
        if restart > 0:
            again = unit(words[:, 2 * step + 1]) < restart
            following, before = torch.where(again, start, following), torch.where(again, -1, before)
        node = following
        nodes[:, step + 1] = node
    return nodes


def _position_torch(
    indptr: Tensor, indices: Tensor, cumulative: Tensor | None, node: Tensor, before: Tensor, word: Tensor,
    bias: tuple[int, int, int],
) -> Tensor:
    """Where in `indices` [B] the next nodes stand; -1 for those that stay."""
    back, common, other = bias
    most = max(common, other)
    first, stop = indptr[node], indptr[node + 1]
    weight = stop - first if cumulative is None else row_totals(cumulative, first, stop)

    def located(value: Tensor) -> Tensor:
        return first + value if cumulative is None else first_above(cumulative, first, stop, value)

    at = torch.where(weight > 0, located(bounded(word, weight)), -1)  # of the first order
    open_ = (before >= 0) & (weight > 0)
    if not bool(open_.any()):
        return at
    home = first_above(indices, first, stop, before - 1)
    is_home = (home < stop) & (indices[home.clamp(max=len(indices) - 1)] == before)
    own = is_home.long()
    if cumulative is not None:
        own = torch.where(is_home, _weight_at(cumulative, home.clamp(max=len(indices) - 1), first), 0)
    high = weight * most + own * max(back - most, 0)
    for trial in range(TRIALS):
        drawn = bounded(words_at(word, 1, trial)[:, 0], high)
        position = torch.where(drawn < weight * most, located((drawn // most).clamp(max=weight - 1)), home)
        position = position.clamp(max=len(indices) - 1)
        found = indices[position].long()
        known = in_rows_torch(indptr, indices, before, found[:, None])[:, 0]
        factor = torch.where(found == before, min(back, most), torch.where(known, common, other))
        counts = open_ & ((drawn >= weight * most) | (drawn % most < factor))
        at = torch.where(counts, position, at)
        open_ = open_ & ~counts
        if not bool(open_.any()):
            return at
    rest = open_.nonzero()[:, 0]
    last_word = words_at(word[rest], 1, TRIALS)[:, 0]
    at[rest] = _scan_torch(indptr, indices, cumulative, node[rest], before[rest], last_word, bias)
    return at


def _scan_torch(
    indptr: Tensor, indices: Tensor, cumulative: Tensor | None, node: Tensor, before: Tensor, word: Tensor,
    bias: tuple[int, int, int],
) -> Tensor:
    """As `_position_torch` for rows whose trials are used up: every weight of every row at hand."""
    back, common, other = bias
    first, degree = indptr[node], indptr[node + 1] - indptr[node]
    owner = torch.repeat_interleave(torch.arange(len(node), device=node.device), degree)
    offset = degree.cumsum(0) - degree
    at = torch.arange(len(owner), device=node.device) - offset[owner] + first[owner]
    found = indices[at].long()
    known = in_rows_torch(indptr, indices, before[owner], found[:, None])[:, 0]
    factor = torch.where(found == before[owner], back, torch.where(known, common, other))
    if cumulative is not None:
        factor = factor * _weight_at(cumulative, at, first[owner])
    running = torch.zeros(len(owner) + 1, dtype=torch.int64, device=node.device)
    running[1:] = factor.cumsum(0)  # may wrap over many rows; differences within a row are exact
    sums = running[1:] - running[offset[owner]]
    drawn = bounded(word, running[offset + degree] - running[offset])
    return first + torch.zeros_like(node).index_add_(0, owner, (sums <= drawn[owner]).long())


def _weight_at(cumulative: Tensor, at: Tensor, first: Tensor) -> Tensor:
    return cumulative[at] - torch.where(at > first, cumulative[(at - 1).clamp(min=0)], 0)


@compiled
def _weight(cumulative, at, first):
    """The weight of one edge; 1 without weights."""
    if cumulative.shape[0] == 0:
        return 1
    return cumulative[at] - (cumulative[at - 1] if at > first else 0)


@compiled
def _factor(indices, low, high, before, x, back, common, other):
    """What multiplies the weight of neighbour x when the walk came from `before`, whose row is low:high."""
    if x == before:
        return back
    where = find(indices, low, high, x)
    return common if where < high and indices[where] == x else other


@compiled
def _second_order_position(indptr, indices, cumulative, node, before, word, back, common, other):
    first, stop = indptr[node], indptr[node + 1]
    low, high = indptr[before], indptr[before + 1]
    total = 0
    if stop > first:
        total = stop - first if cumulative.shape[0] == 0 else cumulative[stop - 1]
    if total == 0:
        return -1
    most = max(common, other)
    home = -1
    excess = 0
    if back > most:
        home = find(indices, first, stop, before)
        if home < stop and indices[home] == before:
            excess = _weight(cumulative, home, first) * (back - most)
    key = np.int64(word)
    for trial in range(TRIALS):
        drawn = _bounded(word_at(key, trial), total * most + excess)
        if drawn >= total * most:
            return home
        at = drawn // most
        at = first + at if cumulative.shape[0] == 0 else find_above(cumulative, first, stop, at)
        # below every factor, but perhaps that of the way back: no need to know which it is
        if drawn % most < min(common, other) and (back >= min(common, other) or indices[at] != before):
            return at
        if drawn % most < _factor(indices, low, high, before, indices[at], min(back, most), common, other):
            return at
    whole = 0
    for at in range(first, stop):
        whole += _weight(cumulative, at, first) * _factor(
            indices, low, high, before, indices[at], back, common, other)
    left = _bounded(word_at(key, TRIALS), whole)
    for at in range(first, stop):
        left -= _weight(cumulative, at, first) * _factor(indices, low, high, before, indices[at], back, common, other)
        if left < 0:
            return at
    return -1


@compiled
def _walk_second_order(begin, end, indptr, indices, cumulative, start, row_keys, restart, back, common, other, nodes):
    for b in range(begin, end):
        node, before = start[b], -1
        nodes[b, 0] = node
        for step in range(nodes.shape[1] - 1):
            if restart > 0 and _unit(word_at(row_keys[b], 2 * step + 1)) < restart:
                node, before = start[b], -1
                nodes[b, step + 1] = node
                continue
            word = word_at(row_keys[b], 2 * step)
            if before < 0:
                at = step_position(indptr, cumulative, node, word)
            else:
                at = _second_order_position(indptr, indices, cumulative, node, before, word, back, common, other)
            if at >= 0:
                before = node
                node = np.int64(indices[at])
                prefetch(indptr, node)
            nodes[b, step + 1] = node
