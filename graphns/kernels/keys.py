"""Row keys of a stream in one pass: `Stream.row_keys`, without a temporary tensor per operation."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from graphns.kernels.bits import GOLDEN, compiled, mix
from graphns.kernels.memory import empty
from graphns.kernels.threads import run
from graphns.streams import MASK_64, Stream

_ONE = np.uint64(1)


def row_keys(stream: Stream, row: Tensor) -> Tensor:
    """Keys [B] int64 of rows [B] int64, equal to `stream.row_keys(row)`."""
    if row.device.type != "cpu":
        return stream.row_keys(row)
    keys = empty(len(row))
    arguments = np.uint64(stream.key & MASK_64), row.numpy(), keys.numpy().view(np.uint64)
    if len(row) < 1 << 18:  # a key takes a nanosecond: until then the other threads wake up too late
        _row_keys(0, len(row), *arguments)
    else:
        run(_row_keys, len(row), *arguments)
    return keys


@compiled
def _row_keys(begin, end, key, row, keys):
    for i in range(begin, end):
        keys[i] = mix((np.uint64(row[i]) + _ONE) * GOLDEN + key)
