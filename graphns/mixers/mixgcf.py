"""MixGCF: some of the positive in every candidate, and the hardest candidate of every layer."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.mixers.hardest import check_size, coefficients
from graphns.mixers.layers import Pooling, as_layers, best_by_layer, check_pooling, pool_layers, take_by_layer
from graphns.mixers.mixer import Mixer
from graphns.streams import Stream


class MixGCF(Mixer):
    r"""Positive mixing and hop mixing: a negative made of another candidate's vector at every layer.

    .. math::

        e'^{(l)}_m = a_l\, e^{(l)}_+ + (1 - a_l)\, e^{(l)}_m, \quad a_l \sim U(0, 1), \qquad
        e_- = \mathrm{pool}_l\; e'^{(l)}_{x_l}, \quad x_l = \arg\max_m \langle u, e'^{(l)}_m \rangle

    The coefficient a_l is one for a pair, a negative and a layer, so it leaves the order of the candidates as it is:
    the hardest is chosen before anything is mixed, which saves the [B, m, L, d] mixed vectors and changes nothing.
    The choice carries no gradient; the vectors do, to the candidates and to the positive, as in the paper.

    Candidates with one layer (matrix factorisation) are welcome: then it is DNS with positive mixing.

    Args:
        k: negatives of a pair. Each has a group of candidates of its own: m must be a multiple of k.
        pooling: "mean", "sum" or "concat", as the encoder pools its layers. With "concat" the anchor's layer l scores
            layer l, and the result is [B, k, L d]; else the pooled anchor scores every layer.

    Shape:
        anchor [B, L, d] or pooled [B, d], positive [B, L, d], candidates [B|1, m, L, d] -> [B, k, d]; L may be missing.

    Random are the coefficients alone.

    Raises:
        ValueError: k is below 1, pooling is unknown, shapes do not fit, or m is no multiple of k.

    Example:
        >>> anchor, positive = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> candidates = torch.tensor([[[0.5, 0.0], [2.0, 0.0], [1.0, 0.0]]])
        >>> negative = MixGCF()(anchor, positive, candidates, stream=Stream(0))  # 2 is the hardest
        >>> a = negative[0, 0, 1]
        >>> bool(0 < a < 1), torch.allclose(negative[0, 0, 0], 2 * (1 - a))
        (True, True)

    References:
        Huang, Dong, Ding, Yang, Feng, Wang, Tang: MixGCF: An Improved Training Method for Graph Neural Network-based
        Recommender Systems. KDD 2021.
    """

    layered = True

    def __init__(self, k: int = 1, pooling: Pooling = "mean") -> None:
        super().__init__()
        self.k, self.pooling = check_size("k", k), check_pooling(pooling)

    def mix(self, anchor: Tensor, positive: Tensor, candidates: Tensor, mask: Tensor, stream: Stream, row: Tensor,
            epoch: int) -> Tensor:
        """Vectors [B, k, d]; see the class."""
        anchor, positive, candidates = as_layers(anchor, positive, candidates, self.pooling)
        batch, layers, _ = positive.shape
        with torch.no_grad():
            scores = torch.einsum("bld,cmld->bml" if len(candidates) == 1 else "bld,bmld->bml",
                                  anchor, candidates)
        chosen = take_by_layer(candidates, best_by_layer(scores, mask, self.k))
        share = coefficients(stream, row, self.k * layers, chosen.dtype).view(batch, self.k, layers, 1)
        return pool_layers(share * positive[:, None] + (1 - share) * chosen, self.pooling)
