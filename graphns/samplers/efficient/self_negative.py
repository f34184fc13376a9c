"""The anchor's own entity as a negative (SimKGC)."""

from __future__ import annotations

from typing import Any, Self

import torch

from graphns.base import Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.exclusion import Exclude, check_choice
from graphns.samplers.static.uniform import Uniform


class SelfNegative(Sampler):
    r"""Put the anchor's own entity into the first slot; another sampler draws the rest (SimKGC).

    .. math:: y_1 = h \quad \text{for an anchor } (h, r), \qquad y_2 \dots y_k \sim \text{the base sampler}

    A text encoder scores the head itself high, since its words are those of the question; as a negative it unlearns
    that. Where h is the pair's positive or, with ``exclude="neighbors"``, known to complete the anchor (a reflexive
    fact), the base's own draw stays in the slot.

    The density is "none": the first slot is not drawn.

    Args:
        base: draws the other slots; put exclusions there.
        known: known positives of the anchors.
        exclude: ``"neighbors"`` or ``"self"``: whether known positives are looked up for the first slot.
        loops: whether a node is taken as its own negative where anchors are nodes of the candidates' own type, a
            homogeneous graph, which every other sampler leaves out. False there: then the base's draws are handed on.
            For an `EdgeSet` the first column of the anchor is always taken.

    Returns:
        On call, ids and mask [B, k], no log_prob.

    Raises:
        ValueError: the graph is bipartite: an anchor's id is that of another node among the candidates; the base draws
            pairs or vectors.

    Example:
        >>> from graphns.streams import Stream
        >>> known = EdgeSet.from_pairs(torch.tensor([[0, 0], [2, 0]]), torch.tensor([1, 2]), num_candidates=9)
        >>> query = Query(known.anchors, torch.tensor([1, 4]), k=3, stream=Stream(0))
        >>> ids = SelfNegative(Uniform(known), known)(query).ids
        >>> int(ids[0, 0]), int(ids[1, 0]) != 2  # (2, relation 0, 2) is a fact
        (0, True)

    References:
        Wang, Zhao, Wei, Liu: SimKGC: Simple Contrastive Knowledge Graph Completion with Pre-trained Language Models.
        ACL 2022.
    """

    def __init__(
        self, base: Sampler, known: Graph, *, exclude: Exclude = "neighbors", loops: bool = False
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        if known.bipartite and not isinstance(known, EdgeSet):
            raise ValueError("in a bipartite graph the anchors are no candidates, so none is its own negative; for a "
                             "knowledge graph give the EdgeSet triples.known()")
        self.base = base
        self.known = known
        self.exclude = exclude
        self.loops = loops or isinstance(known, EdgeSet)

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", loops: bool = False, **options: Any
    ) -> Self:
        """The anchor's entity beside uniform draws; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), graph, exclude=exclude, loops=loops)

    def sample(self, query: Query) -> Negatives:
        """Draw from the base, and put the anchor in front."""
        drawn: Negatives = self.base(query)
        if drawn.anchor is not None or drawn.vectors is not None:
            raise ValueError(f"{type(self.base).__name__} draws pairs or vectors; this needs ids of one table")
        if not self.loops:
            return drawn._replace(log_prob=None)
        own = query.anchor if query.anchor.dim() == 1 else query.anchor[:, 0]
        usable = (own >= 0) & (own < self.known.num_dst) & (own != query.positive)
        if self.exclude == "neighbors":
            usable &= ~self.known.has_edge(query.anchor, own)
        first = torch.arange(drawn.mask.shape[1], device=query.device) == 0
        here = first & usable[:, None]
        return Negatives(torch.where(here, own[:, None], drawn.ids), None, drawn.mask | here)
