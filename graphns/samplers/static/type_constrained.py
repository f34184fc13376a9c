"""Negatives of the right type: entities that a relation's slot can hold."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.candidate_sets import CandidateSets, anchors_of
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice


class TypeConstrained(Sampler):
    r"""Draw uniformly from the slot of the anchor's relation: its range, or for an inverse relation its domain.

    .. math:: q(j \mid u, r) = 1 / |\mathcal{S}_r \setminus \mathcal{E}(u, r)|, \quad
              j \in \mathcal{S}_r \setminus \mathcal{E}(u, r)

    The slots :math:`\mathcal{S}_r` come from a schema, or from the facts themselves: a slot then holds the entities
    that stood in it (the local closed world, LCWA; `Triples.slots`). :math:`\mathcal{E}(u, r)` holds the positive and,
    with ``exclude="neighbors"``, the known answers, which narrow slots hold many of. Exact, with no rejection: one word
    of the stream gives one negative. A slot that known answers fill, as one of a single entity, or a relation without a
    slot, gives masked slots.

    Args:
        known: known answers of anchors (entity, relation), as `Triples.known` gives them; or a plain `Graph`, which is
            one relation, 0. Of a graph the anchor itself is excluded too; an entity may answer for itself.
        slots: the candidates of each relation, as anchors of one column; r + R is the slot of heads.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: anchors of `known` or of `slots` have another width, or the two have not the same candidates.
        InfeasibleError: a row has no candidate, and ``infeasible="raise"``.

    Example:
        >>> from graphns.base import Query
        >>> from graphns.graph.triples import Triples
        >>> from graphns.streams import Stream
        >>> facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 0, 2], [3, 0, 4], [5, 1, 0]]))
        >>> anchor, positive = facts.questions(torch.zeros(4, dtype=torch.bool))
        >>> sampler = TypeConstrained(facts.known(), facts.slots())
        >>> negatives = sampler(Query(anchor, positive, k=1, stream=Stream(0)))
        >>> negatives.ids[0], negatives.mask[:, 0]  # who else is a tail of 0; relation 1 has had one tail only
        (tensor([4]), tensor([ True,  True,  True, False]))

    References:
        Krompass, Baier, Tresp: Type-Constrained Representation Learning in Knowledge Graphs. ISWC 2015.
    """

    density: Density = "marginal"

    def __init__(
        self, known: Graph, slots: EdgeSet, *, exclude: Exclude = "neighbors", infeasible: Infeasible = "mask"
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        if isinstance(known, EdgeSet) and known.width != 2:
            raise ValueError(f"need anchors (entity, relation), got known anchors of width {known.width}; "
                             "Triples.known() makes them")
        if slots.width != 1:
            raise ValueError(f"need one relation a slot, got slots with anchors of width {slots.width}; "
                             "Triples.slots() makes them, or EdgeSet.from_pairs(relation, entity, num_entities)")
        self.slots = slots
        self.exclude = exclude
        self.infeasible = infeasible
        self.sets = CandidateSets.over(slots, known, slots.rows(_relation(anchors_of(known))))

    @classmethod
    def from_graph(cls, graph: Graph, **options: Any) -> Self:
        """A graph's edges as the facts of one relation: candidates are the nodes that some edge leads to."""
        target = graph.in_degree.nonzero()[:, 0]
        slots = EdgeSet.from_pairs(torch.zeros_like(target), target, graph.num_dst)
        return cls(graph, slots, **options)

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        return self.sets.negatives(self.slots.rows(_relation(query.anchor)), query, self.exclude, self.infeasible)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the number of candidates; -inf outside the slot and at excluded ids."""
        return self.sets.log_prob(self.slots.rows(_relation(query.anchor)), query, self.exclude, ids)


def _relation(anchor: Tensor) -> Tensor:
    """The relation [n] of anchors (entity, relation) [n, 2]; 0 for those of a plain graph."""
    return anchor[:, 1] if anchor.dim() == 2 else torch.zeros_like(anchor)
