"""Negatives typed by the facts alone: entities that were seen in the relation's slot."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.graph.triples import Triples
from graphns.samplers.exclusion import Exclude, Infeasible
from graphns.samplers.static.type_constrained import TypeConstrained
from graphns.streams import Stream


class PseudoTyped(Sampler):
    r"""Draw an entity that has stood in the relation's slot, heads and tails in one urn (PyKEEN's pseudo-typed).

    With :math:`H_r` and :math:`T_r` the heads and tails that relation r has had, one of the
    :math:`|H_r| + |T_r|` entries is drawn; an entry of :math:`H_r` replaces the head, one of :math:`T_r` the tail:

    .. math:: P(\text{corrupt the head} \mid r) = \frac{|H_r|}{|H_r| + |T_r|}, \quad
              q(j \mid u, r) = \frac{1}{|\mathcal{S}_r \setminus \mathcal{E}(u, r)|}, \quad
              j \in \mathcal{S}_r \setminus \mathcal{E}(u, r)

    The side is chosen where the query is made, by `questions`; the sampler draws for the side that was chosen, from
    :math:`\mathcal{S}_r = H_r` or :math:`T_r`. :math:`\mathcal{E}(u, r)` holds the positive and, with
    ``exclude="neighbors"``, the known answers, which narrow slots hold many of. A slot that known answers fill, as one
    of a single entity, gives masked slots. For slots from a schema take `TypeConstrained`, which this is around.

    Args:
        facts: the training facts: slots, known answers and the chance of a side. Or a `Graph`, whose edges are the
            facts of one relation, asked for their destinations by anchors of one column.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        InfeasibleError: a row has no candidate, and ``infeasible="raise"``.

    Example:
        >>> facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 0, 2], [3, 0, 4], [5, 1, 0]]))
        >>> sampler = PseudoTyped(facts)
        >>> sampler.chance
        tensor([0.4000, 0.5000], dtype=torch.float64)
        >>> anchor, positive = sampler.questions(facts, Stream(0))
        >>> sampler(Query(anchor, positive, k=2, stream=Stream(1))).mask.all(1)  # relation 1 has one head and one tail
        tensor([ True,  True,  True, False])

    References:
        Krompass, Baier, Tresp: Type-Constrained Representation Learning in Knowledge Graphs. ISWC 2015.
        Ali, Berrendorf, Hoyt, Vermue, Sharifzadeh, Tresp, Lehmann: PyKEEN 1.0: A Python Library for Training and
        Evaluating Knowledge Graph Embeddings. JMLR 2021.
    """

    density: Density = "marginal"
    chance: Tensor
    """Of the head, of each relation [R] float64."""

    def __init__(
        self, facts: Triples | Graph, *, exclude: Exclude = "neighbors", infeasible: Infeasible = "mask"
    ) -> None:
        super().__init__()
        if isinstance(facts, Graph):
            self.typed = TypeConstrained.from_graph(facts, exclude=exclude, infeasible=infeasible)
            heads, tails = int((facts.degree > 0).sum()), int((facts.in_degree > 0).sum())
            chance = torch.tensor([heads / (heads + tails) if heads else 0.5], dtype=torch.float64)
            chance = chance.to(facts.device)
        else:
            self.typed = TypeConstrained(facts.known(), facts.slots(), exclude=exclude, infeasible=infeasible)
            chance = facts.slot_chance()
        self.register_buffer("chance", chance, persistent=False)

    def questions(self, facts: Triples, stream: Stream, row: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Anchors [n, 2] and positives [n] of facts, each asked for a side by the sizes of its relation's slots.

        Args:
            facts: those of a batch (`Triples.part`), of the same relations.
            stream: the randomness of the sides; another than the query's.
            row: [n] int64 names of the facts' random sequences; default 0 … n-1.
        """
        return facts.questions(facts.sides(self.chance, stream, row))

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        return self.typed.sample(query)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the number of candidates; -inf outside the slot and at excluded ids."""
        return self.typed.log_prob(query, ids)
