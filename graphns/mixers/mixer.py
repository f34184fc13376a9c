"""What a mixer is: candidates in, negatives out that are rows of no table."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Mixer(nn.Module, ABC):
    """Bends candidates into synthetic negatives (MixGCF, MoCHi, DENS)."""

    @abstractmethod
    def forward(self, anchor: Tensor, positive: Tensor, candidates: Tensor) -> Tensor:
        """Vectors [B, k, d] from those of anchors [B, d], positives [B, d] and candidates [B|1, m, d]."""
