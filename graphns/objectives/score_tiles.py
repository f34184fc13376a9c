"""The scores of two views with each other and with themselves, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Tile(NamedTuple):
    """A block of logits: `rows` of view `left` against `columns` of view `right`."""

    left: int
    right: int
    rows: slice
    columns: slice
    place: tuple[int, int]
    """Of the block, counted in blocks."""
    queries: Tensor
    """[r, d], not divided by the temperature."""
    keys: Tensor
    """[c, d]."""
    logits: Tensor
    """[r, c], a buffer: write into it, but the next tile overwrites it."""
    both: bool
    """The columns' nodes ask too: the transposed block is not visited."""


@dataclass(frozen=True)
class ScoreTiles:
    """Visits every score of nodes that ask against all nodes, within and between two views, once.

    Args:
        temperature: divides the scores.
        block: rows and columns of a tile; the last ones may be smaller.
        half: multiply in bfloat16.
        anchors: [B] int64, the nodes that ask. None: every node; then the matrix of both views is symmetric, and its
            upper triangle is enough.

    Example:
        >>> views = [torch.eye(4), torch.eye(4)]
        >>> [len(list(ScoreTiles(1.0, 2, False, anchors).tiles(views))) for anchors in (None, torch.tensor([3]))]
        [10, 8]
    """

    temperature: float
    block: int
    half: bool
    anchors: Tensor | None

    def asking(self, views: Sequence[Tensor]) -> list[Tensor]:
        """The vectors [B, d] that ask, of either view."""
        return [view if self.anchors is None else view[self.anchors] for view in views]

    def tiles(self, views: Sequence[Tensor]) -> Iterator[Tile]:
        """The tiles of views [N, d]; one buffer serves all of them."""
        symmetric, size = self.anchors is None, self.block
        asking = self.asking(views)
        tables = [view.bfloat16() for view in views] if self.half else views
        dtype = tables[0].dtype
        buffer = views[0].new_empty(size * size)
        half_buffer = tables[0].new_empty(size * size) if self.half else buffer
        for left, right in ((0, 0), (0, 1), (1, 1)) if symmetric else ((0, 0), (0, 1), (1, 0), (1, 1)):
            for i, first in enumerate(range(0, len(asking[left]), size)):
                rows = slice(first, first + size)
                queries = asking[left][rows]
                scaled, queries = (queries / self.temperature).to(dtype), queries.to(dtype)
                start = i if symmetric and left == right else 0
                for j, begin in enumerate(range(start * size, len(views[right]), size), start):
                    columns = slice(begin, begin + size)
                    keys = tables[right][columns]
                    shape = len(queries), len(keys)
                    logits, products = (each[: shape[0] * shape[1]].view(shape) for each in (buffer, half_buffer))
                    torch.mm(scaled, keys.T, out=products)
                    if self.half:
                        logits.copy_(products)
                    both = symmetric and (left, i) != (right, j)
                    yield Tile(left, right, rows, columns, (i, j), queries, keys, logits, both)
