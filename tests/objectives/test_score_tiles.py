"""The tiles are the matrix of both views: each entry once, or its mirror image."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from graphns.objectives.score_tiles import ScoreTiles

N, D = 7, 3


def views() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(N, D, generator=generator) for _ in range(2)]


@pytest.mark.parametrize("block", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("anchors", [None, torch.tensor([4, 0, 6, 5])])
def test_every_score_once(block: int, half: bool, anchors: Tensor | None) -> None:
    both = views()
    asking = both if anchors is None else [view[anchors] for view in both]
    size = len(asking[0])
    seen, found = torch.zeros(2 * size, 2 * N), torch.zeros(2 * size, 2 * N)
    for tile in ScoreTiles(0.5, block, half, anchors).tiles(both):
        assert max(tile.logits.shape) <= block and tile.logits.dtype == torch.float32
        assert tile.place == (tile.rows.start // block, tile.columns.start // block)
        torch.testing.assert_close(tile.queries.float(), asking[tile.left][tile.rows], rtol=1e-2, atol=0)
        torch.testing.assert_close(tile.keys.float(), both[tile.right][tile.columns], rtol=1e-2, atol=0)
        rows = torch.arange(size)[tile.rows] + tile.left * size
        columns = torch.arange(N)[tile.columns] + tile.right * N
        found[rows[:, None], columns] = tile.logits
        seen[rows[:, None], columns] += 1
        if tile.both:  # its mirror image
            found[columns[:, None], rows] = tile.logits.T
            seen[columns[:, None], rows] += 1
    assert bool((seen == 1).all())
    error = 0.03 if half else 1e-5
    torch.testing.assert_close(found, torch.cat(asking) @ torch.cat(both).T / 0.5, rtol=error, atol=error)
