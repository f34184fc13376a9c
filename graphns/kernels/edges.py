"""Two-ended negatives: distinct pairs (u, v) that are no edges, uniform over all of them, in an exact number.

The M pairs that are no edges are numbered row by row. `num` distinct numbers are drawn, then each is turned into its
pair: the row by a guided search in the rows' first numbers, the column by the row's search keys. Nothing is rejected
for being an edge, so the count is met whenever M allows it, at any density.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from graphns.kernels.bits import compiled, prefetch
from graphns.kernels.complement import outside_row
from graphns.kernels.csr import build_csr
from graphns.kernels.guide import Guide, build_guide, guided, search_torch
from graphns.kernels.membership import count_torch, in_rows
from graphns.kernels.memory import empty
from graphns.kernels.pairs import exchange_pairs
from graphns.kernels.rounds import distinct_in_rounds
from graphns.kernels.threads import run
from graphns.streams import Stream


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

    Where more than half are wanted: the first of a keyed order of all. Else in the rounds of
    `kernels.rounds`.
    """
    if not 0 <= num <= num_values:
        raise ValueError(f"cannot draw {num} distinct values of {num_values}")
    if 2 * num > num_values:
        words = stream.child(0).words(torch.zeros(1, dtype=torch.int64, device=device), num_values)[0]
        return words.argsort(stable=True)[:num]
    size = torch.tensor([num_values], device=device)
    return distinct_in_rounds(size.expand(num), torch.zeros_like(size).expand(num), stream)


def pairs_at(space: PairSpace, ranks: Tensor) -> Tensor:
    """The non-edges [2, n] int64 of the numbers `ranks` [n] int64 in [0, M)."""
    if space.indptr.device.type != "cpu":
        return pairs_at_torch(space, ranks)
    pairs = empty(2, len(ranks))
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
