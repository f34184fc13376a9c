"""ProGCL-mix: hard negatives mixed, the likelier true one counting more."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.mixers.hardest import best_slots, check_size, draw_pairs, similarity, take
from graphns.mixers.mixer import Mixer
from graphns.objectives.beta_mixture import BetaMixture
from graphns.streams import Stream


class ProGCLMix(Mixer):
    r"""Synthetic negatives from hard and probably true ones, for use beside the candidates themselves.

    .. math:: h_k \propto a_k\, v_i + (1 - a_k)\, v_j, \qquad
              a_k = \frac{p(\text{true} \mid s_i)}{p(\text{true} \mid s_i) + p(\text{true} \mid s_j)}

    s is the cosine with the anchor, p the posterior of a `BetaMixture` fitted to such cosines, and i, j are drawn
    uniformly, different where there are two, from the N usable candidates of largest
    :math:`p(\text{true} \mid s)\, x`, x being the cosine brought to [0, 1] by the fit: ProGCL's weight. Vectors are
    brought to unit length before and after.
    They carry gradient to the candidates; the choice and a carry none.

    Args:
        mixture: from `graphns.objectives.beta_mixture.fit_beta_mixture`.
        k: negatives of a pair; 1000 in the paper's code.
        hardest: N, at least 1; the default is ours.

    Shape:
        anchor [B, d], positive [B, d] (not used), candidates [B|1, m, d] -> [B, k, d], unit rows.

    Random are i and j.

    Raises:
        ValueError: a size is below 1, or shapes do not fit.

    Example:
        >>> mixture = BetaMixture(-1.0, 1.0, alpha=(2.0, 8.0), beta=(8.0, 2.0), weight=(0.9, 0.1))
        >>> anchor = torch.tensor([[1.0, 0.0]])
        >>> candidates = torch.tensor([[[0.0, 1.0], [0.28, 0.96], [1.0, 0.0]]])  # the last is probably false
        >>> negatives = ProGCLMix(mixture, k=3, hardest=2)(anchor, anchor, candidates, stream=Stream(0))
        >>> bool((negatives[0, :, 0] > 0).all() and (negatives[0, :, 0] < 0.28).all())
        True

    References:
        Xia, Wu, Wang, Chen, Li: ProGCL: Rethinking Hard Negative Mining in Graph Contrastive Learning. ICML 2022.
    """

    def __init__(self, mixture: BetaMixture, k: int = 1000, hardest: int = 1000) -> None:
        super().__init__()
        self.mixture = mixture
        self.k, self.hardest = check_size("k", k), check_size("hardest", hardest)

    def mix(self, anchor: Tensor, positive: Tensor, candidates: Tensor, mask: Tensor, stream: Stream, row: Tensor,
            epoch: int) -> Tensor:
        """Vectors [B, k, d]; see the class."""
        cosine = similarity(anchor, candidates, "cosine")
        true = self.mixture.true_negative(cosine)
        slots, count = best_slots(true * self.mixture.normalized(cosine), mask, self.hardest)
        first, second = (slots.gather(1, rank) for rank in draw_pairs(count, self.k, stream, row))
        one, other = true.gather(1, first), true.gather(1, second)
        both = one + other
        # where both are certainly false, neither is preferred
        share = torch.where(both > 0, one / torch.where(both > 0, both, 1.0), 0.5)[:, :, None]
        ends = [F.normalize(take(candidates, at), dim=2) for at in (first, second)]
        return F.normalize(share * ends[0] + (1 - share) * ends[1], dim=2)
