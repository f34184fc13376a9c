"""Which candidates may be negatives: a window of ranks, caps of the score, margins below the positive."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from graphns.streams import Stream

Strategy = Literal["top", "random", "drawn"]
"""The best-scored that are left; a random choice of them; or the first in the order in which a sampler drew them."""
RULES = ("known", "absolute_margin", "relative_margin", "max_score", "min_score", "range_min", "range_max")
"""Why a candidate is no negative, in the order in which it is asked; each is counted under the first that holds."""


@dataclass(frozen=True)
class Guards:
    r"""The rules of sentence-transformers' `mine_hard_negatives`, under its names.

    .. math:: s(a, n) \le s^+ - m_{abs},\quad s(a, n) \le s^+ - m_{rel} |s^+|,\quad s_{min} \le s(a, n) \le s_{max}

    with :math:`s^+` the lowest score of the anchor's positives. What is left is ranked by score; the first `range_min`
    are skipped, those from `range_max` on too.

    Args:
        k: negatives of an anchor.
        range_min: best-ranked candidates to skip, counted after the other rules.
        range_max: the last rank that may be taken. It also says how many candidates there are: `range_max` and as many
            as the most known positives of an anchor. None: `range_min` + k + those, and 10 k in the place of k with a
            margin or max_score.
        max_score: candidates above are left out: they may be unknown positives.
        min_score: candidates below are left out: they are too easy.
        absolute_margin: how far below the positive a candidate must score.
        relative_margin: the same as a share of the positive's score; 0.05 asks for 5 % less.
        strategy: see `Strategy`; None: "drawn" of a sampler's draws, else "top".

    Raises:
        ValueError: a number is out of range, or the window is smaller than k.

    References:
        Moreira, Osmulski, Xu, Ak, Schifferer, Oldridge: NV-Retriever: Improving Text Embedding Models with Effective
        Hard-Negative Mining. arXiv 2407.15831, 2024 (margins relative to the positive).
    """

    k: int = 5
    range_min: int = 0
    range_max: int | None = None
    max_score: float | None = None
    min_score: float | None = None
    absolute_margin: float | None = None
    relative_margin: float | None = None
    strategy: Strategy | None = None

    def __post_init__(self) -> None:
        """Check everything once."""
        if self.k < 1:
            raise ValueError(f"k must be at least 1, got {self.k}")
        if self.range_min < 0:
            raise ValueError(f"range_min must be at least 0, got {self.range_min}")
        if self.range_max is not None and self.k > self.range_max - self.range_min:
            raise ValueError(f"range_min={self.range_min} and range_max={self.range_max} leave "
                             f"{max(self.range_max - self.range_min, 0)} ranks for k={self.k} negatives; widen the "
                             "window or lower k")
        for name in ("max_score", "min_score", "absolute_margin", "relative_margin"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number, got {value}")
        if self.min_score is not None and self.max_score is not None and self.min_score > self.max_score:
            raise ValueError(f"min_score={self.min_score} is above max_score={self.max_score}: no score is left")
        if self.strategy not in (None, *get_args(Strategy)):
            raise ValueError(f"strategy must be one of {', '.join(get_args(Strategy))}, got {self.strategy!r}")

    def of_sampler(self, draws: int) -> Guards:
        """These rules for candidates that a sampler draws.

        Raises:
            ValueError: ranks by score are asked for in the order of the draws, or more than `draws`.
        """
        strategy = "drawn" if self.strategy is None else self.strategy
        if strategy == "drawn" and (self.range_min or self.range_max is not None):
            raise ValueError("range_min and range_max are ranks by score: with a sampler take strategy top or random, "
                             "or give the sampler a window")
        if draws < self.range_min + self.k:
            raise ValueError(f"draws={draws} are too few for range_min={self.range_min} and k={self.k}; draw more")
        return replace(self, strategy=strategy, range_max=draws if self.range_max is None else self.range_max)

    def last_rank(self, most: int) -> int:
        """`range_max`, or what stands for None where no anchor has more than `most` known positives."""
        if self.range_max is not None:
            return self.range_max
        # the peer's rule
        strict = (self.absolute_margin, self.relative_margin, self.max_score) != (None, None, None)
        return self.range_min + self.k * (10 if strict else 1) + most


def choose(
    ids: Tensor, scores: Tensor, known: Tensor, floor: Tensor, guards: Guards, last_rank: int, stream: Stream,
    row: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """The negatives of a block of anchors among their candidates.

    Args:
        ids: [B, m] int64 candidates, -1: none; best score first, or with strategy "drawn" in the order of the draws.
        scores: [B, m] float32.
        known: [B, m] bool, candidates that are known positives.
        floor: [B] float32, the lowest score of the anchor's positives.
        guards: the rules.
        last_rank: from `Guards.last_rank`.
        stream: what "random" draws from.
        row: [B] int64, global ids of the anchors: the choice depends on (stream, row) alone.

    Returns:
        ids [B, k] int64, -1 where none is left; scores [B, k] float32, -inf there; and how many candidates each of
        `RULES` left out [7] int64.
    """
    usable = ids >= 0
    skipped = []

    def leave_out(those: Tensor) -> None:
        gone = usable & those
        skipped.append(int(gone.sum()))
        usable[gone] = False

    nobody = torch.zeros((), dtype=torch.bool)
    positive = floor[:, None]
    absolute, relative, most, least = (guards.absolute_margin, guards.relative_margin, guards.max_score,
                                       guards.min_score)
    leave_out(known)
    # written as the peer writes them, so that single precision rounds alike
    leave_out(nobody if absolute is None else scores + absolute > positive)
    leave_out(nobody if relative is None else scores > positive - positive.abs() * relative)
    leave_out(nobody if most is None else scores > most)
    leave_out(nobody if least is None else scores < least)
    rank = usable.cumsum(1)  # from 1
    leave_out(rank <= guards.range_min)
    leave_out(rank > last_rank)
    place = rank - guards.range_min - 1
    if guards.strategy == "random":
        place = _random_places(usable, stream, row, guards.k)
    taken = usable & (place < guards.k)
    at, column = taken.nonzero(as_tuple=True)
    chosen = torch.full((len(ids), guards.k), -1, dtype=torch.int64)
    reached = torch.full((len(ids), guards.k), -torch.inf)
    chosen[at, place[at, column]] = ids[at, column]
    reached[at, place[at, column]] = scores[at, column]
    return chosen, reached, torch.tensor(skipped)


def _random_places(usable: Tensor, stream: Stream, row: Tensor, k: int) -> Tensor:
    """Places 0 … k-1 for k random ones of the usable in each row, in the order in which they stand; k for the rest."""
    most = torch.iinfo(torch.int64).max
    lots = stream.words(row, usable.shape[1]).masked_fill(~usable, most)
    # the holders of the k lowest lots, whatever the order of the draw: no subset is likelier than another
    drawn = torch.zeros_like(usable)
    drawn.scatter_(1, lots.argsort(dim=1, stable=True)[:, :k], True)
    drawn &= usable
    return torch.where(drawn, drawn.cumsum(1) - 1, k)
