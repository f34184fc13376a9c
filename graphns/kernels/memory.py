"""Room for results, taken from the system once and lent again.

The first touch of a page costs a microsecond or two, more than a thread needs for the numbers in it, and the C library
gives large pieces back to the system as soon as they are free. So a training loop would pay for its pages in every
step, or not, as the heap happens to lie. What is freed here is kept for the next result of its size.
"""

from __future__ import annotations

import math
import mmap
import weakref
from typing import Any

import numpy as np
import torch
from torch import Tensor

_SMALL, _LARGE, _HUGE = 1 << 16, 1 << 22, 1 << 21  # bytes: below, the heap is quick; from here, huge pages; one of them
_MOST = 1 << 26  # bytes kept in all

_Room = tuple[mmap.mmap, int, int]  # a piece of memory, where in it the room begins, and its size
_free: dict[int, list[_Room]] = {}
_lent: dict[int, weakref.ref[Any]] = {}


def empty(*shape: int, dtype: type[np.generic] = np.int64) -> Tensor:
    """An uninitialised CPU tensor: for large results in pages that are there already, or else in huge ones."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < _SMALL:
        return torch.from_numpy(np.empty(shape, dtype=dtype))
    step = _HUGE if size >= _LARGE else _SMALL
    room = -(-size // step) * step
    kept = _free.get(room)
    try:
        piece, begin, _ = found = kept.pop() if kept else _new(room)
    except IndexError:  # another thread took the last one
        piece, begin, _ = found = _new(room)
    array = np.ndarray(shape, dtype=dtype, buffer=piece, offset=begin)

    def give_back(reference: weakref.ref[Any], found: _Room = found, key: int = id(array)) -> None:
        _lent.pop(key, None)
        _keep(found)

    # torch holds this very array, and views of the tensor hold its storage: when it dies, nobody sees the memory
    _lent[id(array)] = weakref.ref(array, give_back)
    return torch.from_numpy(array)


def _new(room: int) -> _Room:
    """Memory of `room` bytes; where large, from the beginning of a huge page on."""
    if room < _LARGE:
        return _mapped(room), 0, room
    piece = _mapped(room + _HUGE)
    if hasattr(piece, "madvise") and hasattr(mmap, "MADV_HUGEPAGE"):
        piece.madvise(mmap.MADV_HUGEPAGE)
    return piece, -np.frombuffer(piece, dtype=np.uint8).ctypes.data % _HUGE, room


def _mapped(size: int) -> mmap.mmap:
    # private: a forked worker writes into pages of its own
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    return mmap.mmap(-1, size, **private)


def _keep(found: _Room) -> None:
    """Keep a piece for the next of its size, unless much is kept already."""
    room = found[2]
    if room <= _MOST // 2 and room + sum(size * len(pieces) for size, pieces in _free.items()) <= _MOST:
        _free.setdefault(room, []).append(found)
