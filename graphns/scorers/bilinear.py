"""Bilinear (RESCAL): a full matrix for every relation."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.scorers.relational import DotModel, Inverse, scatter_normal


class Bilinear(DotModel):
    r"""Score triples by a bilinear form (RESCAL).

    .. math:: s(h, r, t) = h^\top W_r\, t

    The tied inverse of r is :math:`W_r^\top`: asked for heads, the query vector is :math:`W_r t`, asked for tails it is
    :math:`W_r^\top h`. Both meet the candidates in the fused gather-dot; the matrices of a batch take B dim² numbers.

    Args:
        num_entities: N.
        num_relations: R.
        dim: width of the vectors; a relation has dim² parameters.
        inverse: ``"tied"`` or ``"learned"`` (2R matrices).
        seed: of the initial parameters: entities normal with variance 1/dim, matrices around the identity. No global
            generator is touched.

    Raises:
        ValueError: a size is below 1, or anchors or ids do not fit the tables.

    Example:
        >>> model = Bilinear(num_entities=5, num_relations=2, dim=4)
        >>> tail = model.score(torch.tensor([[0, 1]]), torch.tensor([[3]]))
        >>> bool(torch.isclose(tail, model.score(torch.tensor([[3, 1 + 2]]), torch.tensor([[0]]))))
        True

    References:
        Nickel, Tresp, Kriegel: A Three-Way Model for Collective Learning on Multi-Relational Data. ICML 2011.
    """

    def __init__(self, num_entities: int, num_relations: int, dim: int = 32, *, inverse: Inverse = "tied",
                 seed: int = 0) -> None:
        super().__init__(num_entities, num_relations, dim, (dim, dim), inverse)
        generator = torch.Generator().manual_seed(seed)
        scatter_normal(self.entity_table, dim**-0.5, generator)
        scatter_normal(self.relation_table, 1 / dim, generator)
        with torch.no_grad():
            self.relation_table.add_(torch.eye(dim))

    def query_vectors(self, anchor: Tensor) -> Tensor:
        """Entity times matrix [B, dim], transposed where the relation is read inversely."""
        entity, relation, inversely = self.parts(anchor)
        matrix = self.relation_table.index_select(0, relation)
        matrix = torch.where(inversely[:, None, None], matrix.mT, matrix)
        return torch.einsum("bi,bij->bj", self.embed(entity), matrix)
