"""Distinct draws in many ranges at once: how a batch of graphs gets its non-edges without a loop over the graphs.

The ranges stand one after another on one line of integers, range g at sizes[0] + … + sizes[g-1], so a value tells its
range, and one table of taken values serves all of them. The rounds are those of `kernels.edges.distinct_values`.
"""

from __future__ import annotations

from itertools import count

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import GOLDEN, bounded, compiled, prefetch, word_at
from graphns.streams import GOLDEN as _GOLDEN
from graphns.streams import Stream, mix_tensor, to_signed, words_at
from graphns.streams import bounded as bounded_torch


def distinct_in_blocks(sizes: Tensor, counts: Tensor, stream: Stream) -> Tensor:
    """Draw counts[g] distinct integers of each range g, every ordered choice equally likely.

    Where more than half of a range is wanted: the first of a keyed order of it. Else in rounds: every slot without a
    value draws one, the lowest slot keeps it if it is new, the others draw again; at least half of the range is free,
    so each round serves a slot with probability at least 1/2.

    Args:
        sizes: [G] int64, at least 0; summing below 2^63.
        counts: [G] int64, 0 <= counts <= sizes.
        stream: the randomness.

    Returns:
        [sum of counts] int64: range by range in random order, range g's values between the sum of the sizes before
        it and that sum plus sizes[g].

    Raises:
        ValueError: a range is asked for more values than it has.
    """
    if len(counts) and bool((counts > sizes).any() | (counts < 0).any()):
        at = int(((counts > sizes) | (counts < 0)).nonzero()[0])
        raise ValueError(f"cannot draw {int(counts[at])} distinct values of the {int(sizes[at])} of range {at}")
    offset = sizes.cumsum(0) - sizes
    most = 2 * counts > sizes
    slot_block = block_of_slot(counts)
    values = torch.empty(len(slot_block), dtype=torch.int64, device=sizes.device)
    if bool(most.any()):
        values[most[slot_block]] = _first_of_order(sizes[most], counts[most], offset[most], stream)
    pending = (~most[slot_block]).nonzero()[:, 0]
    block = slot_block[pending]
    high, low = sizes[block], offset[block]
    drawn = (_rounds if sizes.device.type == "cpu" else rounds_torch)(high, low, stream.child(0))
    values[pending] = drawn
    return values


def block_of_slot(counts: Tensor) -> Tensor:
    """Range 0 counts[0] times, range 1 counts[1] times, … [sum of counts] int64."""
    if counts.device.type == "cpu":
        # torch's version opens a parallel region for the smallest input: milliseconds where cores are busy
        return torch.from_numpy(np.repeat(np.arange(len(counts)), counts.numpy()))
    return torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)


def _first_of_order(sizes: Tensor, counts: Tensor, offset: Tensor, stream: Stream) -> Tensor:
    """Order each range whole, by random words, and take its first counts[g]: at most twice as many as are wanted."""
    block = block_of_slot(sizes)
    start = sizes.cumsum(0) - sizes
    within = torch.arange(len(block), device=sizes.device) - start[block]
    order = words_at(_key(stream.child(1), 0, sizes.device), len(block))[0].argsort(stable=True)
    order = order[block[order].argsort(stable=True)]  # range by range, and by word within a range
    return (within[order] + offset[block])[within < counts[block]]


def _rounds(high: Tensor, low: Tensor, stream: Stream) -> Tensor:
    bits = max((2 * len(high) - 1).bit_length(), 1)
    table = np.full(1 << bits, -1, dtype=np.int64)
    values = torch.empty(len(high), dtype=torch.int64)
    pending = np.arange(len(high))
    for attempt in count():
        left = _draw_round(pending, int(_key(stream, attempt)), high.numpy(), low.numpy(), values.numpy(), table,
                           64 - bits)
        if left == 0:
            return values
        pending = pending[:left]
    raise AssertionError


def rounds_torch(high: Tensor, low: Tensor, stream: Stream) -> Tensor:
    """The definition of the rounds, on any device: a stable sort finds who was first."""
    values = torch.empty(len(high), dtype=torch.int64, device=high.device)
    pending = torch.arange(len(high), device=high.device)
    taken = values[:0]
    for attempt in count():
        words = mix_tensor(_key(stream, attempt, high.device) + (pending + 1) * to_signed(_GOLDEN))
        drawn = torch.cat([taken, low[pending] + bounded_torch(words, high[pending])])
        ordered, place = drawn.sort(stable=True)
        is_first = torch.ones_like(ordered, dtype=torch.bool)
        is_first[1:] = ordered[1:] != ordered[:-1]
        new = torch.zeros_like(is_first)
        new[place] = is_first
        new = new[len(taken) :]
        values[pending[new]] = drawn[len(taken) :][new]
        taken = torch.cat([taken, drawn[len(taken) :][new]])
        pending = pending[~new]
        if len(pending) == 0:
            return values
    raise AssertionError


def _key(stream: Stream, attempt: int, device: torch.device | str = "cpu") -> Tensor:
    return stream.child(attempt).row_keys(torch.zeros(1, dtype=torch.int64, device=device))


@compiled
def _draw_round(pending, key, high, low, values, table, shift):
    """Give each pending slot, in order, a value that is not in the hash table yet; how many go again, now in front."""
    ahead, left = 16, 0
    n, last = pending.shape[0], table.shape[0] - 1
    for i in range(-ahead, n):
        if i + ahead < n:
            slot = pending[i + ahead]
            values[slot] = low[slot] + bounded(np.uint64(word_at(key, slot)), high[slot])
            prefetch(table, np.int64((np.uint64(values[slot]) * GOLDEN) >> np.uint64(shift)))
        if i < 0:
            continue
        slot = pending[i]
        value = values[slot]
        at = np.int64((np.uint64(value) * GOLDEN) >> np.uint64(shift))
        while table[at] >= 0 and table[at] != value:
            at = (at + 1) & last
        if table[at] == value:
            pending[left] = slot
            left += 1
        else:
            table[at] = value
    return left
