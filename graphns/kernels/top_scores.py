"""The best of many scores, tile by tile: a bounded heap a row, which remembers what was best so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled
from graphns.kernels.threads import run


@dataclass(frozen=True)
class Skips:
    """Columns that are not taken, given by labels or one by one.

    Args:
        columns: [N] bool, columns that no row takes; empty: none.
        row_label: [B] int64, empty: labels do not matter.
        column_label: [N] int64, empty likewise.
        same: False skips the columns of a row's own label, True those of all others.
    """

    columns: Tensor
    row_label: Tensor
    column_label: Tensor
    same: bool = False

    @classmethod
    def none(cls) -> Skips:
        """Every column may be taken."""
        return cls(torch.empty(0, dtype=torch.bool), *torch.empty(2, 0, dtype=torch.int64))

    def to(self, device: torch.device | str) -> Skips:
        """The same on another device."""
        return Skips(self.columns.to(device), self.row_label.to(device), self.column_label.to(device), self.same)


def empty_top(rows: int, k: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where `push_top` keeps the best: scores [B, k] of -inf and ids [B, k] of -1."""
    scores = torch.full((rows, k), -torch.inf, dtype=dtype, device=device)
    return scores, torch.full((rows, k), -1, dtype=torch.int64, device=device)


def push_top(best: Tensor, ids: Tensor, scores: Tensor, first: int, skips: Skips) -> None:
    """Take what is among the best of a tile of scores into `best` and `ids`, in place. NaN and -inf are never taken.

    On the CPU each row of `best` and `ids` is a heap until `sort_top` orders it; elsewhere it is always in order. Of
    equal scores the lower column is better, if tiles come from left to right.

    Args:
        best: [B, k], from `empty_top`, of the dtype of the scores.
        ids: [B, k] int64, likewise.
        scores: [B, c].
        first: the column of the tile's first.
        skips: columns that are not taken.
    """
    if scores.device.type != "cpu":
        push_top_torch(best, ids, scores, first, skips)
        return
    run(_push, len(best), best.numpy(), ids.numpy(), scores.numpy(), first, skips.columns.numpy(),
        skips.row_label.numpy(), skips.column_label.numpy(), skips.same, cost=scores.shape[1])


def push_top_torch(best: Tensor, ids: Tensor, scores: Tensor, first: int, skips: Skips) -> None:
    """The definition, on any device; `best` and `ids` stay in order. `scores` is written to."""
    last = first + scores.shape[1]
    scores.masked_fill_(scores.isnan(), -torch.inf)
    if len(skips.columns):
        scores.masked_fill_(skips.columns[first:last], -torch.inf)
    if len(skips.column_label):
        alike = skips.column_label[first:last] == skips.row_label[:, None]
        scores.masked_fill_(~alike if skips.same else alike, -torch.inf)
    columns = torch.arange(first, last, device=scores.device).expand(scores.shape)
    every, column = torch.cat([best, scores], 1), torch.cat([ids, columns], 1)
    ordered, place = every.sort(dim=1, descending=True, stable=True)
    best[:] = ordered[:, : best.shape[1]]
    ids[:] = column.gather(1, place[:, : best.shape[1]]).masked_fill_(best == -torch.inf, -1)


def sort_top(best: Tensor, ids: Tensor) -> None:
    """Order what `push_top` gathered, in place: best first, of equals the lower id; what is missing last."""
    if best.device.type == "cpu":
        run(_sort, len(best), best.numpy(), ids.numpy(), cost=best.shape[1])


@compiled
def _worse(score, index, than, other):
    """Whether a score and its column stand below another's."""
    return score < than or (score == than and index > other)


@compiled
def _sift(best, ids, row, size, score, index):
    """Put a score in the place of the root, the worst, and restore the heap of the first `size` slots."""
    at = np.int64(0)
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        right = child + 1
        if right < size and _worse(best[row, right], ids[row, right], best[row, child], ids[row, child]):
            child = right
        if not _worse(best[row, child], ids[row, child], score, index):
            break
        best[row, at], ids[row, at] = best[row, child], ids[row, child]
        at = child
    best[row, at], ids[row, at] = score, index


@compiled
def _push(begin, end, best, ids, scores, first, columns, row_label, column_label, same):
    size = np.int64(best.shape[1])
    for row in range(begin, end):
        for j in range(scores.shape[1]):
            score = scores[row, j]
            if not score > best[row, 0]:  # equal scores of higher columns, and NaN, end here too
                continue
            column = first + j
            if columns.shape[0] and columns[column]:
                continue
            if column_label.shape[0] and (column_label[column] == row_label[row]) != same:
                continue
            _sift(best, ids, row, size, score, np.int64(column))


@compiled
def _sort(begin, end, best, ids):
    for row in range(begin, end):
        for size in range(best.shape[1] - 1, 0, -1):
            score, index = best[row, size], ids[row, size]
            best[row, size], ids[row, size] = best[row, 0], ids[row, 0]
            _sift(best, ids, row, np.int64(size), score, index)
