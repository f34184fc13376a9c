"""Distinct draws in many ranges at once: how a batch of graphs gets its non-edges without a loop over the graphs.

The ranges stand one after another on one line of integers, range g at sizes[0] + … + sizes[g-1], so a value tells its
range, and one table of taken values serves all of them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.rounds import distinct_in_rounds
from graphns.streams import Stream


def distinct_in_blocks(sizes: Tensor, counts: Tensor, stream: Stream) -> Tensor:
    """Draw counts[g] distinct integers of each range g, every ordered choice equally likely.

    Where more than half of a range is wanted: the first of a keyed order of it. Else in the rounds of
    `kernels.rounds`, where at least half of the range is free.

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
    values[pending] = distinct_in_rounds(high, low, stream.child(0))
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
    words = stream.child(1, 0).words(torch.zeros(1, dtype=torch.int64, device=sizes.device), len(block))[0]
    order = words.argsort(stable=True)
    order = order[block[order].argsort(stable=True)]  # range by range, and by word within a range
    return (within[order] + offset[block])[within < counts[block]]
