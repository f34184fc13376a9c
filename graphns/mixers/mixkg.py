"""MixKG: two hard negative entities mixed into a harder one."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from graphns.mixers.hardest import Measure, best_slots, check_size, coefficients, draw_pairs, similarity, take
from graphns.mixers.mixer import Mixer
from graphns.streams import Stream

Criterion = Literal["score", "positive"]


class MixKG(Mixer):
    r"""Convex mixtures of pairs of hard negatives, hard by one of two criteria.

    .. math:: \hat e_k = a_k\, e_i + (1 - a_k)\, e_j, \qquad a_k \sim U(0, 1)

    i and j are drawn uniformly from the N hardest usable candidates, different where there are two. Hard are, by the
    criterion "score", those that the query scores highest; by "positive", those most like the true entity.

    The query is the anchor's vector, in the form in which candidates are compared with it: :math:`h \circ r` by "dot"
    for DistMult, and for ComplEx with real and imaginary parts side by side; h + r by "distance" for TransE, and h
    rotated by r for RotatE. Candidates and query carry gradient into the mixture, the choice does not.

    Args:
        k: negatives of a pair.
        hardest: N, at least 1; the mixed ones are taken from these. The default is ours.
        criterion: "score" or "positive".
        measure: "dot", "cosine" or "distance" (Euclidean), for either criterion.

    Shape:
        anchor [B, d], positive [B, d], candidates [B|1, m, d] -> [B, k, d].

    Random are i, j and a. Where fewer than N candidates are usable, all of them are the hardest.

    Raises:
        ValueError: a size, the criterion or the measure is none of those named, or shapes do not fit.

    Example:
        >>> import torch
        >>> query, true = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> candidates = torch.tensor([[[3.0, 0.0], [5.0, 0.0], [0.0, 9.0]]])
        >>> negatives = MixKG(k=4, hardest=2)(query, true, candidates, stream=Stream(0))
        >>> bool((negatives[0, :, 0] > 3).all() and (negatives[0, :, 0] < 5).all())
        True

    References:
        Che et al.: MixKG: Mixing for Harder Negative Samples in Knowledge Graph. 2022.
    """

    def __init__(self, k: int = 1, hardest: int = 16, criterion: Criterion = "score", measure: Measure = "dot") -> None:
        super().__init__()
        if criterion not in ("score", "positive"):
            raise ValueError(f"criterion must be 'score' or 'positive', got {criterion!r}")
        if measure not in ("dot", "cosine", "distance"):
            raise ValueError(f"measure must be 'dot', 'cosine' or 'distance', got {measure!r}")
        self.k, self.hardest = check_size("k", k), check_size("hardest", hardest)
        self.criterion, self.measure = criterion, measure

    def mix(self, anchor: Tensor, positive: Tensor, candidates: Tensor, mask: Tensor, stream: Stream, row: Tensor,
            epoch: int) -> Tensor:
        """Vectors [B, k, d]; see the class."""
        compared = anchor if self.criterion == "score" else positive
        slots, count = best_slots(similarity(compared, candidates, self.measure), mask, self.hardest)
        first, second = draw_pairs(count, self.k, stream.child(0), row)
        share = coefficients(stream.child(1), row, self.k, candidates.dtype)[:, :, None]
        return share * take(candidates, slots.gather(1, first)) \
            + (1 - share) * take(candidates, slots.gather(1, second))
