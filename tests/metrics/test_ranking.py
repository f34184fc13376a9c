"""Filtered ranks: against a plain loop, ties in the middle, blocks of any size."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from graphns.graph.known import EdgeSet
from graphns.graph.triples import Triples
from graphns.metrics.ranking import Ranking, rank_triples
from graphns.scorers.distmult import DistMult

N, R = 12, 3


class Rounded:
    """Scores with many ties, one number for each question and candidate."""

    def __init__(self, levels: int = 4, seed: int = 0) -> None:
        self.table = torch.randint(levels, (N, 2 * R, N), generator=torch.Generator().manual_seed(seed)).float()

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        return self.table[anchor[:, 0], anchor[:, 1]].gather(1, ids.expand(len(anchor), -1))


class Constant:
    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        return torch.zeros(len(anchor), ids.shape[1])


def facts(count: int, seed: int) -> Triples:
    generator = torch.Generator().manual_seed(seed)
    columns = [torch.randint(high, (count,), generator=generator) for high in (N, R, N)]
    return Triples(*columns, N, R)


def brute_force(model: Rounded, test: Triples, everything: list[Triples]) -> Tensor:
    """The mean of the best and the worst place that a sort could give the answer."""
    known = {fact for part in everything
             for fact in zip(part.head.tolist(), part.relation.tolist(), part.tail.tolist(), strict=True)}
    ranks = []
    for corrupt_head in (False, True):
        for h, r, t in zip(test.head.tolist(), test.relation.tolist(), test.tail.tolist(), strict=True):
            row = model.table[t, r + R] if corrupt_head else model.table[h, r]
            answer = h if corrupt_head else t
            rivals = [float(row[j]) for j in range(N)
                      if j != answer and ((j, r, t) if corrupt_head else (h, r, j)) not in known]
            own = float(row[answer])
            best = 1 + sum(each > own for each in rivals)
            worst = 1 + sum(each >= own for each in rivals)
            ranks.append((best + worst) / 2)
    return torch.tensor(ranks, dtype=torch.float64).view(2, -1)


@pytest.mark.parametrize("block", [1, 40, 1 << 22])
@pytest.mark.parametrize("seed", range(4))
def test_against_a_plain_loop(seed: int, block: int) -> None:
    train, valid, test = facts(60, seed), facts(15, seed + 10), facts(15, seed + 20)
    model = Rounded(seed=seed)
    known = train.known() | valid.known() | test.known()
    wanted = brute_force(model, test, [train, valid, test])
    assert torch.equal(rank_triples(model, test, known, block=block).ranks, wanted)  # type: ignore[arg-type]


def test_the_answer_need_not_be_known() -> None:
    train, test = facts(60, 1), facts(15, 2)
    model = Rounded(seed=5)
    assert torch.equal(rank_triples(model, test, train.known()).ranks,  # type: ignore[arg-type]
                       brute_force(model, test, [train]))


def test_a_constant_scorer_gets_the_middle() -> None:
    train, test = facts(60, 1), facts(15, 2)
    known = train.known() | test.known()
    ranks = rank_triples(Constant(), test, known).ranks  # type: ignore[arg-type]
    for side, corrupt_head in enumerate((False, True)):
        anchor, _ = test.questions(torch.full_like(test.head, corrupt_head, dtype=torch.bool))
        candidates = N - known.degree[known.rows(anchor)] + 1  # all but the other answers
        assert torch.equal(ranks[side], (candidates + 1).double() / 2)
    unfiltered = EdgeSet.from_pairs(torch.empty(0, 2, dtype=torch.int64), torch.empty(0, dtype=torch.int64), N)
    assert bool((rank_triples(Constant(), test, unfiltered).ranks == (N + 1) / 2).all())  # type: ignore[arg-type]


def test_the_model_learns_nothing_and_is_left_alone() -> None:
    model, test = DistMult(N, R, 4), facts(9, 0)
    ranks = rank_triples(model, test, test.known()).ranks
    assert not ranks.requires_grad and model.entity_table.grad is None
    assert bool((ranks >= 1).all()) and bool((ranks <= N).all())


def test_means_by_hand() -> None:
    ranking = Ranking(torch.tensor([[1.0, 2.0], [3.5, 20.0]], dtype=torch.float64))
    assert ranking.as_dict() == {"mrr": pytest.approx((1 + 1 / 2 + 1 / 3.5 + 1 / 20) / 4), "hits@1": 0.25,
                                 "hits@3": 0.5, "hits@10": 0.75, "mean_rank": 26.5 / 4}


def test_half_precision_is_ranked_too() -> None:
    class Half(Rounded):
        def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
            return super().score(anchor, ids).bfloat16()

    test = facts(15, 3)
    assert torch.equal(rank_triples(Half(), test, test.known()).ranks,  # type: ignore[arg-type]
                       rank_triples(Rounded(), test, test.known()).ranks)  # type: ignore[arg-type]


def test_bad_input() -> None:
    test = facts(5, 0)
    model = DistMult(N, R, 4)
    with pytest.raises(ValueError, match="there are no facts to rank"):
        rank_triples(model, facts(0, 0), test.known())
    with pytest.raises(ValueError, match="over 12 entities, got width 1"):
        rank_triples(model, test, test.slots())
    with pytest.raises(ValueError, match="block must be at least 1, got 0"):
        rank_triples(model, test, test.known(), block=0)
    with torch.no_grad():
        model.entity_table[3] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        rank_triples(model, test, test.known())

    class Narrow:
        def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
            return torch.zeros(len(anchor), 1)

    with pytest.raises(ValueError, match=r"scores \(5, 1\) for 5 anchors and 12 candidates"):
        rank_triples(Narrow(), test, test.known())  # type: ignore[arg-type]
