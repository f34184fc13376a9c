"""The best rank of several heuristics, against counting, and under ties."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.metrics.heart import best_rank


@given(st.lists(st.lists(st.integers(-3, 3), min_size=6, max_size=6), min_size=1, max_size=3))
def test_equals_counting(rows: list[list[int]]) -> None:
    """Few values, so ties are many."""
    found = best_rank([torch.tensor(row, dtype=torch.float64) for row in rows]).tolist()
    for at, rank in enumerate(found):
        wanted = min((sum(other > row[at] for other in row) + 1 + sum(other >= row[at] for other in row)) / 2
                     for row in rows)
        assert rank == wanted


def test_candidates_in_another_order_have_the_same_ranks() -> None:
    """What a stable or unstable sort of tied scores would break."""
    resource = torch.zeros(50)  # no common neighbours but for two candidates
    resource[[7, 31]] = torch.tensor([0.5, 0.25])
    cosine = torch.rand(50, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    ranks = best_rank([resource, cosine])
    assert torch.equal(best_rank([resource[order], cosine[order]]), ranks[order])
    assert ranks[7] == 1 and ranks[31] <= 2
    assert (best_rank([torch.zeros(4)]) == 2.5).all()


def test_rows_are_ranked_apart() -> None:
    scores = torch.tensor([[1.0, 2.0], [5.0, 0.0]])
    assert best_rank([scores]).tolist() == [[2, 1], [1, 2]]


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"scores \[\.\.\., C\] of one shape, got \[\]"):
        best_rank([])
    with pytest.raises(ValueError, match=r"got \[\(2,\), \(3,\)\]"):
        best_rank([torch.zeros(2), torch.zeros(3)])
    with pytest.raises(ValueError, match="scores hold NaN"):
        best_rank([torch.tensor([torch.nan, 1.0])])
