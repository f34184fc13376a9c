"""Distinct draws in rounds: every slot without a value draws one, the lowest slot keeps it if it is new.

Who keeps a value depends on the values and the slots alone, so a slot's redraws need no order of work. The compiled
version sorts the drawn values by hash into parts, each with its own piece of one hash table, which fits the nearest
cache, and the parts go to the threads.
"""

from __future__ import annotations

from itertools import count

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import GOLDEN, compiled, mix, product_high
from graphns.kernels.edge_filter import edge_code
from graphns.kernels.memory import empty
from graphns.kernels.threads import run
from graphns.streams import GOLDEN as WORD_STEP
from graphns.streams import MASK_64, Stream, mix_tensor, to_signed
from graphns.streams import bounded as bounded_torch

_PART_BITS = 13  # places of the hash table that a part has
_CHUNKS = 16  # pieces of the slots, that threads take
_BLOCK = 64
_ONE, _ALL = np.uint64(1), np.uint64(64)


def distinct_in_rounds(high: Tensor, low: Tensor, stream: Stream) -> Tensor:
    """Values [n] int64, all different: slot i's from low[i] … low[i] + high[i] - 1, every one that is free alike.

    Slots with equal bounds form a range; other ranges do not meet it. A value's name plays no part in who keeps it. As
    long as no range has more slots than half its size, every round serves each slot with probability at least 1/2; one
    with more slots than values would never end.

    Args:
        high: [n] int64, at least 1; may be expanded.
        low: [n] int64; may be expanded.
        stream: the randomness; the i-th value depends on the stream and i, and on what lower slots took.
    """
    if high.device.type != "cpu":
        return rounds_torch(high, low, stream)
    bits = max((2 * len(high) - 1).bit_length(), 1)
    values = _in_parts(high, low, stream, bits, min(bits, _PART_BITS))
    if values is None:  # the hash sent more to one part than it has room for: no hash does so to a table of one part
        values = _in_parts(high, low, stream, bits, bits)
        assert values is not None
    return values


def rounds_torch(high: Tensor, low: Tensor, stream: Stream) -> Tensor:
    """The definition, on any device: a stable sort finds who was first."""
    values = torch.empty(len(high), dtype=torch.int64, device=high.device)
    pending = torch.arange(len(high), device=high.device)
    taken = values[:0]
    for attempt in count():
        words = mix_tensor(_key(stream, attempt, high.device) + (pending + 1) * to_signed(WORD_STEP))
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


def _in_parts(high: Tensor, low: Tensor, stream: Stream, bits: int, part_bits: int) -> Tensor | None:
    """The rounds with a table of 2^bits places in parts of 2^part_bits; None if a part were full."""
    num, parts = len(high), 1 << (bits - part_bits)
    width = np.int32 if num < 2**31 else np.int64
    values, table = empty(num).numpy(), empty(parts, 1 << part_bits).numpy()
    pending = np.empty(0, dtype=width)  # at first all slots: an empty list stands for them
    held = np.zeros(parts, dtype=np.int64)
    for attempt in count():
        chunks = _CHUNKS if num >= 1 << 15 else 1
        cost = num // chunks
        sizes = np.zeros((chunks, parts), dtype=np.int64)
        key = np.uint64(int(_key(stream, attempt)) & MASK_64)
        run(_draw, chunks, chunks, num, pending, key, high.numpy(), low.numpy(), values, sizes, cost=cost)
        ends = sizes.T.cumsum()  # part by part, and chunk by chunk within a part
        starts = (ends - sizes.T.ravel()).reshape(parts, chunks).T.copy()
        bounds = np.append(starts[0], num)
        if int((held + np.diff(bounds)).max()) >= table.shape[1]:
            return None
        part_slots, part_values = empty(num, dtype=width).numpy(), empty(num).numpy()
        run(_sort, chunks, chunks, num, pending, values, starts, part_slots, part_values, cost=cost)
        lost = np.zeros(parts, dtype=np.int64)
        run(_keep, parts, bounds, part_slots, part_values, table, attempt == 0, bits, lost,
            cost=max(num // parts, 1))
        if not lost.any():
            return torch.from_numpy(values)
        held += np.diff(bounds) - lost
        pending = np.sort(np.concatenate([
            part_slots[begin : begin + many] for begin, many in zip(bounds[:-1], lost, strict=True) if many]))
        num = len(pending)
    raise AssertionError


@compiled
def _shift_to(parts):
    """The shift that leaves the uppermost bits of a hash that name one of 2^m parts; at least 1."""
    shift = np.uint64(64)
    while parts > 1:
        parts >>= 1
        shift -= _ONE
    return shift


@compiled
def _draw(begin, end, chunks, num, pending, key, high, low, values, sizes):
    """Draw a value for each pending slot of some chunks, and count how many fall to each part."""
    shift = _shift_to(sizes.shape[1])
    part = np.empty(_BLOCK, dtype=np.uint64)
    for chunk in range(begin, end):
        count = sizes[chunk]
        first, last = num * chunk // chunks, num * (chunk + 1) // chunks
        for base in range(first, last, _BLOCK):
            size = min(_BLOCK, last - base)
            for i in range(size):
                slot = np.uint64(base + i if len(pending) == 0 else pending[base + i])
                word = mix(key + (slot + _ONE) * GOLDEN)
                value = np.uint64(low[slot]) + product_high(word, np.uint64(high[slot]))
                values[slot] = value
                part[i] = edge_code(value) >> shift
            if shift < _ALL:
                for i in range(size):
                    count[part[i]] += 1
            else:
                count[0] += size


@compiled
def _sort(begin, end, chunks, num, pending, values, starts, part_slots, part_values):
    """Bring the slots of some chunks, and their values, to their parts; slots stay in order within a part."""
    shift = _shift_to(starts.shape[1])
    for chunk in range(begin, end):
        place = starts[chunk]
        for i in range(num * chunk // chunks, num * (chunk + 1) // chunks):
            slot = np.uint64(i if len(pending) == 0 else pending[i])
            value = values[slot]
            part = edge_code(value) >> shift if shift < _ALL else np.uint64(0)
            at = np.uint64(place[part])
            place[part] += 1
            part_slots[at] = slot
            part_values[at] = value


@compiled
def _keep(begin, end, bounds, part_slots, part_values, table, clear, bits, lost):
    """Put the values of some parts into the table, in order of slots; slots that come too late move to the front."""
    mask, shift = np.uint64(table.shape[1] - 1), np.uint64(64 - bits)
    for part in range(begin, end):
        places = table[part]
        if clear:
            places[:] = -1
        late = bounds[part]
        for i in range(bounds[part], bounds[part + 1]):
            value = part_values[i]
            at = (edge_code(value) >> shift) & mask
            while places[at] >= 0 and places[at] != value:
                at = (at + _ONE) & mask
            if places[at] == value:
                part_slots[late] = part_slots[i]
                late += 1
            places[at] = value
        lost[part] = late - bounds[part]
