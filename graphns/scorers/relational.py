"""What the scorers of triples share: two tables, and the questions that anchors (entity, relation) put to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphns.kernels.gather_dot import gather_dot

Inverse = Literal["tied", "learned"]
"""How relation r + R, the inverse of r, is read. ``"tied"``: with the parameters of r, so that a triple has one score,
from whichever side it is asked. ``"learned"``: with parameters of its own (reciprocal relations)."""


class RelationalModel(nn.Module, ABC):
    """Scores candidates for anchors (entity, relation) [B, 2]; a `Model` of the contract, and its parameters.

    Relations r in [0, R) ask for tails, and r + R, the inverse of r, asks for heads: `graphns.graph.triples.Triples`.
    A higher score means a likelier triple.

    Args:
        num_entities: N, rows of the entity table.
        num_relations: R.
        dim: numbers in the vector of an entity.
        relation_shape: shape of the parameters of one relation.
        inverse: ``"tied"`` or ``"learned"``; with "learned" the relation table has 2R rows, else R.

    Raises:
        ValueError: a size is below 1, or `inverse` is neither.
    """

    def __init__(self, num_entities: int, num_relations: int, dim: int, relation_shape: tuple[int, ...],
                 inverse: Inverse) -> None:
        super().__init__()
        for name, size in (("num_entities", num_entities), ("num_relations", num_relations), ("dim", dim)):
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        if inverse not in ("tied", "learned"):
            raise ValueError(f"inverse must be 'tied' or 'learned', got {inverse!r}")
        self.num_entities, self.num_relations, self.dim, self.inverse = num_entities, num_relations, dim, inverse
        self.entity_table = nn.Parameter(torch.zeros(num_entities, dim))
        rows = num_relations * (2 if inverse == "learned" else 1)
        self.relation_table = nn.Parameter(torch.zeros(rows, *relation_shape))

    @abstractmethod
    def query_vectors(self, anchor: Tensor) -> Tensor:
        """What candidates are compared with [B, dim], made of entity and relation."""

    @abstractmethod
    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Scores [B, m] of candidates `ids` [B|1, m] for anchors [B, 2]."""

    @abstractmethod
    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        """Scores [B, m] of candidate vectors [B|1, m, dim]."""

    def forward(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """`score`."""
        return self.score(anchor, ids)

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        """Rows [..., dim] of the entity table; with `layers`, [..., 1, dim]."""
        rows = F.embedding(ids, self.entity_table)  # its gradient is the same for any number of threads
        return rows.unsqueeze(-2) if layers else rows

    def penalty(self, anchor: Tensor, positive: Tensor) -> Tensor:
        """The mean squared length of what each triple reads: the L2 regulariser of the batch, a scalar."""
        entity, relation, _ = self.parts(anchor)
        read = (self.embed(entity), self.relation_table.index_select(0, relation).flatten(1), self.embed(positive))
        total: Tensor = sum((each.square().sum(1).mean() for each in read), torch.zeros((), device=anchor.device))
        return total

    def parts(self, anchor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The entities [B] of anchors, their rows of the relation table [B], and whether those are read inversely.

        Raises:
            ValueError: anchors are not [B, 2], or their ids do not fit the tables.
        """
        if anchor.dim() != 2 or anchor.shape[1] != 2:
            raise ValueError(f"anchors must be [B, 2], (entity, relation), got {tuple(anchor.shape)}")
        entity, relation = anchor.unbind(1)
        for name, ids, limit in (("entity", entity, self.num_entities), ("relation", relation, 2 * self.num_relations)):
            if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < limit:
                raise ValueError(f"{name} ids from {int(ids.min())} to {int(ids.max())} do not fit [0, {limit}); a "
                                 "relation's inverse is r + num_relations")
        if self.inverse == "learned":
            return entity, relation, torch.zeros_like(relation, dtype=torch.bool)
        return entity, relation % self.num_relations, relation >= self.num_relations


class DotModel(RelationalModel):
    """A scorer that is the dot product of a query vector and the candidate's row: fused, no [B, m, dim] tensor.

    An author writes `query_vectors`.
    """

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Scores [B, m] of candidates `ids` [B|1, m] for anchors [B, 2]; with shared ids, one matrix product."""
        return gather_dot(self.query_vectors(anchor), self.entity_table, ids)

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        """Scores [B, m] of candidate vectors [B|1, m, dim]."""
        rows, m, width = vectors.shape
        # the vectors are a table whose rows each anchor reads in order
        ids = torch.arange(rows * m, device=vectors.device).view(rows, m)
        return gather_dot(self.query_vectors(anchor), vectors.reshape(rows * m, width), ids)


def spread(table: Tensor, span: float, generator: torch.Generator) -> None:
    """Fill a table with uniform numbers in [-span, span)."""
    with torch.no_grad():
        table.copy_((torch.rand(table.shape, generator=generator) * 2 - 1) * span)


def widened(vectors: Tensor) -> Tensor:
    """Half-precision vectors as float32, in which distances are made; others as they are."""
    return vectors.float() if vectors.dtype in (torch.float16, torch.bfloat16) else vectors


def scatter_normal(table: Tensor, std: float, generator: torch.Generator) -> None:
    """Fill a table with normal numbers of mean 0."""
    with torch.no_grad():
        table.copy_(torch.randn(table.shape, generator=generator) * std)


def check_even(dim: int) -> int:
    """`dim`, or a `ValueError` where it is odd: complex vectors hold real parts, then imaginary parts."""
    if dim % 2:
        raise ValueError(f"dim must be even, got {dim}: half of the numbers are real parts, half imaginary ones")
    return dim
