"""Corruption of one position of a triple: another value of the same kind, relations included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.graph.triples import Triples
from graphns.samplers.candidate_sets import CandidateSets
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice


class Positional(Sampler):
    r"""Replace the value at one position by any other of its kind: an entity by an entity, a relation by a relation.

    .. math:: q(j \mid u, y^+) = 1 / |\mathcal{K}(y^+) \setminus \mathcal{E}(u)|, \quad
              j \in \mathcal{K}(y^+) \setminus \mathcal{E}(u)

    The table of candidates is cut into kinds, and :math:`\mathcal{K}(y^+)` is the positive's: of triples, the entities
    [0, N) and the relations [N, N + R). With ``exclude="self"`` only the original is left out, by a shift of the index
    (PyKEEN's corruption scheme), and over a plain `Graph`, whose anchors are candidates, the anchor too. Of triples:

    .. math:: j = b + r + [b + r \ge y^+], \quad r \sim U\{0, \dots, |\mathcal{K}(y^+)| - 2\}

    with b where the kind begins. With ``exclude="neighbors"`` the values that complete a known triple are left out too,
    by a search and no rejection. Which position of a triple is replaced is chosen where the query is made:
    `Triples.positions` draws it, `Triples.blanks` makes the anchors.

    Args:
        known: known positives; `Triples.known_blanks` makes those of triples.
        sizes: how many candidates each kind has, in the order of the table. None: one kind.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids, log_prob and mask, all [B, k]. An id is a row of the whole table.

    Raises:
        ValueError: the kinds do not make up the table, or a known anchor has positives of two kinds.
        InfeasibleError: a row has no candidate, and ``infeasible="raise"``.

    Example:
        >>> from graphns.graph.triples import RELATION
        >>> from graphns.streams import Stream
        >>> facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 1, 1], [2, 2, 3]]))
        >>> anchor, positive = facts.blanks(torch.full((3,), RELATION))
        >>> sampler = Positional.of_triples(facts)
        >>> (sampler(Query(anchor, positive, k=2, stream=Stream(0))).ids - facts.num_entities).tolist()
        [[2, 2], [2, 2], [0, 0]]

    References:
        Ali, Berrendorf, Hoyt, Vermue, Sharifzadeh, Tresp, Lehmann: PyKEEN 1.0: A Python Library for Training and
        Evaluating Knowledge Graph Embeddings. JMLR 2021.
    """

    density: Density = "marginal"
    ends: Tensor  # [kinds] where each kind ends in the table

    def __init__(
        self, known: Graph, sizes: Sequence[int] | None = None, *, exclude: Exclude = "neighbors",
        infeasible: Infeasible = "mask",
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        sizes = (known.num_dst,) if sizes is None else tuple(sizes)
        if not sizes or min(sizes) < 1 or sum(sizes) != known.num_dst:
            raise ValueError(f"kinds of {list(sizes)} candidates do not make up a table of {known.num_dst}; give sizes "
                             "of at least 1 that add up to it")
        self.exclude = exclude
        self.infeasible = infeasible
        ends = torch.tensor(sizes, device=known.device).cumsum(0)
        self.register_buffer("ends", ends, persistent=False)
        table = torch.arange(known.num_dst, device=known.device).to(known.indices.dtype)
        kinds = Graph(torch.cat([ends.new_zeros(1), ends]), table, known.num_dst)
        first, last = known.indptr[:-1], known.indptr[1:] - 1
        kind = torch.full_like(first, -1)
        filled = first <= last
        kind[filled] = self._kind(known.indices[first[filled]].long())
        mixed = kind[filled] != self._kind(known.indices[last[filled]].long())
        if bool(mixed.any()):
            at = int(filled.nonzero()[:, 0][mixed][0])
            raise ValueError(f"row {at} of the known positives holds candidates of two kinds; make the kind part of "
                             "the anchor, as Triples.known_blanks() does")
        self.sets = CandidateSets.over(kinds, known, kind)

    @classmethod
    def of_triples(
        cls, facts: Triples, *, exclude: Exclude = "neighbors", infeasible: Infeasible = "mask"
    ) -> Self:
        """For the anchors of `Triples.blanks`: kinds are the entities and the relations."""
        known: EdgeSet = facts.known_blanks()
        return cls(known, (facts.num_entities, facts.num_relations), exclude=exclude, infeasible=infeasible)

    def _kind(self, ids: Tensor) -> Tensor:
        return torch.searchsorted(self.ends, ids, right=True)

    def _which(self, query: Query) -> Tensor:
        """The kind of each positive [B]; -1 for one that is no row of the table."""
        kind = self._kind(query.positive)
        return torch.where((query.positive >= 0) & (kind < len(self.ends)), kind, -1)

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        return self.sets.negatives(self._which(query), query, self.exclude, self.infeasible)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the number of candidates; -inf at those of another kind and at excluded ids."""
        return self.sets.log_prob(self._which(query), query, self.exclude, ids)
