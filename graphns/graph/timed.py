"""Edges that happen at a time: what a source did before, and what it does now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from graphns.base import TensorData


class TimedEdges(TensorData):
    """Events (source, destination, time), each source's in the order of time.

    Make one with `TimedEdges.from_events`. Memory: 24 bytes an event.

    Args:
        indptr: [S + 1] int64, where the events of each source begin.
        target: [E] int64 destinations.
        keys: [E] int64, source * (T + 1) + which of `times` each event has, in rising order.
        first: [E] int64, the rank of the first event of the same source and destination.
        times: [T] the distinct times, rising.
        num_dst: number of destinations.
        bipartite: whether sources and destinations are different nodes.

    Example:
        >>> events = TimedEdges.from_events(torch.tensor([[0, 0, 1], [1, 2, 2]]), torch.tensor([5, 3, 4]), num_nodes=3)
        >>> events.before(torch.tensor([0, 0]), torch.tensor([5, 6]))
        (tensor([0, 1, 1]), tensor([2, 2, 1]))
    """

    def __init__(
        self, indptr: Tensor, target: Tensor, keys: Tensor, first: Tensor, times: Tensor, num_dst: int, bipartite: bool
    ) -> None:
        self.indptr, self.target, self.keys, self.first, self.times = indptr, target, keys, first, times
        self.num_src, self.num_dst, self.bipartite = len(indptr) - 1, num_dst, bipartite

    @classmethod
    def from_events(cls, edge_index: Tensor, time: Tensor, num_nodes: int | tuple[int, int]) -> Self:
        """The events of an `edge_index` with one time each, in any order.

        Args:
            edge_index: [2, E] integers.
            time: [E] numbers, whole or not.
            num_nodes: N, or (num_src, num_dst) where sources and destinations are different nodes.

        Raises:
            ValueError: shapes or ids do not fit, ids are no integers, or a time is NaN.
        """
        num_src, num_dst = (num_nodes, num_nodes) if isinstance(num_nodes, int) else num_nodes
        if edge_index.dim() != 2 or edge_index.shape[0] != 2 or time.shape != edge_index.shape[1:]:
            raise ValueError(f"need edge_index [2, E] and one time per edge, got {tuple(edge_index.shape)} and "
                             f"{tuple(time.shape)}")
        if edge_index.is_floating_point() or edge_index.is_complex() or edge_index.dtype == torch.bool:
            raise ValueError(f"edge_index must hold integer ids, got dtype {edge_index.dtype}; convert it with .long()")
        source, target = edge_index.long()
        for name, ids, size in (("source", source, num_src), ("destination", target, num_dst)):
            if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < size:
                bad = int(ids.min()) if int(ids.min()) < 0 else int(ids.max())
                raise ValueError(f"{name} {bad} is outside [0, {size}); pass the right num_nodes")
        if time.is_floating_point() and bool(time.isnan().any()):
            raise ValueError("a time is NaN; leave such events out")
        times, rank = torch.unique(time, return_inverse=True)
        order = rank.argsort(stable=True)
        order = order[source[order].argsort(stable=True)]
        source, target, rank = source[order], target[order], rank[order]
        indptr = torch.zeros(num_src + 1, dtype=torch.int64, device=source.device)
        indptr[1:] = torch.bincount(source, minlength=num_src).cumsum(0)
        _, pair = torch.unique(source * num_dst + target, return_inverse=True)
        earliest = torch.full((len(pair),), len(times), device=pair.device).scatter_reduce_(0, pair, rank, "amin")
        keys = source * (len(times) + 1) + rank
        return cls(indptr, target, keys, earliest[pair], times, num_dst, not isinstance(num_nodes, int))

    def rows(self, anchor: Tensor) -> Tensor:
        """The row [B] of each anchor [B].

        Raises:
            ValueError: an anchor is no source.
        """
        if anchor.dim() != 1:
            raise ValueError(f"timed edges take one id per anchor, got anchors {tuple(anchor.shape)}")
        if anchor.numel() and not 0 <= int(anchor.min()) <= int(anchor.max()) < self.num_src:
            bad = int(anchor.min()) if int(anchor.min()) < 0 else int(anchor.max())
            raise ValueError(f"anchor {bad} is outside [0, {self.num_src})")
        return anchor

    def before(self, anchor: Tensor, time: Tensor, after: float | None = None) -> tuple[Tensor, Tensor]:
        """The destinations of each anchor [B] strictly before its time [B], repeated ones as often as they came.

        Args:
            anchor: [B] int64.
            time: [B] numbers. Events with broken times are compared in the dtype they are stored in.
            after: only pairs whose first event is after this time.

        Returns:
            For each event, the place in `anchor` that it belongs to, and its destination: both [n] int64.

        Raises:
            ValueError: an anchor is no source, there is not one time per anchor, or a time is NaN.
        """
        start, low, _ = self._spans(anchor, time)
        place, at = _entries(start, low - start)
        if after is not None:
            times, mark = self._alike(torch.tensor(after, dtype=torch.float64, device=self.times.device))
            new = self.first[at] >= torch.searchsorted(times, mark, right=True)
            place, at = place[new], at[new]
        return place, self.target[at]

    def during(self, anchor: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """The destinations of each anchor at its time, as `before` gives them."""
        _, low, high = self._spans(anchor, time)
        place, at = _entries(low, high - low)
        return place, self.target[at]

    def _spans(self, anchor: Tensor, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where the events of each anchor begin, where those at its time do, and where those end: [B] each."""
        row = self.rows(anchor)
        if time.shape != anchor.shape:
            raise ValueError(f"need one time per anchor [{len(anchor)}], got {tuple(time.shape)}")
        # the keys of all sources are one rising sequence, so that one search finds every anchor's place
        size = len(self.times) + 1
        times, asked = self._alike(time)
        low, high = (row * size + torch.searchsorted(times, asked, right=right) for right in (False, True))
        return self.indptr[row], torch.searchsorted(self.keys, low), torch.searchsorted(self.keys, high)

    def _alike(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """The distinct times and those asked in one dtype: the stored one, unless that is whole and others asked."""
        if time.is_floating_point() and bool(time.isnan().any()):
            raise ValueError("a time of the query is NaN; ask for a number")
        stored = self.times.dtype
        wanted = stored if stored.is_floating_point or stored == time.dtype else torch.float64
        return self.times.to(wanted), time.to(wanted).contiguous()

    def map(self, function: Callable[[Tensor], Tensor]) -> TimedEdges:
        """The events with `function` applied to their tensors; times keep their dtype and digits."""
        # as integers of the same bits, which no conversion of numbers rounds
        bits = {8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.int8}[self.times.element_size()]
        times = function(self.times.view(bits)).view(self.times.dtype)
        return TimedEdges(function(self.indptr), function(self.target), function(self.keys), function(self.first),
                          times, self.num_dst, self.bipartite)

    def __repr__(self) -> str:
        """Sizes at a glance."""
        return (f"TimedEdges(num_src={self.num_src}, num_dst={self.num_dst}, num_events={len(self.target)}, "
                f"num_times={len(self.times)})")


def _entries(start: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """For each of `size` [B] entries from `start` [B]: its place in [0, B), and where it stands."""
    place = torch.repeat_interleave(torch.arange(len(start), device=start.device), size)
    within = torch.arange(len(place), device=start.device) - (size.cumsum(0) - size)[place]
    return place, start[place] + within
