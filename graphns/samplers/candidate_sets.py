"""Uniform draws from sorted sets of candidates that many anchors share: a relation's slot, what walks visited.

A set's members are numbered by their places, 0 … size - 1, and the known positives of an anchor are held as places in
its set. So a draw is one of `kernels.sized`: a place below the set's size, outside the anchor's row of places. What is
known costs no search over the set, and no set is ever copied for an anchor.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from graphns.base import Negatives, Query, TensorData
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.kernels.csr import build_csr
from graphns.kernels.membership import count_torch, in_rows
from graphns.kernels.sized import complement_sized
from graphns.samplers.alike import alike, log_alike
from graphns.samplers.exclusion import Exclude, Infeasible, excluded, is_candidate
from graphns.samplers.known_pairs import row_entries


class CandidateSets(TensorData):
    """Sets of candidates, and where in them the known positives stand. Memory: 4 bytes a member and a known pair.

    Args:
        known: known positives.
        indptr: [S + 1] int64, where each set begins.
        members: [M] int32 or int64, each set sorted, without duplicates.
        row_start: [A + 1] int64, where the places of each row of `known` begin.
        row_place: [P], the places in the row's set of the known positives that are in it, sorted.
    """

    def __init__(
        self, known: Graph, indptr: Tensor, members: Tensor, row_start: Tensor, row_place: Tensor
    ) -> None:
        self.known, self.indptr, self.members = known, indptr, members
        self.row_start, self.row_place = row_start, row_place

    @classmethod
    def over(cls, sets: Graph, known: Graph, set_of_row: Tensor) -> CandidateSets:
        """The sets that are the rows of `sets`, with what is `known`.

        Args:
            sets: its rows are the sets.
            known: known positives, over the same candidates.
            set_of_row: [A] int64, the set of each row of `known`; -1 for none.

        Raises:
            ValueError: the two are not over the same candidates.
        """
        if sets.num_dst != known.num_dst:
            raise ValueError(f"the sets hold ids below {sets.num_dst}, the known positives ids below {known.num_dst}; "
                             "give both the same number of candidates")
        # one empty set stands where there is none, so that every search has a row to look at
        indptr = sets.indptr if sets.num_src else sets.indptr.new_zeros(2)
        line, ids = row_entries(known.indptr, known.indices, torch.arange(known.num_src, device=known.device))
        which = set_of_row[line]
        inside = in_rows(indptr, sets.indices, which, ids[:, None])[:, 0]
        line, which, ids = line[inside], which[inside], ids[inside]
        place = count_torch(indptr, sets.indices, which, ids[:, None])[:, 0]
        row_start, row_place, _ = build_csr(line, place, max(known.num_src, 1), max(sets.num_dst, 1))
        return cls(known, indptr, sets.indices, row_start, row_place)

    def negatives(self, which: Tensor, query: Query, exclude: Exclude, infeasible: Infeasible) -> Negatives:
        """Draw k ids per query, uniformly from its set `which` [B] (-1: none) outside what is excluded."""
        rows, extra = excluded(self.known, query, exclude)
        ids, counts = self._draw(which, rows, extra, query, query.k)
        return alike(ids, counts, query, infeasible)

    def log_prob(self, which: Tensor, query: Query, exclude: Exclude, ids: Tensor) -> Tensor:
        """-log of the number of candidates [B, m] of each query; -inf outside its set and at excluded ids."""
        rows, extra = excluded(self.known, query, exclude)
        allowed = is_candidate(self.known, rows, extra, ids) & in_rows(self.indptr, self.members, which, ids)
        _, counts = self._draw(which, rows, extra, query, 0)
        return torch.where(allowed, log_alike(counts)[:, None], -torch.inf)

    def _draw(self, which: Tensor, rows: Tensor, extra: Tensor, query: Query, k: int) -> tuple[Tensor, Tensor]:
        """Ids [B, k] and the number of candidates [B]; where that is 0, ids are 0."""
        at = which.clamp(min=0)
        start = self.indptr[at]
        sizes = torch.where(which < 0, 0, self.indptr[at + 1] - start)
        held = in_rows(self.indptr, self.members, which, extra)
        place = torch.where(held, count_torch(self.indptr, self.members, which, extra), -1)
        # a query without a set has nothing to leave out either
        rows = torch.where(which < 0, -1, rows)
        keys = query.stream.row_keys(query.row)
        local, counts = complement_sized(self.row_start, self.row_place, rows, place, sizes, keys, k)
        if len(self.members) == 0:
            return torch.zeros_like(local), counts
        ids = self.members[(start[:, None] + local).clamp(max=len(self.members) - 1)].long()
        return torch.where((counts > 0)[:, None], ids, 0), counts

    def map(self, function: Callable[[Tensor], Tensor]) -> CandidateSets:
        """The sets with `function` applied to their tensors."""
        # typed as a graph's: an EdgeSet's is an EdgeSet
        return CandidateSets(self.known.map(function), function(self.indptr), function(self.members),
                             function(self.row_start), function(self.row_place))


def anchors_of(known: Graph) -> Tensor:
    """The anchor of each row: [A] of a graph, [A, a] of an `EdgeSet`."""
    return known.anchors if isinstance(known, EdgeSet) else torch.arange(known.num_src, device=known.device)


def first_column(anchor: Tensor, num_nodes: int) -> Tensor:
    """The node [n] from which an anchor [n] or [n, a] looks around.

    Raises:
        ValueError: it is no node.
    """
    node = anchor[:, 0] if anchor.dim() == 2 else anchor
    if node.numel() and not 0 <= int(node.min()) <= int(node.max()) < num_nodes:
        bad = int(node.min()) if int(node.min()) < 0 else int(node.max())
        raise ValueError(f"anchor {bad} is no node of the graph, outside [0, {num_nodes})")
    return node
