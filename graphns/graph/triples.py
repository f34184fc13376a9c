"""The triples of a knowledge graph as questions with anchors (head, relation)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor

from graphns.base import TensorData
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.streams import Stream, bounded, unit

HEAD, RELATION, TAIL = 0, 1, 2
"""The positions of a triple."""


class Triples(TensorData):
    r"""Facts (head, relation, tail), asked from either side: a question is an anchor (entity, relation) and its answer.

    To corrupt a tail is to ask (head, r) for other tails; to corrupt a head is to ask (tail, r + R) for other heads,
    where R = `num_relations` and r + R is the inverse of r. So a sampler only ever replaces the positive, and the side
    is chosen where the query is made: `sides` draws it by a coin, or by `head_chance` (bern).

    .. math:: P(\text{corrupt the head} \mid r) = \frac{\text{tph}_r}{\text{tph}_r + \text{hpt}_r}

    with tph the mean number of tails of a head that r has, and hpt the mean number of heads of a tail: where a head has
    many tails, a false tail is likely to be true after all, and so the head is replaced.

    Args:
        head: [n] int64.
        relation: [n] int64 in [0, R).
        tail: [n] int64.
        num_entities: default, one more than the largest id.
        num_relations: R; default, one more than the largest id.

    Raises:
        ValueError: shapes, dtypes or ids are wrong.

    Example:
        >>> facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 0, 2], [3, 1, 0]]))
        >>> facts.head_chance().tolist()
        [0.6666666666666666, 0.5]
        >>> anchor, positive = facts.questions(torch.tensor([False, True, False]))
        >>> anchor.tolist(), positive.tolist()
        ([[0, 0], [2, 2], [3, 1]], [1, 0, 0])

    References:
        Wang, Zhang, Feng, Chen: Knowledge Graph Embedding by Translating on Hyperplanes. AAAI 2014.
    """

    def __init__(self, head: Tensor, relation: Tensor, tail: Tensor, num_entities: int | None = None,
                 num_relations: int | None = None) -> None:
        for name, ids in (("head", head), ("relation", relation), ("tail", tail)):
            if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
                raise ValueError(f"{name} must hold integer ids, got dtype {ids.dtype}; convert it with .long()")
            if ids.dim() != 1 or ids.shape != head.shape:
                raise ValueError(f"need head, relation and tail [n] alike, got {tuple(head.shape)}, "
                                 f"{tuple(relation.shape)} and {tuple(tail.shape)}")
            if ids.numel() and int(ids.min()) < 0:
                raise ValueError(f"{name} ids must be >= 0, got {int(ids.min())}")
        self.head, self.relation, self.tail = head.long(), relation.long(), tail.long()
        largest = int(torch.cat([self.head, self.tail]).max()) if len(head) else -1
        self.num_entities = max(largest + 1, 1) if num_entities is None else num_entities
        most = int(self.relation.max()) if len(head) else -1
        self.num_relations = max(most + 1, 1) if num_relations is None else num_relations
        if largest >= self.num_entities or most >= self.num_relations:
            raise ValueError(f"entities up to {largest} and relations up to {most} do not fit num_entities="
                             f"{self.num_entities} and num_relations={self.num_relations}")

    @classmethod
    def from_tensor(cls, triples: Tensor, num_entities: int | None = None, num_relations: int | None = None) -> Self:
        """The facts of a table [n, 3] of head, relation, tail.

        Raises:
            ValueError: the table has another shape or dtype, or ids do not fit.
        """
        if triples.dim() != 2 or triples.shape[1] != 3:
            raise ValueError(f"need triples [n, 3] of head, relation, tail, got {tuple(triples.shape)}")
        head, relation, tail = triples.T
        return cls(head, relation, tail, num_entities, num_relations)

    def __len__(self) -> int:
        """How many facts there are, repeated ones counted."""
        return len(self.head)

    def part(self, index: Tensor) -> Triples:
        """The facts at `index` [m] int64, of the same entities and relations: those of a batch."""
        return Triples(self.head[index], self.relation[index], self.tail[index], self.num_entities, self.num_relations)

    def sides(self, chance: Tensor | float, stream: Stream, row: Tensor | None = None) -> Tensor:
        """Which facts [n] bool are to be asked for their head: drawn from `stream`, keyed by `row`.

        Args:
            chance: of the head: [R] by relation, as `head_chance` (bern) and `slot_chance` (pseudo-typed) give it, or
                one number for all: 0.5 is a fair coin.
            stream: the randomness.
            row: [n] int64, names of the facts' random sequences; default 0 … n-1. Give the facts' own numbers, and
                every fact keeps its side however the data are cut into batches.

        Raises:
            ValueError: chances are no probabilities [R], or there is not one row for each fact.

        Example:
            >>> facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 0, 2], [3, 1, 0]]))
            >>> facts.sides(facts.head_chance(), Stream(0)).tolist()
            [True, True, True]
        """
        given = torch.as_tensor(chance, dtype=torch.float64, device=self.head.device)
        if given.dim() and given.shape != (self.num_relations,):
            raise ValueError(f"need one chance, or one for each of {self.num_relations} relations, got "
                             f"{tuple(given.shape)}")
        if not bool(((given >= 0) & (given <= 1)).all()):
            raise ValueError(f"chances must be probabilities in [0, 1], got {given.tolist()}")
        return unit(stream.words(self._rows(row), 1))[:, 0] < (given[self.relation] if given.dim() else given)

    def questions(self, corrupt_head: Tensor) -> tuple[Tensor, Tensor]:
        """Anchors [n, 2] and positives [n] of all facts; where `corrupt_head` [n] bool, asked for the head."""
        if corrupt_head.shape != self.head.shape or corrupt_head.dtype != torch.bool:
            raise ValueError(f"corrupt_head must be bool [{len(self)}], got {corrupt_head.dtype} "
                             f"{tuple(corrupt_head.shape)}")
        entity = torch.where(corrupt_head, self.tail, self.head)
        relation = self.relation + self.num_relations * corrupt_head
        return torch.stack([entity, relation], 1), torch.where(corrupt_head, self.head, self.tail)

    def asked(self, example: Tensor) -> tuple[Tensor, Tensor]:
        """Anchors [m, 2] and positives [m] of examples [m] in [0, 2n): i asks fact i for its tail, n + i for its head.

        Raises:
            ValueError: an example is outside [0, 2n).

        Example:
            >>> facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [3, 1, 0]]))
            >>> anchor, positive = facts.asked(torch.tensor([1, 2]))
            >>> anchor.tolist(), positive.tolist()
            ([[3, 1], [1, 2]], [0, 0])
        """
        if example.numel() and not 0 <= int(example.min()) <= int(example.max()) < 2 * len(self):
            bad = int(example.min()) if int(example.min()) < 0 else int(example.max())
            raise ValueError(f"example {bad} is outside [0, {2 * len(self)}): a fact is asked for its tail or its head")
        return self.part(example % max(len(self), 1)).questions(example >= len(self))

    def positions(self, stream: Stream, row: Tensor | None = None, scheme: Sequence[int] = (HEAD, TAIL)) -> Tensor:
        """Which position [n] int64 of each fact to corrupt: one of `scheme`, each alike, keyed by `row`.

        Args:
            stream: the randomness.
            row: [n] int64 names of the facts' random sequences; default 0 … n-1.
            scheme: any of HEAD = 0, RELATION = 1 and TAIL = 2.

        Raises:
            ValueError: the scheme is empty, or names another position.

        Example:
            >>> facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 0, 2], [3, 1, 0]]))
            >>> facts.positions(Stream(0), scheme=(HEAD, RELATION, TAIL)).tolist()
            [1, 0, 0]
        """
        if not scheme or not set(scheme) <= {HEAD, RELATION, TAIL}:
            raise ValueError(f"scheme must name positions 0 (head), 1 (relation) or 2 (tail), got {tuple(scheme)}")
        choice = bounded(stream.words(self._rows(row), 1)[:, 0], len(scheme))
        return torch.tensor(list(scheme), device=choice.device)[choice]

    def blanks(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """The facts with one position left blank: anchors [n, 3] and positives [n].

        An anchor is what the fact keeps, in its order, and the position itself. Positives are rows of one table: the
        entities, then the relations, so that relation r is row `num_entities` + r.

        Example:
            >>> facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 0, 2], [3, 1, 0]]))
            >>> anchor, positive = facts.blanks(torch.tensor([HEAD, TAIL, RELATION]))
            >>> anchor.tolist(), positive.tolist()
            ([[0, 1, 0], [0, 0, 2], [3, 0, 1]], [0, 2, 5])
        """
        if position.shape != self.head.shape or not bool(((position >= HEAD) & (position <= TAIL)).all()):
            raise ValueError(f"need one position 0, 1 or 2 for each of {len(self)} facts, got {position.tolist()}")
        first = torch.where(position == HEAD, self.relation, self.head)
        second = torch.where(position == TAIL, self.relation, self.tail)
        entity = torch.where(position == HEAD, self.head, self.tail)
        return torch.stack([first, second, position], 1), torch.where(
            position == RELATION, self.relation + self.num_entities, entity)

    def known(self) -> EdgeSet:
        """All facts as known positives of anchors (entity, relation), asked from both sides."""
        sides = [self.questions(torch.full_like(self.head, side, dtype=torch.bool)) for side in (False, True)]
        anchor, positive = (torch.cat(each) for each in zip(*sides, strict=True))
        return EdgeSet.from_pairs(anchor, positive, self.num_entities)

    def known_blanks(self) -> EdgeSet:
        """All facts as known positives of the anchors that `blanks` makes, at each of the three positions."""
        sides = [self.blanks(torch.full_like(self.head, position)) for position in (HEAD, RELATION, TAIL)]
        anchor, positive = (torch.cat(each) for each in zip(*sides, strict=True))
        return EdgeSet.from_pairs(anchor, positive, self.num_entities + self.num_relations)

    def slots(self) -> EdgeSet:
        """The answers that each relation [0, 2R) has had: its range, and for its inverse, its domain."""
        relation = torch.cat([self.relation, self.relation + self.num_relations])
        return EdgeSet.from_pairs(relation, torch.cat([self.tail, self.head]), self.num_entities)

    def entity_graph(self) -> Graph:
        """The entities, joined where some fact joins them: relations left out, both directions."""
        edges = torch.stack([self.head, self.tail])
        return Graph.from_edge_index(torch.cat([edges, edges.flip(0)], 1), self.num_entities)

    def head_chance(self) -> Tensor:
        """Bern's chance to corrupt the head, of each relation [R] float64; 0.5 for a relation without facts."""
        known = self.known()
        # the distinct facts of r over its distinct heads, and over its distinct tails: rows of r, and of its inverse
        rows = torch.bincount(known.anchors[:, 1], minlength=2 * self.num_relations).double()
        tail_rows, head_rows = rows[: self.num_relations], rows[self.num_relations :]
        total = tail_rows + head_rows
        # tph = facts / heads and hpt = facts / tails, so tph / (tph + hpt) = tails / (heads + tails)
        return torch.where(total > 0, head_rows / total.clamp(min=1), 0.5)

    def slot_chance(self) -> Tensor:
        """The share of a relation's heads among its heads and tails [R] float64; 0.5 for a relation without facts.

        The chance of the head in pseudo-typed sampling. Bern's is the share of the tails: 1 less this.
        """
        return 1 - self.head_chance()

    def map(self, function: Callable[[Tensor], Tensor]) -> Triples:
        """The facts with `function` applied to their tensors."""
        return Triples(function(self.head), function(self.relation), function(self.tail), self.num_entities,
                       self.num_relations)

    def __repr__(self) -> str:
        """Sizes at a glance."""
        return (f"Triples(num_triples={len(self)}, num_entities={self.num_entities}, "
                f"num_relations={self.num_relations})")

    def _rows(self, row: Tensor | None) -> Tensor:
        if row is None:
            return torch.arange(len(self), device=self.head.device)
        if row.shape != self.head.shape:
            raise ValueError(f"need one row id per fact [{len(self)}], got row {tuple(row.shape)}")
        return row
