"""The best of tiles of scores against a sort of all of them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from graphns.kernels import top_scores as kernel
from graphns.kernels.top_scores import Skips, empty_top, push_top, push_top_torch, sort_top
from tests.kernels.plain import run_as_python

NONE = Skips.none()


def tiled(scores: Tensor, k: int, tile: int, skips: Skips = NONE, torch_version: bool = False) -> tuple[Tensor, Tensor]:
    best, ids = empty_top(len(scores), k, scores.dtype, scores.device)
    for start in range(0, scores.shape[1], tile):
        piece = scores[:, start : start + tile].clone()
        (push_top_torch if torch_version else push_top)(best, ids, piece, start, skips)
    if not torch_version:
        sort_top(best, ids)
    return best, ids


def by_sort(scores: Tensor, k: int, allowed: Tensor | None = None) -> list[list[tuple[float, int]]]:
    """Row by row (score, column), best first, of equals the lower column; NaN and -inf are nothing."""
    rows = []
    for row, line in enumerate(scores.tolist()):
        taken = [(score, column) for column, score in enumerate(line)
                 if score > float("-inf") and (allowed is None or bool(allowed[row, column]))]
        rows.append(sorted(taken, key=lambda pair: (-pair[0], pair[1]))[:k])
    return rows


def as_rows(best: Tensor, ids: Tensor) -> list[list[tuple[float, int]]]:
    return [[(s, i) for s, i in zip(line, own, strict=True) if i >= 0]
            for line, own in zip(best.tolist(), ids.tolist(), strict=True)]


# few values: ties are the rule
VALUES = st.sampled_from([-1.0, 0.0, 0.5, 1.0, float("nan"), float("-inf"), 2.0])


@given(st.integers(1, 12).flatmap(lambda width: st.lists(st.lists(VALUES, min_size=width, max_size=width), min_size=1,
                                                         max_size=4)), st.integers(1, 8), st.integers(1, 5))
def test_the_best_with_ties_by_column(rows: list[list[float]], k: int, tile: int) -> None:
    scores = torch.tensor(rows)
    for torch_version in (False, True):
        best, ids = tiled(scores, k, tile, torch_version=torch_version)
        assert as_rows(best, ids) == by_sort(scores, k)
        assert bool(((ids < 0) == (best == -torch.inf)).all())


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("torch_version", [False, True])
def test_skipped_columns(same: bool, torch_version: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(20, 300, generator=generator)
    row, column = (torch.randint(4, (n,), generator=generator) for n in (20, 300))
    banned = torch.rand(300, generator=generator) < 0.3
    allowed = ((row[:, None] == column) == same) & ~banned
    best, ids = tiled(scores, 25, 64, Skips(banned, row, column, same), torch_version)
    assert as_rows(best, ids) == by_sort(scores, 25, allowed)


def test_threads_and_double_precision() -> None:
    scores = torch.randn(300, 500, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    best, ids = tiled(scores, 40, 200)
    wanted = scores.topk(40)
    assert torch.equal(best, wanted.values) and torch.equal(ids, wanted.indices)


def test_uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_python(monkeypatch, kernel)
    scores = torch.randn(3, 30, generator=torch.Generator().manual_seed(2))
    banned = torch.arange(30) % 7 == 0
    skips = Skips(banned, torch.tensor([0, 1, 2]), torch.arange(30) % 3)
    allowed = (torch.arange(30) % 3 != torch.arange(3)[:, None]) & ~banned
    assert as_rows(*tiled(scores, 5, 11, skips)) == by_sort(scores, 5, allowed)
