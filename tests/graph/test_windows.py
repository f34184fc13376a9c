"""Windows of walks: against a plain loop, and shrunk windows as often as is claimed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from graphns.graph.windows import window_contexts
from graphns.streams import Stream


@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 3))
def test_every_pair_of_near_places_once(window: int, length: int, num_walks: int) -> None:
    walks = torch.arange(num_walks * length).view(num_walks, length) * 7 % 5  # nodes repeat
    contexts, inside = window_contexts(walks, window)
    assert contexts.shape == inside.shape == (num_walks, length, 2 * window)
    for walk in range(num_walks):
        for place in range(length):
            near = [other for other in range(max(0, place - window), min(length, place + window + 1)) if other != place]
            assert contexts[walk, place][inside[walk, place]].tolist() == walks[walk, near].tolist()


def test_shrunk_windows_are_uniform_and_keyed_by_row() -> None:
    walks = torch.arange(30).expand(4000, 30)
    _, inside = window_contexts(walks, 5, shrink=Stream(0))
    middle = inside[:, 10:20]  # whole windows
    left, right = middle[..., :5].sum(2), middle[..., 5:].sum(2)
    assert torch.equal(left, right)
    # near places first: a window of w' is the last w' slots before and the first w' after
    assert bool((middle[..., 5:].int().diff(dim=2) <= 0).all()) and bool((middle[..., :5].int().diff(dim=2) >= 0).all())
    counts = torch.bincount(left.flatten() - 1, minlength=5).double()
    expected = counts.sum() / 5
    assert float(((counts - expected) ** 2 / expected).sum()) < chi2.ppf(1 - 1e-6, 4)
    row = torch.arange(4000).flip(0)
    _, reversed_rows = window_contexts(walks, 5, shrink=Stream(0), row=row)
    assert torch.equal(reversed_rows.flip(0), inside)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        window_contexts(torch.zeros(1, 2, dtype=torch.int64), 0)
    with pytest.raises(ValueError, match=r"need walks \[B, T\], got \(3,\)"):
        window_contexts(torch.zeros(3, dtype=torch.int64), 1)
