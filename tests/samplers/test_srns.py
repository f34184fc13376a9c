"""SRNS: the choice by score and deviation, the memory's draw without replacement, what epochs remember and forget."""

from __future__ import annotations

import itertools

import pytest
import torch

from graphns.base import Feedback, Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.dynamic.srns import SRNS
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given, Scores

N = 40


def ask(model: Scores, anchor: list[int], positive: list[int], k: int = 1, step: int = 0, epoch: int = 0) -> Query:
    return Query(torch.tensor(anchor), torch.tensor(positive), k, model=model, stream=Stream(3, step), epoch=epoch)


def random_scores(seed: int = 0) -> Scores:
    return Scores(torch.randn(N, N, generator=torch.Generator().manual_seed(seed)))


def test_before_the_first_step_it_is_the_base() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 1], [5, 6]]), num_nodes=N)
    sampler, query = SRNS.from_graph(graph), ask(random_scores(), [0, 1, 2], [5, 6, 7], k=4)
    base = Uniform(graph, replace=False)(query.child(0))
    drawn = sampler(query)
    assert torch.equal(drawn.ids, base.ids) and torch.equal(drawn.mask, base.mask) and drawn.log_prob is None


@pytest.mark.parametrize("weight", [0.0, 5.0])
def test_the_choice_is_score_plus_weight_times_deviation(weight: float) -> None:
    """Against a plain loop over what each epoch's model said, kept outside the sampler."""
    sampler = SRNS.from_graph(Graph.empty(N), memory=6, fresh=20, candidates=26, weight=weight, ramp=8, epochs=3,
                              turnover=0.0, temperature=1.0)
    models = [random_scores(seed) for seed in range(7)]
    for epoch, model in enumerate(models[:6]):
        query = ask(model, [4, 9], [5, 3], epoch=epoch, step=epoch)
        sampler.update(query, sampler(query))  # memory and fresh ones are all of the candidates: all are scored
    query = ask(models[6], [4, 9], [8, 3], k=6, epoch=6)
    chosen = sampler(query).ids
    for row, (anchor, positive, past_positive) in enumerate([(4, 8, 5), (9, 3, 3)]):
        values = {}
        for j in sampler.candidates[anchor, sampler.memory[anchor]].tolist():
            if j == positive:
                continue
            now = models[6].matrix[anchor].detach().double()
            past = torch.stack([
                torch.sigmoid(was[j] - was[past_positive])
                for was in (model.matrix[anchor].detach().double() for model in models[3:6])
            ])
            values[j] = float(torch.sigmoid(now[j] - now[positive]) + weight * 6 / 8 * past.std(correction=0))
        best = sorted(values, key=lambda j: -values[j])
        assert chosen[row, : len(best)].tolist() == best


def test_of_equal_scores_the_one_that_varied_is_taken() -> None:
    """F7: a candidate whose score has not moved is more likely a false negative."""
    sampler = SRNS(Given([7, 8]), Graph.empty(N), memory=2, fresh=0, candidates=2, ramp=0, epochs=4)
    for epoch in range(4):
        scores = torch.zeros(N, N)
        scores[0, 7], scores[0, 8] = 1.0, 1.0 + (-1) ** epoch
        query = ask(Scores(scores), [0], [1], k=2, epoch=epoch)
        sampler.update(query, sampler(query))
    level = torch.zeros(N, N)
    level[0, 7], level[0, 8] = 1.1, 1.0
    query = ask(Scores(level), [0], [1], k=2, epoch=4)
    assert sampler(query).ids.tolist() == [[8, 7]]
    sampler.weight = 0.0
    assert sampler(query).ids.tolist() == [[7, 8]]
    assert [SRNS.from_graph(Graph.empty(3)).weight_at(t) for t in (0, 25, 50, 99)] == [0.0, 2.5, 5.0, 5.0]
    places = sampler.memory[:1]
    assert bool((sampler.deviation(torch.tensor([0]), places, 4).max() > 0.1).all())
    assert sampler.deviation(torch.tensor([0]), places, 30).tolist() == [[0.0, 0.0]]  # too long ago


@pytest.mark.parametrize("seed", SEEDS)
def test_the_memory_is_drawn_without_replacement_by_a_softmax(seed: int) -> None:
    """Ordered pairs of two places of five, over many anchors, against the product of the two softmaxes."""
    repeats, size, temperature = 20_000, 5, 2.0
    graph = EdgeSet.from_pairs(torch.arange(repeats), torch.full((repeats,), 9), 10)
    given = torch.tensor([0.0, 1.0, 2.0, 3.0, -1.0])
    row = torch.zeros(10)
    row[:size] = given

    class Same:
        def score(self, anchor: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
            return row[ids.expand(len(anchor), -1)]

    sampler = SRNS(Given([0, 1, 2, 3, 4]), graph, memory=2, fresh=3, candidates=size, temperature=temperature)
    query = Query(torch.arange(repeats), torch.full((repeats,), 9), 1, model=Same(), stream=Stream(seed))
    sampler.update(query, Uniform(graph)(query))
    counts = torch.bincount(sampler.memory[:, 0] * size + sampler.memory[:, 1], minlength=size * size)
    weight = (given.double() / temperature).exp()
    pairs = list(itertools.permutations(range(size), 2))
    chance = torch.tensor([float(weight[a] / weight.sum() * weight[b] / (weight.sum() - weight[a])) for a, b in pairs])
    at = torch.tensor([a * size + b for a, b in pairs])
    assert int(counts[at].sum()) == repeats
    assert chi_square(counts[at], chance) > ALPHA / len(SEEDS)


def test_memory_places_are_distinct_and_fresh_ones_uniform() -> None:
    graph = Graph.from_edge_index(torch.stack([torch.zeros(30, dtype=torch.int64), torch.arange(5, 35)]), num_nodes=N)
    sampler = SRNS.from_graph(graph, memory=4, fresh=8, candidates=64)
    for step in range(30):  # anchor 0 has 9 candidates only, so that places without one would be taken if they could
        query = ask(random_scores(), [0, 1, 0, 2], [7, 3, 8, 3], step=step, epoch=step // 5)
        sampler.update(query, sampler(query))
        assert bool((sampler.memory.sort(1).values.diff(dim=1) > 0).all())
        assert set(sampler.candidates[0][sampler.memory[0]].tolist()) <= set(range(1, 5)) | set(range(35, N))
    assert bool((sampler.candidates[3] == -1).all()) and int(sampler.last_epoch[3]) == -1


def test_an_anchor_of_several_pairs_is_updated_once_and_its_positives_averaged() -> None:
    model = random_scores()
    sampler = SRNS.from_graph(Graph.empty(N), memory=4, fresh=4, candidates=8)
    query = ask(model, [3, 3, 5], [1, 2, 1])
    sampler.update(query, sampler(query))
    assert sampler.positive_count[[3, 5, 6], 0].tolist() == [2, 1, 0]
    expected = model.matrix[3, 1].double() + model.matrix[3, 2].double()
    torch.testing.assert_close(sampler.positive_sum[3, 0], expected.detach())
    scored = sampler.scores[3, :, 0]
    torch.testing.assert_close(scored, model.matrix[3, sampler.candidates[3].long()].detach())


def test_epochs_forget_and_replace() -> None:
    model = random_scores()
    sampler = SRNS.from_graph(Graph.empty(N), memory=4, fresh=4, candidates=20, epochs=2, turnover=1.0)
    seen = []
    for epoch in (0, 1, 5):
        query = ask(model, [3], [1], epoch=epoch, step=epoch)
        before = sampler.candidates[3].clone()
        kept = sampler.memory[3].clone()
        sampler.update(query, sampler(query))
        if epoch:
            assert torch.equal(sampler.candidates[3][kept], before[kept])  # the memory stays
            assert not torch.equal(sampler.candidates[3], before)
        again = sampler.candidates[3].clone()
        sampler.update(query, sampler(query))
        assert torch.equal(sampler.candidates[3], again)  # within an epoch nothing is replaced
        seen.append(int((~sampler.scores[3].isinf()).any(0).sum()))
    assert seen == [1, 2, 1]  # in epoch 5 all that came before is too old
    assert sampler.last_epoch[3] == 5
    still = SRNS.from_graph(Graph.empty(N), memory=4, fresh=4, candidates=20, turnover=0.0)
    for epoch in range(3):
        still.update(query, still(ask(model, [3], [1], epoch=epoch)))
    first = still.candidates[3].clone()
    late = ask(model, [3], [1], epoch=9)
    still.update(late, still(late))
    assert torch.equal(first, still.candidates[3])


def test_the_pairs_positive_is_masked_and_anchors_may_be_unknown() -> None:
    known = EdgeSet.from_pairs(torch.tensor([[0, 1], [2, 0]]), torch.tensor([3, 4]), N)

    class Flat:
        def score(self, anchor: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(anchor), ids.shape[1])

    sampler = SRNS.from_graph(known, memory=4, fresh=4, candidates=N)
    query = Query(torch.tensor([[0, 1], [9, 9]]), torch.tensor([3, 4]), 4, model=Flat(), stream=Stream(0))
    sampler.update(query, sampler(query))
    assert sampler.last_epoch.tolist() == [0, -1]
    held = sampler.candidates[0][sampler.memory[0]].long()
    other = Query(torch.tensor([[0, 1]]), held[1:2], 4, model=Flat(), stream=Stream(0))
    drawn = sampler(other)
    assert drawn.mask.tolist() == [[True, True, True, False]] and int(held[1]) not in drawn.ids[0, :3].tolist()


def test_candidates_stay_distinct_when_a_share_is_replaced() -> None:
    sampler = SRNS.from_graph(Graph.empty(N), memory=4, fresh=8, candidates=24, turnover=0.5)
    before = torch.full((24,), -1)
    for epoch in range(8):
        query = ask(random_scores(epoch), [0, 3], [1, 2], epoch=epoch, step=epoch)
        sampler.update(query, sampler(query))
        for anchor in (0, 3):
            assert len(sampler.candidates[anchor].unique()) == 24
        assert not torch.equal(sampler.candidates[0], before)
        before = sampler.candidates[0].clone()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("of_positive", [True, False])
def test_scores_that_are_refused_leave_the_state_as_it_was(bad: float, of_positive: bool) -> None:
    sampler = SRNS.from_graph(Graph.empty(N), memory=4, fresh=4, candidates=8, turnover=0.5)
    query = ask(random_scores(), [3], [1])
    sampler.update(query, sampler(query))
    state = {name: value.clone() for name, value in sampler.state_dict().items()}
    wrong = random_scores().matrix.detach().clone()
    if of_positive:
        wrong[3, 1] = bad
    else:
        wrong[3] = bad
        wrong[3, 1] = 0.0
    with pytest.raises(ValueError, match="positive NaN" if of_positive else "candidate NaN"):
        asked = ask(Scores(wrong), [3], [1], epoch=1, step=1)
        sampler.observe(asked, sampler(query), Feedback())
    assert all(torch.equal(value, state[name]) for name, value in sampler.state_dict().items())


def test_refuses() -> None:
    graph = Graph.empty(N)
    for options, match in (
        ({"memory": 0}, "memory must be at least 1, got 0"), ({"fresh": -1}, "fresh must be at least 0"),
        ({"candidates": 71}, "candidates must be at least 72, got 71"), ({"epochs": 0}, "epochs must be at least 1"),
        ({"ramp": -1}, "ramp must be at least 0"), ({"temperature": 0.0}, "temperature must be above 0"),
        ({"weight": -1.0}, "finite weight >= 0"), ({"turnover": 1.5}, r"turnover in \[0, 1\], got 5.0 and 1.5"),
    ):
        with pytest.raises(ValueError, match=match):
            SRNS.from_graph(graph, **options)
    with pytest.raises(ValueError, match="a memory of 8 cannot fill k=9; make memory at least k"):
        SRNS.from_graph(graph)(ask(random_scores(), [0], [1], k=9))
    with pytest.raises(ValueError, match="NaN or infinite"):
        SRNS.from_graph(graph)(ask(Scores(torch.full((N, N), torch.nan)), [0], [1]))
