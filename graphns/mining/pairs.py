"""Anchors with their positives: from pairs, from labels, or the nearest row; and what must never be a negative."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.csr import build_csr
from graphns.kernels.membership import in_rows
from graphns.streams import Stream, bounded


@dataclass(frozen=True)
class Pairs:
    """The anchors of a mining in rising order, and the positives of each.

    Args:
        anchor: [A] int64, rows of the table of anchors.
        indptr: [A + 1] int64: where the positives of each begin.
        positive: [P] int64, rows of the corpus, without copies within an anchor; -1: the nearest, to be found.
        known: what is no negative of an anchor, row by row of `anchor`: its positives, itself in one table, more.
        most: the largest number of known rows of an anchor.
    """

    anchor: Tensor
    indptr: Tensor
    positive: Tensor
    known: tuple[Tensor, Tensor]
    most: int

    def is_known(self, start: int, stop: int, ids: Tensor) -> Tensor:
        """Whether candidates [stop - start, m] of anchors start … stop-1 are known positives; bool."""
        return in_rows(*self.known, torch.arange(start, stop), ids)

    @cached_property
    def owner(self) -> Tensor:
        """[P] int64: of each positive, the place of its anchor in `anchor`."""
        return torch.repeat_interleave(torch.arange(len(self.anchor)), self.indptr.diff())


def check_pairs(pairs: Any, num_anchors: int, num_rows: int) -> Tensor:
    """Pairs (anchor, positive) as [P, 2] int64.

    Raises:
        ValueError: another shape, none, no integers, or an id that is no row; the message names the pair.
    """
    array = pairs.cpu().numpy() if isinstance(pairs, Tensor) else np.asarray(pairs)
    if array.ndim != 2 or array.shape[1] != 2 or not len(array):
        raise ValueError(f"pairs must be [P, 2], an anchor and its positive in each row, got shape {array.shape}")
    if array.dtype.kind not in "iu":
        raise ValueError(f"pairs must hold integer row numbers, got dtype {array.dtype}")
    for column, size, what in ((0, num_anchors, "anchor"), (1, num_rows, "positive")):
        bad = (array[:, column] < 0) | (array[:, column] >= size)
        if bad.any():
            at = int(bad.argmax())
            raise ValueError(f"pair {at}: {what} {int(array[at, column])} is outside [0, {size}); ids are row numbers "
                             "from 0")
    return torch.from_numpy(array.astype(np.int64))


def arrange(pairs: Tensor, one_table: bool, num_rows: int, more: Tensor | None = None) -> Pairs:
    """Anchors and positives of pairs [P, 2]; a positive of -1 is a slot for the nearest row, to be found later.

    Args:
        pairs: [P, 2] int64.
        one_table: whether anchors are rows of the corpus; they are no negatives of their own.
        num_rows: of the corpus.
        more: [M, 2] int64, further known pairs: no positives, and never negatives.
    """
    pairs = pairs[pairs[:, 0].argsort(stable=True)]
    # the first of equal pairs stays, so that an anchor's positives keep the order of the file
    code = pairs[:, 0] * (num_rows + 1) + pairs[:, 1] + 1
    pairs = pairs[torch.from_numpy(np.sort(np.unique(code.numpy(), return_index=True)[1]))]
    anchor, counts = torch.unique_consecutive(pairs[:, 0], return_counts=True)
    every = torch.cat([pairs[pairs[:, 1] >= 0], *([anchor[:, None].expand(-1, 2)] if one_table else []),
                       *([] if more is None else [more])])
    place = torch.searchsorted(anchor, every[:, 0].contiguous()).clamp(max=len(anchor) - 1)
    mine = anchor[place] == every[:, 0]
    indptr, indices, _ = build_csr(place[mine], every[mine, 1], len(anchor), num_rows)
    to_find = int((pairs[:, 1] < 0).any())
    return Pairs(anchor, torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]), pairs[:, 1],
                 (indptr, indices), int(indptr.diff().max()) + to_find)


def same_label(anchor: Tensor, anchor_label: Tensor, label: Tensor, allowed: Tensor, one_table: bool,
               stream: Stream) -> tuple[Tensor, int]:
    """A random other item of the same label for each anchor.

    Args:
        anchor: [A] int64.
        anchor_label: [num_anchors] int64.
        label: [N] int64.
        allowed: [N] bool, rows that may be positives.
        one_table: whether anchors are rows of the corpus; they are not their own positives.
        stream: keyed by the anchor.

    Returns:
        pairs [P, 2], and how many anchors have no such item.
    """
    rows = allowed.nonzero()[:, 0]
    rows = rows[label[rows].argsort(stable=True)]
    ordered = label[rows]
    wanted = anchor_label[anchor]
    start, stop = torch.searchsorted(ordered, wanted), torch.searchsorted(ordered, wanted, right=True)
    own = torch.zeros_like(anchor)
    if one_table:  # the place of the anchor among the rows of its label, which the draw jumps over
        place = torch.full((len(label),), -1)
        place[rows] = torch.arange(len(rows))
        own = (place[anchor] >= 0).long()
    room = stop - start - own
    drawn = bounded(stream.words(anchor, 1)[:, 0], room.clamp(min=1))
    at = start + drawn
    if one_table:
        at = torch.where((own > 0) & (at >= place[anchor]), at + 1, at)
    kept = room > 0
    return torch.stack([anchor[kept], rows[at[kept]]], 1), int((~kept).sum())
