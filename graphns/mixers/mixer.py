"""What a mixer is: candidates in, negatives out that are rows of no table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from graphns.streams import Stream


class Mixer(nn.Module, ABC):
    """Bends candidates into synthetic negatives (MixGCF, MoCHi, DENS).

    An author writes `mix`; users call the mixer. What is random depends on (stream, row) alone, as in a sampler, so a
    pair keeps its negatives however the data are cut into batches. Mixers hold no state but trained parameters.
    """

    layered: ClassVar[bool] = False
    """Whether vectors may come as one per layer of the encoder, [..., L, d]."""

    @abstractmethod
    def mix(self, anchor: Tensor, positive: Tensor, candidates: Tensor, mask: Tensor, stream: Stream, row: Tensor,
            epoch: int) -> Tensor:
        """Vectors [B, k, d] from checked arguments; mask [B, m] and row [B] are there."""

    def forward(
        self,
        anchor: Tensor,
        positive: Tensor,
        candidates: Tensor,
        *,
        mask: Tensor | None = None,
        stream: Stream | None = None,
        row: Tensor | None = None,
        epoch: int = 0,
    ) -> Tensor:
        """Vectors [B, k, d] from those of anchors [B, d], positives [B, d] and candidates [B|1, m, d].

        Args:
            anchor: [B, d] float, or [B, L, d] where the mixer is layered.
            positive: likewise.
            candidates: [B|1, m, d], or [B|1, m, L, d]; a leading 1 means that the whole batch shares them.
            mask: [B, m] bool, True = use; None: all. A masked candidate is used for nothing. A row without a usable one
                gives vectors that are finite and mean nothing: leave it out by `mask.any(1)`.
            stream: where the randomness comes from. None takes one key from torch's default generator.
            row: [B] int64, global example ids. Default 0 … B-1.
            epoch: for warm-ups.

        Returns:
            [B, k, d]; how many k, is the mixer's.

        Raises:
            ValueError: shapes do not fit.
        """
        _check(self, anchor, positive, candidates)
        batch, size = len(anchor), candidates.shape[1]
        if mask is None:
            mask = torch.ones(batch, size, dtype=torch.bool, device=anchor.device)
        elif mask.shape != (batch, size) or mask.dtype != torch.bool:
            raise ValueError(f"need a bool mask [B, m] = {(batch, size)}, got {mask.dtype} {tuple(mask.shape)}")
        else:  # whatever stands in a masked slot, NaN too, goes nowhere and has no gradient
            kept = mask if len(candidates) > 1 else mask.any(0, keepdim=True)
            candidates = candidates.masked_fill(~kept.view(*kept.shape, *[1] * (candidates.dim() - 2)), 0.0)
        if row is None:
            row = torch.arange(batch, device=anchor.device)
        elif row.shape != (batch,) or row.dtype != torch.int64:
            raise ValueError(f"need one int64 row id per pair [{batch}], got {row.dtype} {tuple(row.shape)}")
        vectors = self.mix(anchor, positive, candidates, mask, Stream.from_torch() if stream is None else stream, row,
                           epoch)
        if vectors.dim() != 3 or len(vectors) != batch:
            raise TypeError(f"{type(self).__name__}.mix gave {tuple(vectors.shape)}; the contract is [B, k, d] with "
                            f"B={batch}")
        return torch.where(mask.any(1)[:, None, None], vectors, 0.0)


def _check(mixer: Mixer, anchor: Tensor, positive: Tensor, candidates: Tensor) -> None:
    shapes = (f"got anchor {tuple(anchor.shape)}, positive {tuple(positive.shape)} and candidates "
              f"{tuple(candidates.shape)}")
    widths = {anchor.shape[-1:], positive.shape[-1:], candidates.shape[-1:]}
    plain = anchor.dim() == positive.dim() == 2 and candidates.dim() == 3
    layers = mixer.layered and anchor.dim() in (2, 3) and positive.dim() == 3 and candidates.dim() == 4 \
        and positive.shape[1] == candidates.shape[2] and (anchor.dim() == 2 or anchor.shape[1] == positive.shape[1])
    if not (plain or layers) or len(widths) != 1 or len(anchor) != len(positive) \
            or len(candidates) not in (1, len(anchor)):
        more = ", or positive [B, L, d] and candidates [B|1, m, L, d]" if mixer.layered else ""
        raise ValueError(f"need anchor [B, d], positive [B, d] and candidates [B|1, m, d]{more}; {shapes}")
    if candidates.shape[1] < 1:
        raise ValueError(f"there is nothing to mix: candidates are {tuple(candidates.shape)}")
