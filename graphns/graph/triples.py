"""The triples of a knowledge graph as questions with anchors (head, relation)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from graphns.base import TensorData
from graphns.graph.known import EdgeSet


class Triples(TensorData):
    r"""Facts (head, relation, tail), asked from either side: a question is an anchor (entity, relation) and its answer.

    To corrupt a tail is to ask (head, r) for other tails; to corrupt a head is to ask (tail, r + R) for other heads,
    where R = `num_relations` and r + R is the inverse of r. So a sampler only ever replaces the positive, and the side
    is chosen where the query is made: by a coin, or by `head_chance` (bern).

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

    def questions(self, corrupt_head: Tensor) -> tuple[Tensor, Tensor]:
        """Anchors [n, 2] and positives [n] of all facts; where `corrupt_head` [n] bool, asked for the head."""
        if corrupt_head.shape != self.head.shape or corrupt_head.dtype != torch.bool:
            raise ValueError(f"corrupt_head must be bool [{len(self)}], got {corrupt_head.dtype} "
                             f"{tuple(corrupt_head.shape)}")
        entity = torch.where(corrupt_head, self.tail, self.head)
        relation = self.relation + self.num_relations * corrupt_head
        return torch.stack([entity, relation], 1), torch.where(corrupt_head, self.head, self.tail)

    def known(self) -> EdgeSet:
        """All facts as known positives of anchors (entity, relation), asked from both sides."""
        sides = [self.questions(torch.full_like(self.head, side, dtype=torch.bool)) for side in (False, True)]
        anchor, positive = (torch.cat(each) for each in zip(*sides, strict=True))
        return EdgeSet.from_pairs(anchor, positive, self.num_entities)

    def slots(self) -> EdgeSet:
        """The answers that each relation [0, 2R) has had: its range, and for its inverse, its domain."""
        relation = torch.cat([self.relation, self.relation + self.num_relations])
        return EdgeSet.from_pairs(relation, torch.cat([self.tail, self.head]), self.num_entities)

    def head_chance(self) -> Tensor:
        """Bern's chance to corrupt the head, of each relation [R] float64; 0.5 for a relation without facts."""
        known = self.known()
        # the distinct facts of r over its distinct heads, and over its distinct tails: rows of r, and of its inverse
        rows = torch.bincount(known.anchors[:, 1], minlength=2 * self.num_relations).double()
        tail_rows, head_rows = rows[: self.num_relations], rows[self.num_relations :]
        total = tail_rows + head_rows
        # tph = facts / heads and hpt = facts / tails, so tph / (tph + hpt) = tails / (heads + tails)
        return torch.where(total > 0, head_rows / total.clamp(min=1), 0.5)

    def map(self, function: Callable[[Tensor], Tensor]) -> Triples:
        """The facts with `function` applied to their tensors."""
        return Triples(function(self.head), function(self.relation), function(self.tail), self.num_entities,
                       self.num_relations)

    def __repr__(self) -> str:
        """Sizes at a glance."""
        return (f"Triples(num_triples={len(self)}, num_entities={self.num_entities}, "
                f"num_relations={self.num_relations})")
