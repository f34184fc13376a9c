"""A small bit table that says of most pairs "no edge" with one memory access: exact searches are left for the rest.

Two hashed bits of one 64-bit word are set for each edge, at 32 to 64 bits an edge: 1 to 4 of 1,000 non-edges pass the
table (and are then searched exactly), no edge ever fails it. It speeds up an exact test and changes no result.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled, prefetch
from graphns.streams import MIX_1, MIX_2

_M1, _M2 = np.uint64(MIX_1), np.uint64(MIX_2)
_6, _63, _ONE = np.uint64(6), np.uint64(63), np.uint64(1)


def build_edge_filter(indptr: Tensor, indices: Tensor) -> Tensor:
    """The bit table [2^m] int64 of all edges of CPU rows; 2^m words are 32 to 64 bits an edge."""
    size = max(len(indices) // 2, 2)
    words = np.zeros(1 << (size - 1).bit_length(), dtype=np.uint64)
    _fill(indptr.numpy(), indices.numpy(), words, np.uint64(64 - (len(words).bit_length() - 1)))
    return torch.from_numpy(words.view(np.int64))


@compiled
def edge_hash(row, value):
    """A word whose high bits are well mixed."""
    return ((np.uint64(row) * _M1) ^ np.uint64(value)) * _M2


@compiled
def ask(words, shift, row, value):
    """Fetch the word of a pair ahead of `may_have`."""
    prefetch(words, edge_hash(row, value) >> shift)


@compiled
def is_cold(words):
    """Whether the table is too large for the caches, so that asking ahead pays."""
    return words.shape[0] > 1048576


@compiled
def may_have(words, shift, row, value):
    """0 if the pair is surely no edge."""
    code = edge_hash(row, value)
    word = words[code >> shift]
    return (word >> ((code >> (shift - _6)) & _63)) & (word >> ((code >> (shift - _6 - _6)) & _63)) & _ONE


@compiled
def _fill(indptr, indices, words, shift):
    for row in range(indptr.shape[0] - 1):
        for at in range(indptr[row], indptr[row + 1]):
            code = edge_hash(row, indices[at])
            bits = (_ONE << ((code >> (shift - _6)) & _63)) | (_ONE << ((code >> (shift - _6 - _6)) & _63))
            words[code >> shift] |= bits
