"""Uniform negatives that the batch shares, and hard ones by random walks, more each epoch."""

from __future__ import annotations

import torch

from graphns.base import Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.dynamic.random_walk import RandomWalk
from graphns.samplers.exclusion import Exclude, excluded, is_candidate
from graphns.streams import bounded


class WalkCurriculum(Sampler):
    r"""Share uniform negatives in the batch, and give each pair hard ones of its own, one more each epoch (PinSage).

    .. math:: (\underbrace{y_1, \dots, y_{k - h}}_{\text{uniform, the same for the batch}},
        \underbrace{z_1, \dots, z_h}_{\text{uniform from}\ W(u)}), \qquad h = \min(g t, h_{\max}, k)

    t is the epoch, counted from 0, g is ``growth``, and :math:`W(u)` the window of ranks low to high by visits of
    random walks from the anchor, as `RandomWalk` makes it (where it is empty, hard slots are uniform).

    The shared ids may be known positives of some anchors: they are drawn with replacement from all candidates by the
    stream alone, and masked for each pair where they are the anchor, its positive or, with ``exclude="neighbors"``, in
    the anchor's row. Hard ones are never excluded ids.

    The density is "none": shared slots and hard slots have two. `RandomWalk` mixes both kinds in each slot, which
    gives one exact density.

    Args:
        graph: known edges, walked and excluded.
        growth: g, hard negatives that an epoch adds.
        max_hard: most hard negatives; None: half of k, so that no fewer are shared.
        window: ranks low to high, from 1, both included; the default is ours, as are those of the walks.
        num_walks: walks from every anchor.
        length: steps of a walk.
        restart: probability that a step leads back to the anchor.
        advance: ranks by which the window moves towards rank 1 each epoch.
        seed: of the walks.
        exclude: ``"neighbors"`` or ``"self"``.

    Returns:
        On call, ids and mask [B, k], the hard ones last; while there are none, ids [1, k]. No log_prob.

    Raises:
        ValueError: an argument is out of range, or the graph is an `EdgeSet`, which cannot be walked.

    Example:
        >>> from graphns.streams import Stream
        >>> ring = torch.arange(8)
        >>> graph = Graph.from_edge_index(torch.stack([ring, (ring + 1) % 8]))
        >>> sampler = WalkCurriculum(graph, window=(1, 2))
        >>> query = Query(torch.tensor([0, 4]), torch.tensor([1, 5]), k=6, stream=Stream(0))
        >>> sampler(query).ids.shape
        torch.Size([1, 6])
        >>> later = sampler(query.child(epoch=2)).ids  # two hard ones: 1 is the neighbour; 2 and 3 are reached next
        >>> bool((later[0, :4] == later[1, :4]).all()), set(later[0, 4:].tolist()) <= {2, 3}
        (True, True)

    References:
        Ying, He, Chen, Eksombatchai, Hamilton, Leskovec: Graph Convolutional Neural Networks for Web-Scale Recommender
        Systems. KDD 2018.
    """

    def __init__(
        self, graph: Graph, *, growth: int = 1, max_hard: int | None = None, window: tuple[int, int] = (10, 100),
        num_walks: int = 100, length: int = 10, restart: float = 0.15, advance: int = 0, seed: int = 0,
        exclude: Exclude = "neighbors",
    ) -> None:
        super().__init__()
        for name, value in (("growth", growth), ("max_hard", max_hard)):
            if value is not None and value < 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
        self.hard = RandomWalk(graph, window=window, num_walks=num_walks, length=length, restart=restart, share=1.0,
                               advance=advance, seed=seed, exclude=exclude)
        self.graph = graph
        self.exclude: Exclude = exclude
        self.growth, self.max_hard = growth, max_hard

    def num_hard(self, epoch: int, k: int) -> int:
        """h, how many of k slots are hard in an epoch, counted from 0."""
        return min(self.growth * max(epoch, 0), k // 2 if self.max_hard is None else self.max_hard, k)

    def sample(self, query: Query) -> Negatives:
        """Draw the shared ones, and the hard ones of each pair."""
        hard = self.num_hard(query.epoch, query.k)
        rows, extra = excluded(self.graph, query, self.exclude)
        # one row for the whole batch, so a pair keeps its negatives however the data are cut
        words = query.stream.child(0).words(torch.zeros(1, dtype=torch.int64, device=query.device), query.k - hard)
        ids = bounded(words, self.graph.num_dst)
        mask = is_candidate(self.graph, rows, extra, ids)
        if hard:
            own = self.hard.sample(query.child(1, k=hard))
            ids = torch.cat([ids.expand_as(mask), own.ids], 1)
            mask = torch.cat([mask, own.mask], 1)
        return Negatives(ids, None, mask)
