"""ComplEx: DistMult over complex numbers, where the order of head and tail counts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.scorers.relational import DotModel, Inverse, check_even, scatter_normal


class ComplEx(DotModel):
    r"""Score triples by a diagonal Hermitian form.

    .. math:: s(h, r, t) = \mathrm{Re} \sum_i h_i\, w_{r,i}\, \overline{t_i}

    A vector of dim numbers holds dim/2 real parts, then dim/2 imaginary parts. The tied inverse of r is
    :math:`\overline{w_r}`: asked for heads, the query vector is :math:`t \odot \overline{w_r}`, and the score is the
    same. Both query vectors meet the candidates in the fused gather-dot.

    Args:
        num_entities: N.
        num_relations: R.
        dim: numbers in a vector, even; the paper's K is dim/2.
        inverse: ``"tied"`` or ``"learned"`` (2R relation vectors, as Lacroix et al. train).
        seed: of the initial parameters: entities normal with variance 1/dim, relations around 1 + 0i. No global
            generator is touched.

    Raises:
        ValueError: a size is below 1, dim is odd, or anchors or ids do not fit the tables.

    Example:
        >>> model = ComplEx(num_entities=5, num_relations=2, dim=4)
        >>> tail = model.score(torch.tensor([[0, 1]]), torch.tensor([[3]]))
        >>> bool(torch.isclose(tail, model.score(torch.tensor([[3, 1 + 2]]), torch.tensor([[0]]))))
        True

    References:
        Trouillon, Welbl, Riedel, Gaussier, Bouchard: Complex Embeddings for Simple Link Prediction. ICML 2016.
        Lacroix, Usunier, Obozinski: Canonical Tensor Decomposition for Knowledge Base Completion. ICML 2018.
    """

    def __init__(self, num_entities: int, num_relations: int, dim: int = 64, *, inverse: Inverse = "tied",
                 seed: int = 0) -> None:
        super().__init__(num_entities, num_relations, check_even(dim), (dim,), inverse)
        generator = torch.Generator().manual_seed(seed)
        scatter_normal(self.entity_table, dim**-0.5, generator)
        scatter_normal(self.relation_table, dim**-0.5, generator)
        with torch.no_grad():
            self.relation_table[:, : dim // 2] += 1

    def query_vectors(self, anchor: Tensor) -> Tensor:
        """The complex product of entity and relation [B, dim], the relation conjugated where it is read inversely."""
        entity, relation, inversely = self.parts(anchor)
        real, imaginary = self.embed(entity).chunk(2, 1)
        w_real, w_imaginary = F.embedding(relation, self.relation_table).chunk(2, 1)
        w_imaginary = torch.where(inversely[:, None], -w_imaginary, w_imaginary)
        return torch.cat([real * w_real - imaginary * w_imaginary, real * w_imaginary + imaginary * w_real], 1)
