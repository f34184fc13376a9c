"""DistMult: a triple's score is a weighted dot product of head and tail."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.scorers.relational import DotModel, Inverse, scatter_normal


class DistMult(DotModel):
    r"""Score triples by a diagonal bilinear form.

    .. math:: s(h, r, t) = \sum_i h_i\, w_{r,i}\, t_i

    It is symmetric: with ``inverse="tied"``, r + R is r itself, and (h, r, t) scores as (t, r, h). The query vector
    :math:`h \odot w_r` meets the candidates in the fused gather-dot.

    Args:
        num_entities: N.
        num_relations: R.
        dim: width of the vectors.
        inverse: ``"tied"`` or ``"learned"`` (2R relation vectors, as Lacroix et al. train).
        seed: of the initial parameters: entities normal with variance 1/dim, relations around 1. No global generator
            is touched.

    Raises:
        ValueError: a size is below 1, or anchors or ids do not fit the tables.

    Example:
        >>> model = DistMult(num_entities=5, num_relations=2, dim=4)
        >>> tail = model.score(torch.tensor([[0, 1]]), torch.tensor([[3]]))
        >>> bool(torch.isclose(tail, model.score(torch.tensor([[3, 1 + 2]]), torch.tensor([[0]]))))
        True

    References:
        Yang, Yih, He, Gao, Deng: Embedding Entities and Relations for Learning and Inference in Knowledge Bases. ICLR
        2015.
        Lacroix, Usunier, Obozinski: Canonical Tensor Decomposition for Knowledge Base Completion. ICML 2018.
    """

    def __init__(self, num_entities: int, num_relations: int, dim: int = 64, *, inverse: Inverse = "tied",
                 seed: int = 0) -> None:
        super().__init__(num_entities, num_relations, dim, (dim,), inverse)
        generator = torch.Generator().manual_seed(seed)
        scatter_normal(self.entity_table, dim**-0.5, generator)
        scatter_normal(self.relation_table, dim**-0.5, generator)
        with torch.no_grad():
            self.relation_table.add_(1)

    def query_vectors(self, anchor: Tensor) -> Tensor:
        """Entity times relation [B, dim]."""
        entity, relation, _ = self.parts(anchor)
        return self.embed(entity) * F.embedding(relation, self.relation_table)
