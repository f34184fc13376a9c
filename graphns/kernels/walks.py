"""Random walks of the first order: uniform or weighted, with restart.

Step s of a walk reads two words of its row: slot 2s chooses the neighbour, slot 2s + 1 decides on a restart. A step on
a large graph waits twice for memory, for the row's pointers and for the neighbour, so the compiled loop moves 64 walks
in lockstep and asks for the next line of all of them before it reads the first.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import GOLDEN, compiled, mix, prefetch, product_high
from graphns.kernels.bits import bounded as _bounded
from graphns.kernels.bits import unit as _unit
from graphns.kernels.memory import empty
from graphns.kernels.threads import run
from graphns.streams import MASK_64, Stream, bounded, unit, words_at

ROW_TOTAL = 2**36
"""The fixed-point weights of a row add up to about this; a positive weight is at least 1."""
LANES = 64
_ONE = np.uint64(1)


def walk(
    indptr: Tensor, indices: Tensor, start: Tensor, row_keys: Tensor, length: int, restart: float = 0.0,
    cumulative: Tensor | None = None, *, stream: Stream | None = None, sinks: bool = True,
) -> Tensor:
    """One walk from each start; a node without neighbours (or without weight) stays.

    Args:
        indptr: [N + 1] int64 row starts.
        indices: [E] int32 or int64.
        start: [B] int64.
        row_keys: [B] int64 from `Stream.row_keys`; or, with `stream`, the rows [B] themselves, none of them meaning
            0 … B-1: then the keys are made on the way.
        length: steps, at least 0.
        restart: probability that a step leads back to the start.
        cumulative: `cumulative_weights(indptr, weight)` for steps in proportion to weights; None: uniform.
        stream: the randomness of the rows.
        sinks: False: a promise that every node has a neighbour.

    Returns:
        [B, length + 1] int64; column 0 is the start.
    """
    if indptr.device.type != "cpu":
        if stream is not None:
            rows = row_keys if len(row_keys) else torch.arange(len(start), device=start.device)
            row_keys = stream.row_keys(rows)
        return walk_torch(indptr, indices, start, row_keys, length, restart, cumulative)
    if len(indices) == 0:
        indices = indices.new_zeros(1)  # the loop reads before it knows that a node does not move
    nodes = empty(len(start), length + 1)
    weights = np.empty(0, dtype=np.int64) if cumulative is None else cumulative.numpy()
    made = stream is not None
    key = np.uint64(stream.key & MASK_64) if stream is not None else np.uint64(0)
    run(_walk, len(start), indptr.numpy(), indices.numpy(), weights, start.numpy(), row_keys.numpy(), made, key,
        float(restart), sinks, nodes.numpy(), cost=length)
    return nodes


def walk_torch(
    indptr: Tensor, indices: Tensor, start: Tensor, row_keys: Tensor, length: int, restart: float = 0.0,
    cumulative: Tensor | None = None,
) -> Tensor:
    """The definition, on any device: `walk` with all walks advancing together."""
    words = words_at(row_keys, 2 * length)
    nodes = start.new_empty((len(start), length + 1))
    nodes[:, 0] = node = start
    last = max(len(indices) - 1, 0)
    for step in range(length):
        first, stop = indptr[node], indptr[node + 1]
        if cumulative is None:
            at, moves = first + bounded(words[:, 2 * step], stop - first), stop > first
        else:
            total = row_totals(cumulative, first, stop)
            at = first_above(cumulative, first, stop, bounded(words[:, 2 * step], total))
            moves = total > 0
        if len(indices):
            node = torch.where(moves, indices[at.clamp(max=last)].long(), node)
        if restart > 0:
            node = torch.where(unit(words[:, 2 * step + 1]) < restart, start, node)
        nodes[:, step + 1] = node
    return nodes


def cumulative_weights(indptr: Tensor, weight: Tensor) -> Tensor:
    """Fixed-point weights, added up within each row: [E] int64, non-decreasing in a row.

    A row's weights are scaled to add up to 2^36 and rounded; a positive weight keeps at least 1, so it stays possible,
    and 0 stays 0. Made on the CPU, so that the table is the same on every device.

    Args:
        indptr: [N + 1] int64.
        weight: [E] float64, finite and >= 0.
    """
    starts, values = indptr.cpu(), weight.cpu().double()
    row = torch.repeat_interleave(torch.arange(len(starts) - 1), starts.diff())
    # the largest weight of a row becomes 1 first: sums of huge or tiny weights neither overflow nor vanish
    largest = torch.zeros(len(starts) - 1, dtype=torch.float64).scatter_reduce_(0, row, values, "amax")
    share = values / largest[row].clamp(min=torch.finfo(torch.float64).tiny)
    total = torch.zeros(len(starts) - 1, dtype=torch.float64).index_add_(0, row, share)
    fixed = (share / total[row].clamp(min=1.0) * ROW_TOTAL).round().long()
    fixed = torch.where(values > 0, fixed.clamp(min=1), 0)
    running = torch.zeros(len(fixed) + 1, dtype=torch.int64)
    torch.cumsum(fixed, 0, out=running[1:])
    # 64-bit sums may wrap over many rows; differences within a row are exact all the same
    return (running[1:] - running[starts[row]]).to(weight.device)


def row_totals(cumulative: Tensor, first: Tensor, stop: Tensor) -> Tensor:
    """The whole weight of rows given by their bounds; 0 for an empty row."""
    if len(cumulative) == 0:
        return torch.zeros_like(first)
    return torch.where(stop > first, cumulative[(stop - 1).clamp(min=0)], 0)


def first_above(cumulative: Tensor, first: Tensor, stop: Tensor, value: Tensor) -> Tensor:
    """The first position in cumulative[first:stop] whose sum is above `value`, or `stop`; all of one shape."""
    low, size = first.clone(), stop - first
    longest = int(size.max()) if size.numel() else 0
    last = max(len(cumulative) - 1, 0)
    for _ in range(longest.bit_length()):
        half = size >> 1
        below = (size > 0) & (cumulative[(low + half).clamp(max=last)] <= value)
        low = torch.where(below, low + half + 1, low)
        size = torch.where(below, size - half - 1, half)
    return low


@compiled
def find_above(cumulative, start, stop, value):
    """The first position in cumulative[start:stop] whose sum is above `value`."""
    size = stop - start
    while size > 0:
        half = size >> 1
        below = cumulative[start + half] <= value
        start = start + half + 1 if below else start
        size = size - half - 1 if below else half
    return start


@compiled
def step_position(indptr, cumulative, node, word):
    """Where in `indices` the next node stands, or -1 for a node that stays."""
    first, stop = indptr[node], indptr[node + 1]
    if stop <= first:
        return -1
    if cumulative.shape[0] == 0:
        return first + _bounded(word, stop - first)
    total = cumulative[stop - 1]
    return find_above(cumulative, first, stop, _bounded(word, total)) if total > 0 else -1


@compiled
def _walk(begin, end, indptr, indices, cumulative, start, row_keys, made, key, restart, sinks, nodes):
    length, last = nodes.shape[1] - 1, np.uint64(indices.shape[0] - 1)
    node, keys, words = np.empty(LANES, np.uint64), np.empty(LANES, np.uint64), np.empty(LANES, np.uint64)
    place, moves = np.empty(LANES, np.uint64), np.empty(LANES, np.uint64)
    for first in range(begin, end, LANES):
        lanes = min(LANES, end - first)
        lines = nodes[first : first + lanes]
        for i in range(lanes):
            row = np.uint64(first + i if len(row_keys) == 0 else row_keys[first + i])
            node[i], keys[i] = start[first + i], mix((row + _ONE) * GOLDEN + key) if made else row
            lines[i, 0] = start[first + i]
            prefetch(indptr, node[i])
        for step in range(length):
            slot = np.uint64(2 * step + 1) * GOLDEN
            for i in range(lanes):
                words[i] = mix(keys[i] + slot)
            if cumulative.shape[0] > 0:
                _choose_weighted(indptr, indices, cumulative, node, words, lanes, place, moves)
            elif sinks:
                for i in range(lanes):
                    row = np.uint64(indptr[node[i]])
                    moves[i] = np.uint64(indptr[node[i] + _ONE]) - row
                    # a node without neighbours reads some place and stays, so that no branch has to be guessed
                    place[i] = min(row + product_high(words[i], moves[i]), last)
                    prefetch(indices, place[i])
            else:
                for i in range(lanes):
                    row = np.uint64(indptr[node[i]])
                    place[i] = row + product_high(words[i], np.uint64(indptr[node[i] + _ONE]) - row)
                    prefetch(indices, place[i])
            if cumulative.shape[0] > 0 or sinks:
                for i in range(lanes):
                    following = np.uint64(indices[place[i]])
                    node[i] = following if moves[i] != 0 else node[i]
                    prefetch(indptr, node[i])
                    lines[i, step + 1] = node[i]
            else:
                for i in range(lanes):
                    node[i] = indices[place[i]]
                    prefetch(indptr, node[i])
                    lines[i, step + 1] = node[i]
            if restart > 0:
                for i in range(lanes):
                    if _unit(mix(keys[i] + slot + GOLDEN)) < restart:
                        node[i] = np.uint64(start[first + i])
                        prefetch(indptr, node[i])
                        lines[i, step + 1] = start[first + i]


@compiled
def _choose_weighted(indptr, indices, cumulative, node, words, lanes, place, moves):
    """Where the next nodes of some walks stand, by weight, and whether (not 0) they move."""
    for i in range(lanes):
        at = step_position(indptr, cumulative, np.int64(node[i]), words[i])
        moves[i] = at >= 0
        place[i] = np.uint64(max(at, 0))
        prefetch(indices, place[i])
