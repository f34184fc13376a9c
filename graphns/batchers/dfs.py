"""Batches of examples whose anchors are near each other in depth-first order."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from graphns.batchers.batcher import Batcher
from graphns.graph.depth_first import joined_order
from graphns.graph.graph import Graph
from graphns.streams import Stream, bounded


class DFS(Batcher):
    """Cut the examples into batches in depth-first order of their anchors (MCNS's order).

    A depth-first search (a bipartite graph's over both kinds of node) orders the anchors; examples of one anchor keep
    their own order. Without ``shuffle`` every epoch is the same and nothing is random. With it, each epoch begins the
    order at another example, as on a ring, and gives the batches in another order; both are keyed by (seed, epoch).

    Args:
        graph: what is searched; its sources are the anchors.
        batch_size: examples in a batch; the last may be smaller.
        anchor: [n] integers, the anchor of each example; None: one example for each source.
        root: the source where the search begins.
        shuffle: whether epochs differ.
        seed: of the shuffle.
        drop_last: whether a smaller last batch is left out.

    Raises:
        ValueError: batch_size is no positive integer; anchors are no integers; root or an anchor is no source of the
            graph.

    Example:
        >>> path = Graph.from_edge_index(torch.tensor([[0, 2, 2, 1], [2, 0, 1, 2]]), num_nodes=4)
        >>> list(DFS(path, 2))
        [[0, 2], [1, 3]]
        >>> list(DFS(path, 2, anchor=torch.tensor([1, 0, 1, 3, 2])))
        [[1, 4], [0, 2], [3]]

    References:
        Yang, Ding, Zhou, Yang, Zhou, Tang: Understanding Negative Sampling in Graph Representation Learning. KDD 2020.
    """

    def __init__(
        self, graph: Graph, batch_size: int, *, anchor: Tensor | None = None, root: int = 0, shuffle: bool = False,
        seed: int = 0, drop_last: bool = False,
    ) -> None:
        if anchor is not None and (anchor.is_floating_point() or anchor.is_complex() or anchor.dtype == torch.bool):
            raise ValueError(f"anchor must hold integer ids, got dtype {anchor.dtype}; convert it with .long()")
        sources, _ = joined_order(graph, root)
        place = sources.argsort()
        at = place if anchor is None else place[graph.rows(anchor.long())]
        self.order = at.argsort(stable=True).cpu()
        super().__init__(range(len(self.order)), batch_size, drop_last)
        self.shuffle, self.seed, self.epoch = shuffle, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; only a shuffle asks."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        """The example ids of one batch after another."""
        order, stream = self.order, Stream(self.seed, self.epoch)
        batches = torch.arange(len(self))
        if self.shuffle:
            begin = bounded(stream.child(0).words(torch.zeros(1, dtype=torch.int64), 1), len(order))
            order = order.roll(-int(begin))
            batches = stream.child(1).words(batches, 1)[:, 0].argsort()
        for batch in batches.tolist():
            yield order[batch * self.batch_size : (batch + 1) * self.batch_size].tolist()

    def __len__(self) -> int:
        """Batches in an epoch."""
        num = len(self.order)
        return num // self.batch_size if self.drop_last else -(-num // self.batch_size)
