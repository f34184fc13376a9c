"""Scorers, and the model made of two tables."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from graphns.base import Model, Query
from graphns.scorers.similarity import cosine, dot
from graphns.scorers.table import TableModel


def table(rows: int, width: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("ids", [torch.tensor([[0, 2, 2]]), torch.tensor([[0, 1, 4], [2, 3, 3]])])
def test_scorers_are_plain_algebra(ids: torch.Tensor) -> None:
    queries, rows = table(2), table(5, seed=1)
    picked = rows[ids.expand(2, -1)]
    torch.testing.assert_close(dot(queries, rows, ids), (queries[:, None] * picked).sum(-1))
    torch.testing.assert_close(cosine(queries, rows, ids), F.cosine_similarity(queries[:, None], picked, dim=-1))


def test_cosine_of_a_zero_vector_is_zero() -> None:
    assert cosine(torch.zeros(1, 4), table(3), torch.tensor([[0, 1, 2]])).tolist() == [[0, 0, 0]]


def test_scorers_carry_gradients_to_both_tables() -> None:
    queries, rows = table(2).requires_grad_(), table(5, seed=1).requires_grad_()
    cosine(queries, rows, torch.tensor([[1], [3]])).sum().backward()
    assert queries.grad is not None and rows.grad is not None
    assert bool(queries.grad.any()) and rows.grad.any(1).tolist() == [False, True, False, True, False]


def test_table_model_is_a_model() -> None:
    model = TableModel(table(3), table(5, seed=1), cosine)
    assert isinstance(model, Model)
    anchor, ids = torch.tensor([2, 0]), torch.tensor([[4, 1], [0, 0]])
    scores = model.score(anchor, ids)
    torch.testing.assert_close(scores, F.cosine_similarity(table(3)[anchor][:, None], table(5, seed=1)[ids], dim=-1))
    torch.testing.assert_close(model.score_vectors(anchor, table(5, seed=1)[ids]), scores)
    torch.testing.assert_close(model.score_vectors(anchor, table(5, seed=1)[ids[:1]]), model.score(anchor, ids[:1]))
    assert torch.equal(model.embed(ids), table(5, seed=1)[ids])
    assert model.embed(ids, layers=True).shape == (2, 2, 1, 4)
    torch.testing.assert_close(Query(anchor, anchor, k=1, model=model).score(ids), scores)


def test_widths_must_agree() -> None:
    with pytest.raises(ValueError, match=r"two tables \[n, d\] of one width, got \(3, 4\) and \(3, 5\)"):
        TableModel(table(3), table(3, 5))
