"""Room for results."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

_HUGE = 1 << 21  # bytes of a huge page


def empty(*shape: int, dtype: type[np.generic] = np.int64) -> Tensor:
    """An uninitialised CPU tensor, in huge pages where it is large: NumPy asks the system for them, torch does not.

    The first touch of a page costs a microsecond or two, so a gigabyte in pages of 4 KiB costs 0.2 s before a number is
    in it. Only whole pages between multiples of 2 MiB can be huge: the tensor begins and ends with one.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < 2 * _HUGE:
        return torch.from_numpy(np.empty(shape, dtype=dtype))
    room = np.empty(size + 2 * _HUGE, dtype=np.uint8)
    begin = -room.ctypes.data % _HUGE
    return torch.from_numpy(room[begin : begin + size].view(dtype).reshape(shape))
