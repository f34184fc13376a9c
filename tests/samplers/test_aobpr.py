"""AOBPR: the mixture over factors and ranks by a plain loop, its limits, when factors are sorted, the state."""

import math

import pytest
import torch

from graphns import EdgeSet, Graph, Query, Stream, Uniform
from graphns.base import InfeasibleError
from graphns.samplers.dynamic.aobpr import AOBPR, _draw_factor
from tests.contract.cases import Table
from tests.samplers.distribution import ALPHA, NUM_NODES, SEEDS, chi_square, hub_graph, hub_query
from tests.samplers.toys import repeated

MODEL = Table(NUM_NODES, width=3, seed=2)


def chances(graph, anchor, positive, mean_rank, model=MODEL):
    """The mixture, one factor and one rank after another."""
    vectors = model.vectors.detach().double()
    banned = {anchor, positive, *graph.neighbors(anchor).tolist()}
    free = [j for j in range(NUM_NODES) if j not in banned]
    law = torch.tensor([math.exp(-r / mean_rank) for r in range(len(free))]).double()
    weight = vectors[anchor].abs() * vectors.std(0, correction=0)
    chance = torch.zeros(NUM_NODES, dtype=torch.float64)
    for f in range(vectors.shape[1]):
        ranked = sorted(free, key=lambda j, f=f: -float(vectors[j, f]))  # stable: of equal ones, the lower id first
        if vectors[anchor, f] < 0:
            ranked.reverse()
        chance[ranked] += weight[f] / weight.sum() * law / law.sum()
    return chance


@pytest.mark.parametrize(("anchor", "positive"), [(4, 13), (5, 3), (2, 7), (0, 1)])
@pytest.mark.parametrize("mean_rank", [1.5, 6.0])
def test_draws_follow_the_mixture_over_factors_and_ranks(anchor, positive, mean_rank):
    graph = hub_graph()
    chance = chances(graph, anchor, positive, mean_rank)
    sampler = AOBPR(graph, mean_rank=mean_rank)
    for seed in SEEDS:
        drawn = sampler(repeated(anchor, positive, 10_000, k=2, model=MODEL, stream=Stream(seed)))
        if not bool(chance.any()):
            assert not drawn.mask.any()
            continue
        counts = torch.bincount(drawn.ids.flatten(), minlength=NUM_NODES)
        assert drawn.mask.all() and int(counts[chance == 0].sum()) == 0
        assert chi_square(counts[chance > 0], chance[chance > 0]) > ALPHA / (8 * len(SEEDS))


def test_nothing_excluded_is_drawn():
    graph, query = hub_graph(), hub_query(6)
    drawn = AOBPR(graph, mean_rank=2.0)(Query(query.anchor, query.positive, 6, MODEL, Stream(0)))
    uniform = Uniform(graph)
    assert torch.equal(drawn.mask, uniform(query).mask)
    assert uniform.log_prob(query, drawn.ids)[drawn.mask].isfinite().all() and drawn.log_prob is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_large_mean_rank_is_uniform_and_a_small_one_the_top_of_a_factor(seed):
    graph = hub_graph()
    query = repeated(4, 13, 20_000, k=1, model=MODEL, stream=Stream(seed))
    ids = AOBPR(graph, mean_rank=1e9)(query).ids
    free = Uniform(graph).log_prob(query.child(0), torch.arange(NUM_NODES)[None])[0].isfinite()
    counts = torch.bincount(ids[:, 0], minlength=NUM_NODES)
    assert int(counts[~free].sum()) == 0
    assert chi_square(counts[free], torch.full((int(free.sum()),), 1 / int(free.sum()))) > ALPHA / len(SEEDS)
    vectors, own = MODEL.vectors.detach(), MODEL.vectors[4].detach()
    tops = {int((vectors[:, f] * own[f].sign()).masked_fill(~free, -torch.inf).argmax()) for f in range(3)}
    assert set(AOBPR(graph, mean_rank=1e-3)(query).ids[:, 0].tolist()) <= tops


def test_factors_without_weight_are_not_drawn():
    lot = torch.linspace(0, 1 - 1e-9, 50).double()[None]
    assert set(_draw_factor(torch.tensor([[0.0, 2.0, 0.0, 1.0, 0.0]]).double(), lot)[0].tolist()) == {1, 3}
    assert set(_draw_factor(torch.zeros(1, 3).double(), lot)[0].tolist()) == {0, 1, 2}
    at_the_end = torch.tensor([[1.0]]).double()
    assert _draw_factor(torch.tensor([[1.0, 0.0]]).double(), at_the_end).tolist() == [[0]]


def test_factors_are_read_past_a_bias():
    class Biased(Table):
        def score_vectors(self, anchor, vectors):
            return super().score_vectors(anchor, vectors) + 7

    query = hub_query(4)
    draws = []
    for model in (MODEL, Biased(NUM_NODES, width=3, seed=2)):
        draws.append(AOBPR(hub_graph(), mean_rank=3.0)(Query(query.anchor, query.positive, 4, model, Stream(1))))
    assert torch.equal(draws[0].ids, draws[1].ids)


def test_update_sorts_when_enough_was_drawn():
    graph = hub_graph()
    sampler = AOBPR(graph, refresh=50)
    assert AOBPR(graph).refresh == math.ceil(NUM_NODES * math.log(NUM_NODES))
    first, other = Table(NUM_NODES, width=3, seed=2), Table(NUM_NODES, width=3, seed=3)
    anchor = torch.arange(10)
    asked = [Query(anchor, anchor + 1, 4, model, Stream(0)) for model in (first, other)]
    fresh = [sampler(query).ids for query in asked]  # nothing is kept yet: each by its own model
    sampler.update(asked[0], sampler(asked[0]))
    assert torch.equal(sampler(asked[0]).ids, fresh[0]) and int(sampler.drawn) == 0
    kept = sampler.order.clone()
    sampler.update(asked[1], sampler(asked[1]))  # 40 of 50
    assert torch.equal(sampler.order, kept) and int(sampler.drawn) == 40
    sampler.update(asked[1], sampler(asked[1]))  # 80: time to sort
    assert not torch.equal(sampler.order, kept) and int(sampler.drawn) == 0
    assert torch.equal(sampler(asked[1]).ids, fresh[1]) and sampler.stateful


def test_the_state_fits_whatever_the_width_of_the_model():
    query = Query(torch.arange(10), torch.arange(10) + 1, 4, MODEL, Stream(0))
    sampler = AOBPR(hub_graph())
    sampler.update(query, sampler(query))
    again = AOBPR(hub_graph())
    again.load_state_dict(sampler.state_dict())
    assert torch.equal(again.order, sampler.order) and torch.equal(again(query).ids, sampler(query).ids)
    again.load_state_dict(AOBPR(hub_graph()).state_dict())  # and back to nothing
    assert again.order.numel() == 0


def test_triples():
    known = EdgeSet.from_pairs(torch.tensor([[0, 1], [0, 1]]), torch.tensor([2, 3]), num_candidates=NUM_NODES)

    class DistMult(Table):
        def score_vectors(self, anchor, vectors):
            return ((self.vectors[anchor[:, 0]] * self.vectors[anchor[:, 1]])[:, None] * vectors).sum(-1)

    query = Query(torch.tensor([[0, 1]]), torch.tensor([4]), 200, DistMult(NUM_NODES), Stream(0))
    ids = AOBPR(known, mean_rank=5.0)(query).ids
    assert not {2, 3, 4} & set(ids[0].tolist()) and len(ids.unique()) > 4


def test_an_edge_set_without_edges_excludes_the_positive_alone():
    known = EdgeSet.from_pairs(torch.empty(0, 2, dtype=torch.int64), torch.empty(0, dtype=torch.int64), NUM_NODES)

    class First(Table):
        def score_vectors(self, anchor, vectors):
            return (self.vectors[anchor[:, 0]][:, None] * vectors).sum(-1)

    query = Query(torch.tensor([[0, 1], [2, 2]]), torch.tensor([3, 4]), 400, First(NUM_NODES), Stream(0))
    drawn = AOBPR(known, mean_rank=50.0)(query)
    assert drawn.mask.all()
    assert [set(row.tolist()) for row in drawn.ids] == [set(range(NUM_NODES)) - {j} for j in (3, 4)]


def test_refuses():
    graph = Graph.empty(4)
    for bad in (0.0, torch.nan, torch.inf):
        with pytest.raises(ValueError, match=f"mean_rank must be a number above 0, got {bad}"):
            AOBPR(graph, mean_rank=bad)
    with pytest.raises(ValueError, match="refresh must be at least 1, got 0"):
        AOBPR(graph, refresh=0)
    query = Query(torch.tensor([0]), torch.tensor([1]), 2, Table(9), Stream(0))
    with pytest.raises(ValueError, match=r"embed\(ids\) must give one vector per candidate \[4, d\], got \(4, 2, 2\)"):
        model = Table(9)
        model.vectors = torch.zeros(9, 2, 2)
        AOBPR(graph)(Query(torch.tensor([0]), torch.tensor([1]), 2, model))
    with pytest.raises(ValueError, match="vectors hold NaN or infinity"):
        model = Table(9)
        model.vectors = torch.full((9, 2), torch.nan)
        AOBPR(graph)(Query(torch.tensor([0]), torch.tensor([1]), 2, model))
    full = Graph.from_edge_index(torch.tensor([[0, 0, 0], [1, 2, 3]]), num_nodes=4)
    with pytest.raises(InfeasibleError, match="has 0 candidates, 1 are needed"):
        AOBPR(full, infeasible="raise")(query)
    with pytest.raises(ValueError, match="model=model"):
        AOBPR(graph)(Query(torch.tensor([0]), torch.tensor([1]), 2))
