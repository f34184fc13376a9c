"""Scorers of triples: each against its formula, from both sides, and as a model of the contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.base import Model, Query
from graphns.scorers.bilinear import Bilinear
from graphns.scorers.complex import ComplEx
from graphns.scorers.distmult import DistMult
from graphns.scorers.relational import RelationalModel
from graphns.scorers.rotate import RotatE
from graphns.scorers.transe import TransE

N, R, D = 7, 3, 6


def as_complex(vector: Tensor) -> Tensor:
    return torch.complex(vector[: D // 2], vector[D // 2 :])


def distmult(h: Tensor, r: Tensor, t: Tensor) -> Tensor:
    return (h * r * t).sum()


def complex_(h: Tensor, r: Tensor, t: Tensor) -> Tensor:
    return (as_complex(h) * as_complex(r) * as_complex(t).conj()).sum().real


def bilinear(h: Tensor, r: Tensor, t: Tensor) -> Tensor:
    return h @ r @ t


def transe_1(h: Tensor, r: Tensor, t: Tensor) -> Tensor:
    return -(h + r - t).abs().sum()


def transe_2(h: Tensor, r: Tensor, t: Tensor) -> Tensor:
    return 3 - (h + r - t).square().sum().sqrt()


def transe_unit(h: Tensor, r: Tensor, t: Tensor) -> Tensor:
    return -(h / h.norm() + r - t / t.norm()).abs().sum()


def rotate(h: Tensor, r: Tensor, t: Tensor) -> Tensor:
    return 2 - (as_complex(h) * torch.polar(torch.ones_like(r), r) - as_complex(t)).abs().sum()


Case = tuple[type[RelationalModel], dict[str, Any], Callable[[Tensor, Tensor, Tensor], Tensor]]
CASES: list[Case] = [
    (DistMult, {}, distmult), (ComplEx, {}, complex_), (Bilinear, {}, bilinear), (TransE, {"norm": 1}, transe_1),
    (TransE, {"norm": 2, "offset": 3.0}, transe_2), (TransE, {"unit": True}, transe_unit),
    (RotatE, {"offset": 2.0}, rotate),
]
every_case = pytest.mark.parametrize(("cls", "options", "formula"), CASES, ids=lambda each: getattr(
    each, "__name__", ""))


def questions() -> Tensor:
    """Every entity with every relation, and with every inverse."""
    return torch.cartesian_prod(torch.arange(N), torch.arange(2 * R))


@every_case
@pytest.mark.parametrize("inverse", ["tied", "learned"])
def test_is_its_formula_for_every_triple_from_both_sides(
    cls: type[RelationalModel], options: dict[str, Any], formula: Any, inverse: str
) -> None:
    """Tied, the inverse has the score of the triple itself; learned, r + R is one more relation."""
    model = cls(N, R, D, inverse=inverse, seed=3, **options)  # type: ignore[call-arg]
    anchor = questions()
    scores = model(anchor, torch.arange(N)[None])
    assert scores.shape == (len(anchor), N) and scores.requires_grad
    entity, relation = model.entity_table, model.relation_table
    for (e, r), row in zip(anchor.tolist(), scores, strict=True):
        for other in range(N):
            if inverse == "tied" and r >= R:
                wanted = formula(entity[other], relation[r - R], entity[e])
            else:
                wanted = formula(entity[e], relation[r], entity[other])
            torch.testing.assert_close(row[other], wanted, atol=1e-5, rtol=1e-5)


@every_case
def test_all_candidates_equal_one_by_one(cls: type[RelationalModel], options: dict[str, Any], formula: Any) -> None:
    model = cls(N, R, D, **options)
    anchor = questions()
    shared = model.score(anchor, torch.arange(N)[None])
    own = model.score(anchor, torch.arange(N).expand(len(anchor), -1))
    single = torch.cat([model.score(anchor, torch.full((len(anchor), 1), j)) for j in range(N)], 1)
    torch.testing.assert_close(own, shared, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(single, shared, atol=1e-6, rtol=1e-5)


@every_case
def test_is_a_model_of_the_contract(cls: type[RelationalModel], options: dict[str, Any], formula: Any) -> None:
    model = cls(N, R, D, **options)
    assert isinstance(model, Model)
    anchor = torch.tensor([[0, 1], [4, 5], [6, 2]])
    ids = torch.tensor([[1, 2], [0, 0], [5, 3]])
    scores = model.score(anchor, ids)
    torch.testing.assert_close(model.score_vectors(anchor, model.embed(ids)), scores)
    torch.testing.assert_close(model.score_vectors(anchor, model.embed(ids[:1])), model.score(anchor, ids[:1]))
    assert model.embed(ids).shape == (3, 2, D) and model.embed(ids, layers=True).shape == (3, 2, 1, D)
    torch.testing.assert_close(Query(anchor, ids[:, 0], k=1, model=model).score(ids), scores.detach())
    assert model.query_vectors(anchor).shape == (3, D)


@every_case
def test_gradients_are_finite_and_reach_both_tables(
    cls: type[RelationalModel], options: dict[str, Any], formula: Any
) -> None:
    """Also where a distance is 0: entity 0 under a relation that does nothing."""
    model = cls(N, R, D, **options)
    if isinstance(model, TransE | RotatE):
        with torch.no_grad():
            model.relation_table.zero_()
    model.score(torch.tensor([[0, 0], [1, 4]]), torch.tensor([[0, 2], [3, 5]])).sum().backward()
    for table in (model.entity_table, model.relation_table):
        assert table.grad is not None and bool(table.grad.isfinite().all()) and bool(table.grad.any())
    assert model.entity_table.grad is not None and not bool(model.entity_table.grad[[4, 6]].any())


@every_case
def test_seeds_and_generators(cls: type[RelationalModel], options: dict[str, Any], formula: Any) -> None:
    state = torch.get_rng_state()
    first, second, other = (cls(N, R, D, seed=seed, **options) for seed in (0, 0, 1))  # type: ignore[call-arg]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.entity_table, second.entity_table)
    assert not torch.equal(first.entity_table, other.entity_table)
    assert not torch.equal(first.relation_table, other.relation_table)


def test_distmult_is_symmetric_and_complex_is_not() -> None:
    """For one relation, a triple and its reverse: alike in DistMult; alike in ComplEx where w is real."""
    there, back = torch.tensor([[0, 1]]), torch.tensor([[5, 1]])
    symmetric, hermitian = DistMult(N, R, D), ComplEx(N, R, D)
    for model, alike in ((symmetric, True), (hermitian, False)):
        same = torch.isclose(model.score(there, torch.tensor([[5]])), model.score(back, torch.tensor([[0]])))
        assert bool(same) == alike
    with torch.no_grad():
        hermitian.relation_table[:, D // 2 :] = 0
    torch.testing.assert_close(hermitian.score(there, torch.tensor([[5]])), hermitian.score(back, torch.tensor([[0]])))


def test_complex_without_imaginary_parts_is_distmult() -> None:
    model, plain = ComplEx(N, R, 2 * D), DistMult(N, R, D)
    with torch.no_grad():
        model.entity_table[:, D:] = 0
        model.relation_table[:, D:] = 0
        plain.entity_table.copy_(model.entity_table[:, :D])
        plain.relation_table.copy_(model.relation_table[:, :D])
    torch.testing.assert_close(*(each.score(questions(), torch.arange(N)[None]) for each in (model, plain)))


def test_bilinear_with_diagonal_matrices_is_distmult() -> None:
    model, plain = Bilinear(N, R, D), DistMult(N, R, D)
    with torch.no_grad():
        plain.entity_table.copy_(model.entity_table)
        model.relation_table.copy_(torch.diag_embed(plain.relation_table))
    torch.testing.assert_close(*(each.score(questions(), torch.arange(N)[None]) for each in (model, plain)))


def test_rotations_are_found_in_chunks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    model, anchor, ids = RotatE(N, R, D), questions(), torch.arange(N)[None]
    whole = model.score(anchor, ids)
    monkeypatch.setattr("graphns.scorers.rotate._CHUNK", len(anchor) * D * 2)
    torch.testing.assert_close(model.score(anchor, ids), whole, rtol=0, atol=0)
    torch.testing.assert_close(model.score_vectors(anchor, model.embed(ids)), whole, rtol=0, atol=0)


def test_small_distances_keep_their_digits() -> None:
    """The distance of near vectors far from the origin; by |q|² + |t|² - 2 q·t it would be lost."""
    model = TransE(N, R, D, norm=2)
    with torch.no_grad():
        model.entity_table.fill_(100)
        model.entity_table[1, 0] += 1e-3
        model.relation_table.zero_()
    for ids in (torch.arange(N)[None], torch.arange(N).expand(2 * N * R, -1)):
        assert float(-model.score(questions(), ids).detach()[0, 1]) == pytest.approx(1e-3, rel=0.02)


def test_penalty_by_hand() -> None:
    model = DistMult(N, R, D)
    anchor, positive = torch.tensor([[0, 1], [2, 4]]), torch.tensor([5, 3])
    rows = [model.entity_table[[0, 2]], model.relation_table[[1, 1]], model.entity_table[[5, 3]]]
    torch.testing.assert_close(model.penalty(anchor, positive), sum(each.square().sum() / 2 for each in rows))


@pytest.mark.parametrize(("make", "match"), [
    (lambda: TransE(0, R), "num_entities must be at least 1, got 0"),
    (lambda: TransE(N, R, norm=3), "norm must be 1 or 2, got 3"),  # type: ignore[arg-type]
    (lambda: DistMult(N, R, inverse="none"), "inverse must be 'tied' or 'learned', got 'none'"),  # type: ignore[arg-type]
    (lambda: ComplEx(N, R, 5), "dim must be even, got 5"),
    (lambda: RotatE(N, R, 5), "dim must be even, got 5"),
    (lambda: TransE(N, R).score(torch.tensor([1]), torch.tensor([[0]])), r"anchors must be \[B, 2\].*got \(1,\)"),
    (lambda: DistMult(N, R).score(torch.tensor([[N, 0]]), torch.tensor([[0]])), r"entity ids from 7 to 7 .* \[0, 7\)"),
    (lambda: DistMult(N, R).score(torch.tensor([[0, 2 * R]]), torch.tensor([[0]])),
     r"relation ids from 6 to 6 do not fit \[0, 6\); a relation's inverse is r \+ num_relations"),
])
def test_bad_input(make: Callable[[], Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make()


@every_case
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_near_full_and_learns(
    cls: type[RelationalModel], options: dict[str, Any], formula: Any, dtype: torch.dtype
) -> None:
    model, full = (cls(N, R, D, seed=3, **options) for _ in range(2))  # type: ignore[call-arg]
    model.to(dtype)
    full.load_state_dict(model.state_dict())  # the rounded tables
    anchor = questions()
    for ids in (torch.arange(N)[None], torch.arange(N)[None].expand(len(anchor), -1)):
        scores, vectors = model.score(anchor, ids), model.embed(ids)
        assert scores.dtype == dtype
        torch.testing.assert_close(scores.float(), full.score(anchor, ids), atol=0.1, rtol=0.02)
        torch.testing.assert_close(model.score_vectors(anchor, vectors), scores)
    model.score(anchor, ids).sum().backward()
    assert model.entity_table.grad is not None and bool(model.entity_table.grad.isfinite().all())
