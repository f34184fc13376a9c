"""A bit table that says of most pairs "no edge" with one memory access: exact searches are left for the rest.

The table is a row of 32-bit words beside each row of the graph, as many as the row has edges, so a row's words stand
together: all draws of a short row look at one cache line, and rows asked in order are read in order. Each edge sets
three hashed bits of one word; 4 of 1,000 non-edges pass the table (and are then searched exactly), no edge ever fails
it. It speeds up an exact test and changes no result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled, inlined, prefetch
from graphns.kernels.threads import run
from graphns.streams import MIX_1, MIX_2

_M1, _M2 = np.uint64(MIX_1), np.uint64(MIX_2)
_5, _10, _31, _32 = np.uint64(5), np.uint64(10), np.uint64(31), np.uint64(32)
_ONE = np.uint32(1)
_NO_FILTER = np.zeros(0, dtype=np.uint32)


def build_edge_filter(indptr: Tensor, indices: Tensor) -> Tensor:
    """The bit table [E + 1] int32 of CPU rows: the words of row r are those from indptr[r] to indptr[r + 1].

    The last word belongs to no row: it lets a row of no edges at the end be asked like any other.
    """
    words = np.zeros(len(indices) + 1, dtype=np.uint32)
    run(_fill, len(indptr) - 1, indptr.numpy(), indices.numpy(), words, cost=1 + len(indices) // max(len(indptr), 1))
    return torch.from_numpy(words.view(np.int32))


def filter_words(edge_filter: Tensor | None) -> Any:
    """The bit table as compiled loops take it; an empty one where there is none."""
    return _NO_FILTER if edge_filter is None else edge_filter.numpy().view(np.uint32)


@inlined
def edge_code(value):
    """A word of well-mixed bits for an id: the upper half chooses its place, the lower its bits."""
    code = np.uint64(value) * _M1
    return (code ^ (code >> _32)) * _M2


@inlined
def word_of(code, start, degree):
    """Which word of the table a code belongs to, in a row of `degree` edges that begins at `start`; all uint64."""
    return start + (((code >> _32) * degree) >> _32)


@inlined
def pattern(code):
    """The three bits of a code, as a uint32."""
    return (
        (_ONE << np.uint32(code & _31)) | (_ONE << np.uint32((code >> _5) & _31))
        | (_ONE << np.uint32((code >> _10) & _31))
    )


@inlined
def may_have(words, start, degree, value):
    """False if `value` is surely not in the row of `degree` edges that begins at `start`; both uint64."""
    code = edge_code(value)
    bits = pattern(code)
    return (words[word_of(code, start, degree)] & bits) == bits


@inlined
def ask(words, start, degree, value):
    """Fetch the word of an id ahead of `may_have`."""
    prefetch(words, word_of(edge_code(value), start, degree))


@compiled
def _fill(begin, end, indptr, indices, words):
    for row in range(begin, end):
        start, stop = np.uint64(indptr[row]), np.uint64(indptr[row + 1])
        for at in range(start, stop):
            code = edge_code(indices[at])
            words[word_of(code, start, stop - start)] |= pattern(code)
