"""Numbers to non-edges, the quick way: a number is its own pair unless that pair is an edge.

All pairs stand on one line, row by row, D of P being edges. A number below P - D names the pair at its place. If that
pair is the i-th edge of the line, the answer is the i-th non-edge at or above P - D: as many edges lie below that place
as non-edges above. So the numbers are mapped one-to-one onto the non-edges, as in `kernels.complement` for one row, and
nearly every number needs one access to the bit table of `kernels.edge_filter`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled, prefetch
from graphns.kernels.complement import outside_row
from graphns.kernels.edge_filter import edge_code, filter_words, pattern, word_of
from graphns.kernels.guide import guided, search_torch
from graphns.kernels.membership import count_torch, find, hold_each, in_rows_torch
from graphns.kernels.memory import empty
from graphns.kernels.threads import run

_BLOCK = 32  # numbers at a time: the lines that they need are asked for together

if TYPE_CHECKING:
    from graphns.kernels.edges import PairSpace


def exchange_pairs(space: PairSpace, numbers: Tensor, edge_filter: Tensor | None = None) -> Tensor:
    """The non-edges [2, n] int64 of `numbers` [n] int64 in [0, M) of a directed space.

    Args:
        space: what `pair_space(..., directed=True)` gave.
        numbers: [n] int64.
        edge_filter: `build_edge_filter(space.indptr, space.indices)` if at hand, for speed on the CPU.
    """
    if not space.directed:
        raise ValueError("unordered pairs do not stand on one line of rows: use pairs_at")
    if space.indptr.device.type != "cpu":
        return exchange_pairs_torch(space, numbers)
    pairs = empty(2, len(numbers))
    run(_exchange_pairs, len(numbers), numbers.contiguous().numpy(), space.first.numpy(), space.guide.start.numpy(),
        space.guide.shift, space.indptr.numpy(), space.indices.numpy(), space.num_dst, space.self_loops,
        filter_words(edge_filter), pairs.numpy(), cost=2)
    return pairs


def exchange_pairs_torch(space: PairSpace, numbers: Tensor) -> Tensor:
    """The definition, on any device."""
    width = space.num_dst - int(not space.self_loops)
    free = space.first[-1:]

    def before(place: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The pair at a place of the line [n], and how many edges stand before it."""
        row = (place // max(width, 1)).clamp(max=len(space.indptr) - 2)
        column = place - row * width
        if not space.self_loops:
            column = column + (column >= row)
        inside = count_torch(space.indptr, space.indices, row, column[:, None])[:, 0]
        if not space.self_loops:
            # a loop in the row stands on no line
            loop = space.first[row + 1] - space.first[row] > width - (space.indptr[row + 1] - space.indptr[row])
            inside = inside - (loop & (column > row)).long()
        return row, column, row * width - space.first[row] + inside

    row, column, edges = before(numbers)
    hit = in_rows_torch(space.indptr, space.indices, row, column[:, None])[:, 0]
    number = torch.where(hit, free - before(free)[2] + edges, 0)
    other = search_torch(space.first, number).clamp(max=len(space.indptr) - 2)
    rank = number - space.first[other]
    if not space.self_loops:
        own = other - count_torch(space.indptr, space.indices, other, other[:, None])[:, 0]
        loop = in_rows_torch(space.indptr, space.indices, other, other[:, None])[:, 0]
        rank = rank + (~loop & (rank >= own))
    instead = rank + count_torch(space.indptr, space.indices, other, rank[:, None], keys=True)[:, 0]
    return torch.stack([torch.where(hit, other, row), torch.where(hit, instead, column)])


@compiled
def _edges_before(indptr, indices, first, width, self_loops, row, column):
    """How many edges stand before (row, column), and whether it is one."""
    begin, end = indptr[row], indptr[row + 1]
    at = find(indices, begin, end, column)
    inside = at - begin
    if not self_loops and column > row and first[row + 1] - first[row] > width - (end - begin):
        inside -= 1  # a loop in the row stands on no line
    return row * width - first[row] + inside, at < end and indices[at] == column


@compiled
def _non_edge(indptr, indices, first, start, shift, self_loops, number):
    """The non-edge of a number in rising order."""
    row = guided(first, start, shift, number)
    begin, end = indptr[row], indptr[row + 1]
    rank = number - first[row]
    if not self_loops:
        at = find(indices, begin, end, row)
        if not (at < end and indices[at] == row) and rank >= row - (at - begin):
            rank += 1
    return row, outside_row(indices, begin, end, rank)


@compiled
def _exchange_pairs(begin, end, numbers, first, guide, guide_shift, indptr, indices, num_dst, self_loops, words, pairs):
    width = num_dst if self_loops else num_dst - 1
    free = first[first.shape[0] - 1]
    last_row = min(free // max(width, 1), indptr.shape[0] - 2)
    column = free - last_row * width
    if not self_loops and column >= last_row:
        column += 1
    below = _edges_before(indptr, indices, first, width, self_loops, last_row, column)[0]
    per_row = 1.0 / max(width, 1)
    at, bits = np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint32)
    room, sought = np.empty((3, _BLOCK), np.uint64), np.empty(_BLOCK, np.int64)
    for low in range(begin, end, _BLOCK):
        size = min(_BLOCK, end - low)
        for i in range(low, low + size):
            # a product is several times as fast as a 64-bit division; it may miss by a row or, on the largest lines, a
            # few
            row = np.int64(np.float64(numbers[i]) * per_row)
            column = numbers[i] - row * width
            while column < 0:
                row, column = row - 1, column + width
            while column >= width:
                row, column = row + 1, column - width
            pairs[0, i] = row
            pairs[1, i] = column + 1 if not self_loops and column >= row else column
            prefetch(indptr, np.uint64(row))
        for i in range(size):
            row = np.uint64(pairs[0, low + i])
            start = np.uint64(indptr[row])
            degree = np.uint64(indptr[row + np.uint64(1)]) - start
            if words.shape[0] > 0:
                code = edge_code(pairs[1, low + i])
                at[i] = word_of(code, start, degree)
                bits[i] = pattern(code)
                prefetch(words, at[i])
            else:
                room[0, i], room[1, i], sought[i] = start, degree, pairs[1, low + i]
        if words.shape[0] == 0:
            hold_each(indices, room, sought, size)
        for i in range(size):
            if room[2, i] == 0 if words.shape[0] == 0 else (words[at[i]] & bits[i]) != bits[i]:
                continue
            edges, hit = _edges_before(indptr, indices, first, width, self_loops, pairs[0, low + i], pairs[1, low + i])
            if hit:
                pairs[0, low + i], pairs[1, low + i] = _non_edge(
                    indptr, indices, first, guide, guide_shift, self_loops, free - below + edges)
