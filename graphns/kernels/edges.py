"""Two-ended negatives: distinct pairs (u, v) that are no edges, uniform over all of them, in an exact number.

The M pairs that are no edges are numbered row by row. `num` distinct numbers are drawn, then each is turned into its
pair: the row by a guided search in the rows' first numbers, the column by the row's search keys. Nothing is rejected
for being an edge, so the count is met whenever M allows it, at any density.
"""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import GOLDEN, bounded, compiled, prefetch, word_at
from graphns.kernels.complement import outside_row
from graphns.kernels.csr import build_csr
from graphns.kernels.guide import Guide, build_guide, guided, search_torch
from graphns.kernels.membership import count_torch, in_rows
from graphns.kernels.pairs import exchange_pairs
from graphns.kernels.threads import run
from graphns.streams import GOLDEN as _GOLDEN
from graphns.streams import Stream, mix_tensor, to_signed, words_at
from graphns.streams import bounded as bounded_torch


class PairSpace(NamedTuple):
    """The numbered non-edges of a graph; make it once with `pair_space`.

    Attributes:
        indptr, indices: rows of edges; only columns above (or at) the row where not directed.
        first: [num_src + 1] int64, number of the first non-edge of each row; the last entry is M.
        guide: a guide to `first`.
        num_dst: number of columns.
        self_loops: whether (u, u) is a pair.
        directed: whether (u, v) and (v, u) are two pairs.
    """

    indptr: Tensor
    indices: Tensor
    first: Tensor
    guide: Guide
    num_dst: int
    self_loops: bool
    directed: bool

    @property
    def num_pairs(self) -> int:
        """M, the number of non-edges."""
        return int(self.first[-1])


def pair_space(
    indptr: Tensor, indices: Tensor, num_src: int, num_dst: int, *, self_loops: bool = False, directed: bool = True,
    upper: bool = False,
) -> PairSpace:
    """Number the pairs that are no edges; 12 to 16 bytes a row, and where not directed a copy of the upper rows.

    Args:
        indptr: [num_src + 1] int64 row starts.
        indices: [E] int32 or int64, each row sorted and without duplicates.
        num_src: rows.
        num_dst: columns.
        self_loops: whether (u, u) is a pair that may be drawn. True for bipartite graphs, whose ends differ in kind.
        directed: False: unordered pairs u < v (u <= v with self-loops) that are edges in neither direction.
        upper: with ``directed=False``, the rows hold each edge once already, as (smaller id, larger id).

    Raises:
        ValueError: unordered pairs of a bipartite graph, or more than 2^63 pairs.
    """
    if num_src * num_dst >= 2**63:
        raise ValueError(f"{num_src} x {num_dst} pairs pass 2^63: draw from parts of the graph")
    nodes = torch.arange(num_src, device=indptr.device)
    if directed:
        sizes = num_dst - indptr.diff()
        if not self_loops:
            is_pair = (nodes < num_dst) & ~in_rows(indptr, indices, nodes, nodes[:, None])[:, 0]
            sizes -= is_pair.long()
    else:
        if num_src != num_dst:
            raise ValueError(f"unordered pairs need one set of nodes, got {num_src} sources and {num_dst} destinations")
        if not upper or not self_loops:
            indptr, indices = _upper_rows(indptr, indices, num_src, self_loops)
        sizes = num_dst - nodes - int(not self_loops) - indptr.diff()
    first = torch.zeros(num_src + 1, dtype=torch.int64, device=indptr.device)
    torch.cumsum(sizes, 0, out=first[1:])
    return PairSpace(indptr, indices, first, build_guide(first), num_dst, self_loops, directed)


def _upper_rows(indptr: Tensor, indices: Tensor, num_nodes: int, self_loops: bool) -> tuple[Tensor, Tensor]:
    """Every edge once, as (smaller id, larger id), without self-loops unless they are pairs."""
    nodes = torch.arange(num_nodes, device=indptr.device, dtype=indices.dtype)
    row = torch.repeat_interleave(nodes, indptr.diff())
    if not self_loops:
        keep = row != indices
        row, indices = row[keep], indices[keep]
    return build_csr(torch.minimum(row, indices), torch.maximum(row, indices), num_nodes, num_nodes)[:2]


def non_edges(
    indptr: Tensor, indices: Tensor, num_src: int, num_dst: int, num: int, stream: Stream, *,
    self_loops: bool = False, directed: bool = True, space: PairSpace | None = None, edge_filter: Tensor | None = None,
) -> tuple[Tensor, int]:
    """Draw `num` distinct pairs that are no edges, every set of them equally likely, in random order.

    Args:
        indptr, indices, num_src, num_dst, self_loops, directed: as for `pair_space`.
        num: how many, at least 0.
        stream: the randomness; the i-th pair depends on the stream and i, and on what earlier pairs took.
        space: what `pair_space` gave, if at hand; then the arguments before `num` are not read.
        edge_filter: bit table of the rows of a directed space, if at hand; it is for speed alone.

    Returns:
        pairs [2, min(num, M)] int64, and M, the number of pairs there are.
    """
    if num < 0:
        raise ValueError(f"the number of pairs must be at least 0, got {num}")
    if space is None:
        space = pair_space(indptr, indices, num_src, num_dst, self_loops=self_loops, directed=directed)
    available = space.num_pairs
    ranks = distinct_values(available, min(num, available), stream, space.indptr.device)
    return exchange_pairs(space, ranks, edge_filter) if space.directed else pairs_at(space, ranks), available


def distinct_values(num_values: int, num: int, stream: Stream, device: torch.device | str = "cpu") -> Tensor:
    """`num` distinct integers [num] int64 of [0, num_values), every ordered choice equally likely.

    Where more than half are wanted: the first of a keyed order of all. Else in rounds: every slot without a value draws
    one, the lowest slot keeps it if it is new, the others draw again. A value's name plays no part, so all are alike;
    at least half of the values are free, so every round serves each slot with probability at least 1/2.
    """
    if not 0 <= num <= num_values:
        raise ValueError(f"cannot draw {num} distinct values of {num_values}")
    if 2 * num > num_values:
        words = words_at(_key(stream, 0, device), num_values)[0]
        return words.argsort(stable=True)[:num]
    if torch.device(device).type != "cpu":
        return distinct_values_torch(num_values, num, stream, device)
    values = torch.empty(num, dtype=torch.int64)
    pending = np.arange(num)
    bits = max((2 * num - 1).bit_length(), 1)
    table = np.full(1 << bits, -1, dtype=np.int64)
    for attempt in count():
        left = _draw_round(pending, int(_key(stream, attempt)), num_values, values.numpy(), table, 64 - bits)
        if left == 0:
            return values
        pending = pending[:left]
    raise AssertionError


def distinct_values_torch(num_values: int, num: int, stream: Stream, device: torch.device | str = "cpu") -> Tensor:
    """The definition of the rounds, on any device: a stable sort finds who was first."""
    values = torch.empty(num, dtype=torch.int64, device=device)
    pending = torch.arange(num, device=device)
    taken = values[:0]
    for attempt in count():
        words = mix_tensor(_key(stream, attempt, device) + (pending + 1) * to_signed(_GOLDEN))
        drawn = torch.cat([taken, bounded_torch(words, num_values)])
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


def pairs_at(space: PairSpace, ranks: Tensor) -> Tensor:
    """The non-edges [2, n] int64 of the numbers `ranks` [n] int64 in [0, M)."""
    if space.indptr.device.type != "cpu":
        return pairs_at_torch(space, ranks)
    pairs = torch.empty((2, len(ranks)), dtype=torch.int64)
    run(_pairs, len(ranks), ranks.contiguous().numpy(), space.first.numpy(), space.guide.start.numpy(),
        space.guide.shift, space.indptr.numpy(), space.indices.numpy(), space.num_dst, space.self_loops,
        space.directed, pairs.numpy(), cost=2)
    return pairs


def pairs_at_torch(space: PairSpace, ranks: Tensor) -> Tensor:
    """The definition, on any device: all binary searches advance together."""
    row = search_torch(space.first, ranks)
    rank = ranks - space.first[row]
    if not space.directed:
        return torch.stack([row, _outside_torch(space, row, rank + row + int(not space.self_loops))])
    column = _outside_torch(space, row, rank)
    if not space.self_loops:
        # exchange: the row's last free column is out of reach of the ranks, and takes the place of (u, u)
        last = _outside_torch(space, row, space.first[row + 1] - space.first[row])
        column = torch.where(column == row, last, column)
    return torch.stack([row, column])


def _outside_torch(space: PairSpace, row: Tensor, rank: Tensor) -> Tensor:
    return rank + count_torch(space.indptr, space.indices, row, rank[:, None], keys=True)[:, 0]


def ranks_of(space: PairSpace, pairs: Tensor) -> Tensor:
    """The numbers [n] int64 of pairs [2, n]: the inverse of `pairs_at`; -1 for pairs that are not in the space.

    Where not directed, (u, v) and (v, u) have the same number.
    """
    row, column = pairs
    if not space.directed:
        row, column = torch.minimum(row, column), torch.maximum(row, column)
    known = in_rows(space.indptr, space.indices, row, column[:, None])[:, 0]
    known = known | (False if space.self_loops else row == column)
    rank = column - count_torch(space.indptr, space.indices, row, column[:, None])[:, 0]
    if not space.directed:
        rank = rank - row - int(not space.self_loops)
    elif not space.self_loops:
        size = space.first[row + 1] - space.first[row]
        # the row's last free column stands where (u, u) would
        own = row - count_torch(space.indptr, space.indices, row, row[:, None])[:, 0]
        rank = torch.where(rank == size, own, rank)
    return torch.where(known, -1, space.first[row] + rank)


@compiled
def _home(value, shift):
    return np.int64((np.uint64(value) * GOLDEN) >> np.uint64(shift))


@compiled
def _draw_round(pending, key, num_values, values, table, shift):
    """Give each pending slot, in order, a value that is not in the hash table yet; how many go again, now in front."""
    ahead, left = 16, 0
    n, last = pending.shape[0], table.shape[0] - 1
    for i in range(-ahead, n):
        if i + ahead < n:
            slot = pending[i + ahead]
            values[slot] = bounded(word_at(key, slot), num_values)
            prefetch(table, _home(values[slot], shift))
        if i < 0:
            continue
        slot = pending[i]
        value = values[slot]
        at = _home(value, shift)
        while table[at] >= 0 and table[at] != value:
            at = (at + 1) & last
        if table[at] == value:
            pending[left] = slot
            left += 1
        else:
            table[at] = value
    return left


@compiled
def _pairs(begin, end, ranks, first, start, shift, indptr, indices, num_dst, self_loops, directed, pairs):
    # three passes over a block, so that the cold lines of one pass arrive while the others run
    block = 32
    for low in range(begin, end, block):
        high = min(low + block, end)
        for i in range(high, min(high + block, end)):
            prefetch(start, ranks[i] >> shift)
        for i in range(low, high):
            row = guided(first, start, shift, ranks[i])
            pairs[0, i] = row
            prefetch(indptr, row)
        for i in range(low, high):
            row = pairs[0, i]
            if indptr[row] < indptr[row + 1]:
                prefetch(indices, (indptr[row] + indptr[row + 1]) >> 1)
        for i in range(low, high):
            row = pairs[0, i]
            rank, stop = ranks[i] - first[row], indptr[row + 1]
            if directed:
                column = outside_row(indices, indptr[row], stop, rank)
                own = first[row + 1] - first[row] < num_dst - (stop - indptr[row])
                if own and column == row:
                    # exchange: the row's last free column is out of reach of the ranks, and takes the place of (u, u)
                    column = outside_row(indices, indptr[row], stop, first[row + 1] - first[row])
            else:
                column = outside_row(indices, indptr[row], stop, rank + row + (0 if self_loops else 1))
            pairs[1, i] = column
