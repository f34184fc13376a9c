"""AHNS: the target by hand, the nearest by a plain loop, the limits, refusals."""

import pytest
import torch

from graphns import Graph, Hardest, Query, Stream, Uniform
from graphns.samplers.dynamic.ahns import AHNS
from graphns.samplers.dynamic.simans import SimANS
from tests.samplers.distribution import SEEDS
from tests.samplers.toys import Given, Scores

N = 12
SCORES = Scores(torch.rand(N, N, generator=torch.Generator().manual_seed(2)))


def query_of(k, seed=0, model=SCORES):
    anchor = torch.arange(N)
    return Query(anchor, (anchor + 1) % N, k, model=model, stream=Stream(seed))


@pytest.mark.parametrize(("alpha", "beta", "p"), [(0.1, 0.4, -2.0), (0.0, 0.7, -1.5), (0.3, 1.2, 0.5)])
def test_it_is_the_k_nearest_to_the_formula(alpha, beta, p):
    base = Uniform(Graph.empty(N), replace=False)
    query = query_of(3)
    pool = base(query.child(0, k=8)).ids
    ids = AHNS(base, pool=8, alpha=alpha, beta=beta, p=p)(query).ids
    for b in range(N):
        score = SCORES.matrix[b].detach().double()
        target = beta * (float(score[query.positive[b]]) + alpha) ** (p + 1)
        nearest = sorted(pool[b].tolist(), key=lambda i, score=score, target=target: abs(float(score[i]) - target))
        assert ids[b].tolist() == nearest[:3]


def test_the_target_falls_as_the_positive_rises_below_minus_1_and_is_beta_at_it():
    positive = torch.tensor([0.1, 0.5, 0.9, 2.0])
    falling = AHNS(Given([1])).target(positive)
    assert falling.tolist() == pytest.approx([0.4 / (0.1 + s) for s in positive.tolist()])
    assert bool((falling.diff() < 0).all())
    assert AHNS(Given([1]), p=-1.0, beta=0.3).target(positive).tolist() == [0.3] * 4
    assert AHNS(Given([1]), p=0.0, beta=1.0, alpha=0.0).target(positive).tolist() == pytest.approx(positive.tolist())


def test_at_p_0_it_is_simans_at_its_sharpest():
    base = Uniform(Graph.empty(N))
    for seed in SEEDS:
        query = query_of(1, seed)
        near = AHNS(base, pool=6, alpha=0.0, beta=1.0, p=0.0)(query).ids
        assert torch.equal(near, SimANS(base, pool=6, sharpness=1e12)(query).ids)


def test_a_positive_below_minus_alpha_gets_the_hardest():
    model = Scores(SCORES.matrix.detach() - 2)
    base = Uniform(Graph.empty(N))
    for seed in SEEDS:
        query = query_of(2, seed, model)
        assert torch.equal(AHNS(base, pool=6)(query).ids, Hardest(base, pool=6)(query).ids)


@pytest.mark.parametrize("p", [-4.0, -6.0])
def test_a_huge_target_does_not_swallow_the_scores(p):
    """Beside 0.4 * 1e18 all scores are alike in floating point: as a target it is the best of the pool."""
    model = Scores(SCORES.matrix.detach() - 2)
    base = Uniform(Graph.empty(N))
    for seed in SEEDS:
        query = query_of(3, seed, model)
        assert torch.equal(AHNS(base, pool=8, p=p)(query).ids, Hardest(base, pool=8)(query).ids)


def test_masked_candidates_are_never_chosen():
    matrix = torch.full((N, N), -torch.inf)
    matrix[0, 1], matrix[0, 3] = 0.5, 0.4 / 0.6
    query = Query(torch.tensor([0]), torch.tensor([1]), 3, model=Scores(matrix), stream=Stream(0))
    drawn = AHNS(Given([3, 4, 3, 5, 3], [False, True, False, True, False]), pool=5)(query)
    assert drawn.mask.tolist() == [[True, True, False]] and drawn.ids[0, :2].tolist() == [4, 5]
    assert drawn.log_prob is None


def test_refuses():
    base = Uniform(Graph.empty(N))
    with pytest.raises(ValueError, match="alpha must be at least 0, got -1"):
        AHNS(base, alpha=-1)
    with pytest.raises(ValueError, match="beta must be above 0, got 0"):
        AHNS(base, beta=0)
    with pytest.raises(ValueError, match="p must be a number, got nan"):
        AHNS(base, p=torch.nan)
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        AHNS(base, pool=0)
    with pytest.raises(ValueError, match="a pool of 4 cannot fill k=5"):
        AHNS(base, pool=4)(query_of(5))


def test_from_graph_passes_its_options_on():
    sampler = AHNS.from_graph(Graph.empty(N), exclude="self", pool=3, alpha=0.2, beta=0.3, p=-3.0, replace=False)
    assert (sampler.pool, sampler.alpha, sampler.beta, sampler.p) == (3, 0.2, 0.3, -3.0)
    assert (sampler.base.exclude, sampler.base.replace) == ("self", False)
