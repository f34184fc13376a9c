"""RotatE: a relation is a rotation from head to tail."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.scorers.relational import Inverse, RelationalModel, check_even, spread, widened

_CHUNK = 1 << 24  # numbers of a [B, chunk, dim] tensor


class RotatE(RelationalModel):
    r"""Score triples by the distance of the rotated head from the tail.

    .. math:: s(h, r, t) = \gamma - \sum_i \big| h_i\, e^{\mathrm{i} \theta_{r,i}} - t_i \big|

    over complex numbers: a vector of dim numbers holds dim/2 real parts, then dim/2 imaginary parts, and a relation is
    dim/2 angles. The tied inverse of r is the rotation by :math:`-\theta_r`: asked for heads, the query vector is
    :math:`t\, e^{-\mathrm{i} \theta_r}`, and the score is the same, since a rotation keeps distances. :math:`\gamma`
    (`offset`) moves every score alike: a logistic loss needs it, ranks do not see it.

    A score takes its [B, m, dim] differences, a chunk of candidates at a time. In half precision distances are made in
    float32.

    Args:
        num_entities: N.
        num_relations: R.
        dim: numbers in a vector, even; the paper's k is dim/2.
        offset: gamma.
        inverse: ``"tied"`` or ``"learned"`` (2R rotations).
        seed: of the initial parameters: entities uniform within 2(offset + 2)/dim, a default of ours, angles uniform
            in [-pi, pi). No global generator is touched.

    Raises:
        ValueError: a size is below 1, dim is odd, or anchors or ids do not fit the tables.

    Example:
        >>> model = RotatE(num_entities=5, num_relations=2, dim=4)
        >>> tail = model.score(torch.tensor([[0, 1]]), torch.tensor([[3]]))
        >>> bool(torch.isclose(tail, model.score(torch.tensor([[3, 1 + 2]]), torch.tensor([[0]]))))
        True

    References:
        Sun, Deng, Nie, Tang: RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space. ICLR 2019.
    """

    def __init__(self, num_entities: int, num_relations: int, dim: int = 64, *, offset: float = 0.0,
                 inverse: Inverse = "tied", seed: int = 0) -> None:
        super().__init__(num_entities, num_relations, check_even(dim), (dim // 2,), inverse)
        self.offset = offset
        generator = torch.Generator().manual_seed(seed)
        spread(self.entity_table, 2 * (offset + 2) / dim, generator)
        spread(self.relation_table, math.pi, generator)

    def query_vectors(self, anchor: Tensor) -> Tensor:
        """The rotated entity [B, dim]; turned back where the relation is read inversely."""
        entity, relation, inversely = self.parts(anchor)
        angle = F.embedding(relation, self.relation_table)
        angle = torch.where(inversely[:, None], -angle, angle)
        real, imaginary = self.embed(entity).chunk(2, 1)
        cosine, sine = angle.cos(), angle.sin()
        return torch.cat([real * cosine - imaginary * sine, real * sine + imaginary * cosine], 1)

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Scores [B, m] of candidates `ids` [B|1, m] for anchors [B, 2]."""
        queries = self.query_vectors(anchor)
        parts = [self._distance(queries, self.embed(part)) for part in torch.split(ids, self._width(queries), 1)]
        return (self.offset - torch.cat(parts, 1)).to(queries.dtype)

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        """Scores [B, m] of candidate vectors [B|1, m, dim]."""
        queries = self.query_vectors(anchor)
        parts = [self._distance(queries, part) for part in torch.split(vectors, self._width(queries), 1)]
        return (self.offset - torch.cat(parts, 1)).to(queries.dtype)

    def _width(self, queries: Tensor) -> int:
        return max(1, _CHUNK // max(queries.numel(), 1))

    def _distance(self, queries: Tensor, rows: Tensor) -> Tensor:
        real, imaginary = (widened(queries)[:, None] - widened(rows)).chunk(2, 2)
        # a complex modulus has the gradient 0 at 0, where the root of a sum has none
        return torch.complex(real, imaginary).abs().sum(2)
