"""Figures of links: against plain counting, under ties, against OGB's evaluator, and what is refused."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from graphns.metrics.links import (
    average_precision,
    evaluate_links,
    evaluate_scores,
    hits_at,
    link_auc,
    rank_links,
    score_pairs,
)

FEW = st.integers(-2, 2)  # few values, so ties are many
POSITIVES, NEGATIVES = st.lists(FEW, min_size=1, max_size=6), st.lists(FEW, min_size=1, max_size=8)


def counted(score: float, others: list[float]) -> tuple[int, int]:
    """The optimistic and the pessimistic rank."""
    return 1 + sum(each > score for each in others), 1 + sum(each >= score for each in others)


@given(POSITIVES, NEGATIVES, st.integers(1, 9))
def test_shared_negatives_by_counting(positive: list[int], negative: list[int], k: int) -> None:
    scores, others = torch.tensor(positive).float(), torch.tensor(negative).float()
    ranks = [counted(score, negative) for score in positive]
    ranking = rank_links(scores, others)
    assert ranking.ranks.tolist() == [(best + worst) / 2 for best, worst in ranks]
    assert ranking.mrr == pytest.approx(sum(2 / (best + worst) for best, worst in ranks) / len(ranks))
    assert hits_at(scores, others, k) == pytest.approx(sum(worst <= k for _, worst in ranks) / len(ranks))
    own = others.expand(len(scores), -1)
    assert torch.equal(rank_links(scores, own).ranks, ranking.ranks)
    wins = [(score > other) + (score == other) / 2 for score in positive for other in negative]
    assert link_auc(scores, others) == pytest.approx(sum(wins) / len(wins))
    assert average_precision(scores, others) == pytest.approx(plain_ap(positive, negative))
    whole = evaluate_scores(scores, others, ks=[k])
    assert whole.as_dict() == {"mrr": ranking.mrr, f"hits@{k}": hits_at(scores, others, k),
                               "auc": link_auc(scores, others), "ap": average_precision(scores, others)}


def plain_ap(positive: list[int], negative: list[int]) -> float:
    total, before = 0.0, 0.0
    for threshold in sorted({*positive, *negative}, reverse=True):
        found, wrong = (sum(score >= threshold for score in scores) for scores in (positive, negative))
        total += (found / len(positive) - before) * found / (found + wrong)
        before = found / len(positive)
    return total


@given(st.lists(st.tuples(FEW, st.lists(FEW, min_size=5, max_size=5)), min_size=1, max_size=5), st.integers(1, 6))
def test_own_negatives_by_counting(rows: list[tuple[int, list[int]]], k: int) -> None:
    positive, negative = torch.tensor([score for score, _ in rows]), torch.tensor([others for _, others in rows])
    wanted = [sum(counted(score, others)) / 2 for score, others in rows]
    assert rank_links(positive, negative).ranks.tolist() == wanted
    found = evaluate_scores(positive, negative, ks=[k])
    assert found.hits == {k: pytest.approx(sum(rank <= k for rank in wanted) / len(wanted))}
    assert found.auc == link_auc(positive, negative.flatten())


def test_a_constant_score_gains_nothing() -> None:
    """An optimistic rank would be 1, and a share of ranks at most K could be 1."""
    same = torch.zeros(7)
    shared, own = evaluate_scores(same, torch.zeros(99)), evaluate_scores(same, torch.zeros(7, 99))
    assert shared.mrr == own.mrr == 1 / 50.5 and shared.auc == own.auc == 0.5
    assert not any(shared.hits.values()) - (shared.hits[100])  # of 99 negatives, all 100 places are hits
    assert shared.hits[50] == 0 and own.hits == {1: 0, 3: 0, 10: 0, 20: 0, 50: 0, 100: 1}
    assert shared.ap == pytest.approx(7 / 106)


def test_many_rows_are_cut_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = torch.randint(9, (40, 6), generator=torch.Generator().manual_seed(0)).double()
    whole = rank_links(drawn[:, 0], drawn[:, 1:])
    monkeypatch.setattr("graphns.metrics.links._ROWS", 13)
    assert torch.equal(rank_links(drawn[:, 0], drawn[:, 1:]).ranks, whole.ranks)


def evaluator(name: str, **settings: Any) -> Any:
    if not any((Path(each) / "ogb").is_dir() for each in sys.path):
        pytest.skip("ogb is not installed")
    from graphns.adapters.ogb.reading import import_ogb

    made = import_ogb("linkproppred").Evaluator(name)
    for key, value in settings.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize("levels", [None, 40])  # None: no ties; else many
@pytest.mark.parametrize("k", [1, 20, 50, 101, 300])
def test_hits_of_ogbs_evaluator(levels: int | None, k: int) -> None:
    scores = draw(500, levels)
    wanted = evaluator("ogbl-ddi", K=k).eval({"y_pred_pos": scores[:200], "y_pred_neg": scores[200:]})[f"hits@{k}"]
    assert hits_at(scores[:200], scores[200:], k) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("levels", [None, 40])
def test_mrr_of_ogbs_evaluator(levels: int | None) -> None:
    scores = draw(51 * 80, levels).view(80, 51)
    found = evaluate_scores(scores[:, 0], scores[:, 1:], ks=[1, 3, 10])
    wanted = evaluator("ogbl-citation2").eval({"y_pred_pos": scores[:, 0], "y_pred_neg": scores[:, 1:]})
    assert found.mrr == pytest.approx(float(wanted["mrr_list"].mean()), rel=1e-6)
    for k, share in found.hits.items():
        assert share == pytest.approx(float(wanted[f"hits@{k}_list"].mean()), abs=1e-6)


def test_auc_of_ogbs_evaluator() -> None:
    scores = draw(500, 40)
    wanted = evaluator("ogbl-vessel").eval({"y_pred_pos": scores[:200], "y_pred_neg": scores[200:]})["rocauc"]
    assert link_auc(scores[:200], scores[200:]) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("levels", [None, 3, 40])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.float16, torch.int64, torch.uint8])
def test_auc_and_ap_of_scikit_learn(levels: int | None, kind: torch.dtype) -> None:
    """Large and uneven parts, any type, and own negatives counted together."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores = (draw(9000, levels) * (250 if levels is None else 1)).to(kind)
    positive, negative = scores[:300], scores[300:]
    labels = (torch.arange(9000) < 300).numpy()
    for shape in ((8700,), (300, 29)):
        found = evaluate_scores(positive, negative.view(shape))
        assert found.auc == pytest.approx(roc_auc_score(labels, scores.double().numpy()), abs=1e-12)
        assert found.ap == pytest.approx(average_precision_score(labels, scores.double().numpy()), abs=1e-12)


def test_infinite_scores_are_the_first_and_the_last() -> None:
    infinite = evaluate_scores(torch.tensor([math.inf, 0.0]), torch.tensor([-math.inf, 1.0]))
    assert infinite == evaluate_scores(torch.tensor([9.0, 0.0]), torch.tensor([-9.0, 1.0]))


def test_whole_numbers_beside_fractions_keep_their_digits() -> None:
    """In float32 the two would tie."""
    assert rank_links(torch.tensor([2**24 + 1]), torch.tensor([2.0**24])).ranks.tolist() == [1.0]


def draw(size: int, levels: int | None) -> Tensor:
    generator = torch.Generator().manual_seed(size)
    whole = torch.randperm(size, generator=generator).float() / size
    return whole if levels is None else (whole * levels).floor()


def test_half_precision_is_compared_as_it_is() -> None:
    positive, negative = torch.tensor([1.0, 2.0]).bfloat16(), torch.tensor([1.0, 1.5])
    assert rank_links(positive, negative).ranks.tolist() == [2.5, 1.0]


def test_pairs_are_scored_in_blocks_without_gradient() -> None:
    weight = torch.ones(1, requires_grad=True)
    sizes = []

    def score(source: Tensor, target: Tensor) -> Tensor:
        sizes.append(len(source))
        return weight * (10 * source + target)

    pairs = torch.arange(24).view(2, 3, 4)
    found = score_pairs(score, pairs, block=5)
    assert torch.equal(found, (10 * pairs[0] + pairs[1]).float()) and not found.requires_grad
    assert sizes == [5, 5, 2]
    part = SimpleNamespace(positive=torch.tensor([[5, 1, 1], [0, 1, 0]]), negative=pairs)
    assert evaluate_links(score, part, ks=[1], block=5).mrr == pytest.approx((1 + 1 / 5 + 1 / 5) / 3)


def test_refusals() -> None:
    two, three = torch.ones(2), torch.ones(3)
    for function in (rank_links, link_auc, average_precision, evaluate_scores):
        with pytest.raises(ValueError, match=r"got \(2,\) and \(3, 4\)"):
            function(two, torch.ones(3, 4))
        with pytest.raises(ValueError, match=r"got \(2, 1\) and \(3,\)"):
            function(two[:, None], three)
        with pytest.raises(ValueError, match=r"without positives and negatives, got \(2,\) and \(0,\) scores"):
            function(two, three[:0])
        with pytest.raises(ValueError, match="a negative has the score NaN"):
            function(two, torch.tensor([math.nan, 1.0]))
    with pytest.raises(ValueError, match="a positive has the score NaN"):
        rank_links(torch.tensor([math.nan]), two)
    with pytest.raises(ValueError, match=r"must be a real number, got negative ones of torch.bool"):
        evaluate_scores(two, torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"must be a real number, got positive ones of torch.complex64"):
        link_auc(two * 1j, three)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        hits_at(two, three, 0)
    with pytest.raises(ValueError, match="k must be at least 1, got -1"):
        evaluate_scores(two, torch.ones(2, 3), ks=[3, -1])
    with pytest.raises(ValueError, match=r"\[n\], got \(2, 3\); own negatives"):
        hits_at(two, torch.ones(2, 3), 1)
    with pytest.raises(ValueError, match="block must be at least 1, got 0"):
        score_pairs(torch.add, torch.ones(2, 3).long(), block=0)
    with pytest.raises(ValueError, match=r"pairs must be \[2, ...\], sources before targets, got \(3, 2\)"):
        score_pairs(torch.add, torch.ones(3, 2).long())
    with pytest.raises(ValueError, match=r"scores \(3, 3\) for 3 pairs"):
        score_pairs(lambda a, b: a[:, None] + b, torch.ones(2, 3).long())
