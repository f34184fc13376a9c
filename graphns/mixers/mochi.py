"""MoCHi: hard negatives mixed with one another and with the anchor, on the sphere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.mixers.hardest import best_slots, check_size, coefficients, draw_pairs, similarity, take
from graphns.mixers.mixer import Mixer
from graphns.streams import Stream


class MoCHi(Mixer):
    r"""Synthetic negatives from the N hardest candidates, for use beside the candidates themselves.

    .. math::

        h_k &\propto a_k n_i + (1 - a_k) n_j, \quad a_k \sim U(0, 1), \quad k = 1 \dots s \\
        h'_k &\propto b_k q + (1 - b_k) n_j, \quad b_k \sim U(0, \tfrac12), \quad k = 1 \dots s'

    i and j are drawn uniformly from the N best-scored usable candidates, different where there are two; all vectors are
    brought to unit length before and after. b stays below a half, so that the anchor q is the lesser part. The
    negatives are constants, like the queue entries of the paper: they carry no gradient.

    Args:
        hardest: N. This default and the next two are ours.
        mixed: s, at least 1.
        with_anchor: s'; 0 leaves the second kind out.

    Shape:
        anchor [B, d], positive [B, d] (not used), candidates [B|1, m, d] -> [B, s + s', d], unit rows.

    Random are i, j, a and b. Where fewer than N candidates are usable, all of them are the hardest.

    Raises:
        ValueError: a size is out of range, or shapes do not fit.

    Example:
        >>> anchor = torch.tensor([[1.0, 0.0]])
        >>> candidates = torch.tensor([[[0.6, 0.8], [0.8, 0.6], [-1.0, 0.0]]])
        >>> negatives = MoCHi(hardest=2, mixed=4, with_anchor=0)(anchor, anchor, candidates, stream=Stream(0))
        >>> bool((negatives[0, :, 0] > 0.6).all() and (negatives[0, :, 0] < 0.8).all())  # on the arc between the two
        True

    References:
        Kalantidis, Sariyildiz, Pion, Weinzaepfel, Larlus: Hard Negative Mixing for Contrastive Learning. NeurIPS 2020.
    """

    def __init__(self, hardest: int = 1024, mixed: int = 1024, with_anchor: int = 128) -> None:
        super().__init__()
        if with_anchor < 0:
            raise ValueError(f"with_anchor must be at least 0, got {with_anchor}")
        self.hardest, self.mixed = check_size("hardest", hardest), check_size("mixed", mixed)
        self.with_anchor = with_anchor

    @torch.no_grad()
    def mix(self, anchor: Tensor, positive: Tensor, candidates: Tensor, mask: Tensor, stream: Stream, row: Tensor,
            epoch: int) -> Tensor:
        """Vectors [B, s + s', d]; see the class."""
        anchor, candidates = F.normalize(anchor, dim=1), F.normalize(candidates, dim=2)
        slots, count = best_slots(similarity(anchor, candidates), mask, self.hardest)
        first, second = draw_pairs(count, self.mixed, stream.child(0), row)
        share = coefficients(stream.child(1), row, self.mixed, anchor.dtype)[:, :, None]
        parts = [share * take(candidates, slots.gather(1, first))
                 + (1 - share) * take(candidates, slots.gather(1, second))]
        if self.with_anchor:
            other, _ = draw_pairs(count, self.with_anchor, stream.child(2), row)
            share = coefficients(stream.child(3), row, self.with_anchor, anchor.dtype)[:, :, None] / 2
            parts.append(share * anchor[:, None] + (1 - share) * take(candidates, slots.gather(1, other)))
        return F.normalize(torch.cat(parts, 1), dim=2)
