"""TransE: a relation is a translation from head to tail."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.scorers.relational import Inverse, RelationalModel, spread, widened

_NO_MATMUL = "donot_use_mm_for_euclid_dist"  # |q|² + |t|² - 2 q·t loses the digits of small distances


class TransE(RelationalModel):
    r"""Score triples by the distance of the translated head from the tail.

    .. math:: s(h, r, t) = \gamma - \lVert h + w_r - t \rVert_p, \quad p \in \{1, 2\}

    The tied inverse of r is :math:`-w_r`: asked for heads, the query vector is :math:`t - w_r`, and the score is the
    same. A learned inverse is a translation of its own. :math:`\gamma` (`offset`) moves every score alike: ranks and
    losses of differences (margin, BPR) do not see it; a logistic loss needs it, since a distance alone can say no
    triple is likely.

    The scores of candidates of each row's own take their [B, m, dim] rows; shared candidates take no such tensor.
    In half precision distances are made in float32.

    Args:
        num_entities: N.
        num_relations: R.
        dim: width of the vectors.
        norm: p.
        offset: gamma.
        unit: divide entity vectors by their length wherever they are read. The paper does so to the table before each
            step.
        inverse: ``"tied"`` or ``"learned"`` (2R translations).
        seed: of the initial parameters, uniform within 6/√dim, or with an offset, within (offset + 2)/dim, both of them
            defaults of ours; with `unit`, relations begin with length 1. No global generator is touched.

    Raises:
        ValueError: a size is below 1, the norm is neither 1 nor 2, or anchors or ids do not fit the tables.

    Example:
        >>> model = TransE(num_entities=5, num_relations=2, dim=4)
        >>> tail = model.score(torch.tensor([[0, 1]]), torch.tensor([[3]]))
        >>> bool(torch.isclose(tail, model.score(torch.tensor([[3, 1 + 2]]), torch.tensor([[0]]))))
        True

    References:
        Bordes, Usunier, García-Durán, Weston, Yakhnenko: Translating Embeddings for Modeling Multi-relational Data.
        NIPS 2013.
    """

    def __init__(self, num_entities: int, num_relations: int, dim: int = 64, *, norm: Literal[1, 2] = 1,
                 offset: float = 0.0, unit: bool = False, inverse: Inverse = "tied", seed: int = 0) -> None:
        super().__init__(num_entities, num_relations, dim, (dim,), inverse)
        if norm not in (1, 2):
            raise ValueError(f"norm must be 1 or 2, got {norm!r}")
        self.norm, self.offset, self.unit = norm, offset, unit
        generator = torch.Generator().manual_seed(seed)
        for table in (self.entity_table, self.relation_table):
            spread(table, (offset + 2) / dim if offset else 6 / dim**0.5, generator)
        if unit:
            with torch.no_grad():
                self.relation_table.copy_(F.normalize(self.relation_table, dim=1))

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        """Entity vectors [..., dim] as they are scored; with `layers`, [..., 1, dim]."""
        rows = super().embed(ids, layers)
        return F.normalize(rows, dim=-1) if self.unit else rows

    def query_vectors(self, anchor: Tensor) -> Tensor:
        """Where the candidate should be [B, dim]."""
        entity, relation, inversely = self.parts(anchor)
        step = F.embedding(relation, self.relation_table)
        return self.embed(entity) + torch.where(inversely[:, None], -step, step)

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Scores [B, m] of candidates `ids` [B|1, m] for anchors [B, 2]."""
        return self.score_vectors(anchor, self.embed(ids))

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        """Scores [B, m] of candidate vectors [B|1, m, dim]."""
        queries = self.query_vectors(anchor)
        wide, rows = widened(queries), widened(vectors)
        if len(vectors) == 1:
            distance = torch.cdist(wide, rows[0], float(self.norm), _NO_MATMUL)
        else:
            distance = torch.cdist(wide[:, None], rows, float(self.norm), _NO_MATMUL)[:, 0]
        return (self.offset - distance).to(queries.dtype)
