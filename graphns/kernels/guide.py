"""Search in a cumulative table by a guide: which interval does a value fall into?

A guide holds, for each of about as many equal buckets of the value range as there are intervals, the interval in which
the bucket begins (Chen and Asau's indexed search). A value then starts within its bucket: one look on average where
intervals are alike, a binary search within one bucket where they are not. It is exact: integers throughout.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled


class Guide(NamedTuple):
    """`start` [buckets + 1] int32 or int64: the interval that holds value bucket << `shift`."""

    start: Tensor
    shift: int


def build_guide(cumulative: Tensor) -> Guide:
    """A guide to `cumulative` [n + 1] int64, which starts at 0 and never falls; n entries of 4 bytes (8 from 2^31).

    On devices other than the CPU the guide is empty: there `searchsorted` needs none.
    """
    n, total = len(cumulative) - 1, int(cumulative[-1])
    shift = 0
    while total >> shift > max(n, 1):
        shift += 1
    width = torch.int32 if n < 2**31 else torch.int64
    if cumulative.device.type != "cpu":
        return Guide(torch.empty(0, dtype=width, device=cumulative.device), shift)
    start = torch.empty((total >> shift) + 2, dtype=width)
    _fill_guide(cumulative.numpy(), shift, start.numpy())
    return Guide(start, shift)


def search_torch(cumulative: Tensor, values: Tensor) -> Tensor:
    """The definition, on any device: the last i with cumulative[i] <= value, which is the interval that holds it."""
    return torch.searchsorted(cumulative, values, right=True) - 1


@compiled
def _fill_guide(cumulative, shift, start):
    n = cumulative.shape[0] - 1
    at = np.int64(0)
    for bucket in range(start.shape[0]):
        value = np.int64(bucket) << shift
        while at < n and cumulative[at + 1] <= value:
            at += 1
        start[bucket] = at


@compiled
def guided(cumulative, start, shift, value):
    """The interval of `value` in [0, total): the last i with cumulative[i] <= value."""
    bucket = value >> shift
    low = np.int64(start[bucket])
    size = np.int64(start[bucket + 1]) - low
    # the answer is low + #{j in (low, low + size] : cumulative[j] <= value}
    while size > 0:
        half = size >> 1
        below = cumulative[low + half + 1] <= value
        low = low + half + 1 if below else low
        size = size - half - 1 if below else half
    return low
