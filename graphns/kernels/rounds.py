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
_ONE, _SIX, _63, _ALL = np.uint64(1), np.uint64(6), np.uint64(63), np.uint64(64)


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
    num, parts, first = len(high), 1 << (bits - part_bits), None
    width = np.int32 if num < 2**31 else np.int64
    values = empty(num).numpy()
    held, filled = np.zeros(parts, dtype=np.int64), np.zeros(parts, dtype=np.bool_)
    pending = np.empty(0, dtype=width)  # at first all slots: an empty list stands for them
    for attempt in count():
        chunks = _CHUNKS if num >= 1 << 15 else 1
        cost = num // chunks
        sizes = np.zeros((chunks, parts), dtype=np.int64)
        key = np.uint64(int(_key(stream, attempt)) & MASK_64)
        run(_draw, chunks, chunks, num, pending, key, high.numpy(), low.numpy(), values, sizes, cost=cost)
        ends = sizes.T.cumsum()  # part by part, and chunk by chunk within a part
        starts = (ends - sizes.T.ravel()).reshape(parts, chunks).T.copy()
        bounds = np.append(starts[0], num)
        if int((held + np.diff(bounds)).max()) >= 1 << part_bits:
            return None
        part_slots, part_values = empty(num, dtype=width).numpy(), empty(num).numpy()
        run(_sort, chunks, chunks, num, pending, values, starts, part_slots, part_values, cost=cost)
        lost = np.zeros(parts, dtype=np.int64)
        each = max(num // parts, 1)
        if first is None:  # few values are doubled: they are found without a table, which may never be needed
            run(_keep_first, parts, bounds, part_slots, part_values, bits, part_bits, lost, cost=each)
            first, first_bounds = part_values, bounds
        else:
            if attempt == 1:
                table = empty(parts, 1 << part_bits).numpy()
            run(_keep, parts, bounds, part_slots, part_values, first, first_bounds, table, filled, bits, lost,
                cost=each)
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
def _keep_first(begin, end, bounds, part_slots, part_values, bits, part_bits, lost):
    """Find the slots of some parts whose values stand in lower slots too, and move them to the front.

    A bit of each value's hash is set in a small table. Where it was set before, the value may be doubled: all values
    of that bit are then compared by a table of places.
    """
    seen = np.empty(1 << max(part_bits - 3, 0), dtype=np.uint64)  # 8 bits a place: 16 or more a value
    again = np.empty_like(seen)
    places = np.empty(1 << part_bits, dtype=np.int64)
    shift, mask = np.uint64(64 - bits - 3), np.uint64(8 * len(places) - 1)
    for part in range(begin, end):
        seen[:] = 0
        again[:] = 0
        doubled = np.uint64(0)
        for i in range(bounds[part], bounds[part + 1]):
            at = (edge_code(part_values[i]) >> shift) & mask
            word, bit = at >> _SIX, _ONE << (at & _63)
            doubled |= seen[word] & bit
            again[word] |= seen[word] & bit
            seen[word] |= bit
        late = bounds[part]
        if doubled != 0:
            places[:] = -1
            for i in range(bounds[part], bounds[part + 1]):
                code = edge_code(part_values[i])
                at = (code >> shift) & mask
                if again[at >> _SIX] & (_ONE << (at & _63)) and not _new(places, code, bits, part_values[i]):
                    part_slots[late] = part_slots[i]
                    late += 1
        lost[part] = late - bounds[part]


@compiled
def _new(places, code, bits, value):
    """Put a value into a part's piece of the table; whether it was not there."""
    mask = np.uint64(len(places) - 1)
    at = (code >> np.uint64(64 - bits)) & mask
    while places[at] >= 0 and places[at] != value:
        at = (at + _ONE) & mask
    if places[at] == value:
        return False
    places[at] = value
    return True


@compiled
def _keep(begin, end, bounds, part_slots, part_values, first, first_bounds, table, filled, bits, lost):
    """Put the values of some parts into the table, in order of slots; slots that come too late move to the front.

    A part's piece of the table begins with the values of the first round, when a later one first comes to the part.
    """
    for part in range(begin, end):
        if bounds[part] == bounds[part + 1]:
            continue
        places = table[part]
        if not filled[part]:
            filled[part] = True
            places[:] = -1
            for i in range(first_bounds[part], first_bounds[part + 1]):
                _new(places, edge_code(first[i]), bits, first[i])
        late = bounds[part]
        for i in range(bounds[part], bounds[part + 1]):
            if not _new(places, edge_code(part_values[i]), bits, part_values[i]):
                part_slots[late] = part_slots[i]
                late += 1
        lost[part] = late - bounds[part]
