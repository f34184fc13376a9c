"""WARP: the first violation by a plain loop, the tries and the rank, the limits, refusals."""

import math

import pytest
import torch

from graphns import Graph, Query, Stream, Uniform
from graphns.samplers.compose.all import All
from graphns.samplers.dynamic.warp import WARP, estimated_rank
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given, Scores, repeated

N = 12
SCORES = Scores(torch.randn(N, N, generator=torch.Generator().manual_seed(4)))


def query_of(k, seed=0):
    anchor = torch.arange(N)
    return Query(anchor, (anchor + 1) % N, k, model=SCORES, stream=Stream(seed))


@pytest.mark.parametrize("margin", [1.0, 0.0, -0.5])
def test_it_is_the_first_violation_of_each_slots_own_tries(margin):
    base = Uniform(Graph.empty(N))
    sampler = WARP(base, tries=4, margin=margin)
    for seed in SEEDS:
        query = query_of(3, seed)
        pool = base(query.child(0, k=12)).ids.view(N, 3, 4)
        negatives, tries = sampler.search(query)
        assert torch.equal(sampler(query).ids, negatives.ids) and torch.equal(sampler(query).mask, negatives.mask)
        for b in range(N):
            bound = SCORES.matrix[b, query.positive[b]] - margin
            for slot in range(3):
                at = [t for t in range(4) if SCORES.matrix[b, pool[b, slot, t]] > bound]
                assert bool(negatives.mask[b, slot]) == bool(at)
                assert int(tries[b, slot]) == (at[0] + 1 if at else 0)
                if at:
                    assert int(negatives.ids[b, slot]) == int(pool[b, slot, at[0]])


def test_rank_is_the_floor_of_n_minus_1_over_the_tries():
    tries = torch.tensor([[1, 2, 3, 7, 10, 0]])
    assert estimated_rank(tries, 1000).tolist() == [[999, 499, 333, 142, 99, 0]]
    assert estimated_rank(tries.T, torch.tensor([[5]] * 6)).flatten().tolist() == [4, 2, 1, 0, 0, 0]
    # the weights an objective makes of it: the paper's harmonic sum lies about the logarithm of LightFM
    for rank in estimated_rank(tries, 1000).flatten().tolist():
        assert 0 <= sum(1 / i for i in range(1, rank + 1)) - math.log(max(1, rank)) <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_tries_are_geometric_and_the_found_uniform_over_the_violators(seed):
    positive = int(SCORES.matrix[0].argsort()[6])
    query = repeated(0, positive, 20_000, k=1, model=SCORES, stream=Stream(seed))
    bound = SCORES.matrix[0, positive] - 0.2
    candidates = [j for j in range(1, N) if j != positive]
    violators = [j for j in candidates if SCORES.matrix[0, j] > bound]
    share = len(violators) / len(candidates)
    assert 0.2 < share < 0.8
    negatives, tries = WARP(Uniform(Graph.empty(N)), tries=3, margin=0.2).search(query)
    expected = torch.tensor([(1 - share) ** 3, *(share * (1 - share) ** t for t in range(3))])
    assert chi_square(torch.bincount(tries[:, 0], minlength=4), expected) > ALPHA / (2 * len(SEEDS))
    counts = torch.bincount(negatives.ids[negatives.mask], minlength=N)
    assert int(counts.sum()) == int(counts[violators].sum())
    uniform = torch.full((len(violators),), 1 / len(violators))
    assert chi_square(counts[violators], uniform) > ALPHA / (2 * len(SEEDS))


def test_a_large_margin_takes_the_base_draw_and_one_below_all_scores_nothing():
    base = Uniform(Graph.empty(N))
    query = query_of(5)
    negatives, tries = WARP(base, tries=1, margin=1e9).search(query)
    assert torch.equal(negatives.ids, base(query.child(0, k=5)).ids) and bool((tries == 1).all())
    nothing, tries = WARP(base, tries=3, margin=-1e9).search(query)
    assert not nothing.mask.any() and not tries.any()


def test_masked_candidates_are_no_violation():
    matrix = torch.zeros(N, N)
    matrix[0, 3], matrix[0, 5] = 9.0, 7.0
    query = Query(torch.tensor([0]), torch.tensor([1]), 2, model=Scores(matrix), stream=Stream(0))
    mask = [False, True, True, False, True, False]
    negatives, tries = WARP(Given([3, 4, 5, 3, 4, 3], mask), tries=3, margin=-1.0).search(query)
    assert negatives.mask.tolist() == [[True, False]] and tries.tolist() == [[2, 0]]  # the masked is no try
    assert int(negatives.ids[0, 0]) == 5


def test_refuses():
    base = Uniform(Graph.empty(N))
    with pytest.raises(ValueError, match="tries must be at least 1, got 0"):
        WARP(base, tries=0)
    with pytest.raises(ValueError, match="margin must be a number, got nan"):
        WARP(base, margin=torch.nan)
    with pytest.raises(ValueError, match="All gave 12 candidates where k=2 slots ask for 10 each"):
        WARP(All(Graph.empty(N)))(query_of(2))
    with pytest.raises(ValueError, match="model=model"):
        WARP(base)(Query(torch.tensor([0]), torch.tensor([1]), 1))
    with pytest.raises(TypeError, match="density 'none'"):
        WARP(base).log_prob(query_of(1), torch.tensor([[1]]))


def test_from_graph_passes_its_options_on():
    sampler = WARP.from_graph(Graph.empty(N), exclude="self", tries=4, margin=0.5, replace=False)
    assert (sampler.tries, sampler.margin, sampler.base.exclude, sampler.base.replace) == (4, 0.5, "self", False)
