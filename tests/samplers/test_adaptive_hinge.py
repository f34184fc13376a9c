"""AdaptiveHinge: the best of each handful by a plain loop, DNS at k = 1, the base at a handful of one."""

import pytest
import torch

from graphns import Graph, Hardest, Query, Stream, Uniform
from graphns.samplers.compose.all import All
from graphns.samplers.dynamic.adaptive_hinge import AdaptiveHinge
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given, Scores, repeated

N = 12
SCORES = Scores(torch.randn(N, N, generator=torch.Generator().manual_seed(2)))


def query_of(k, seed=0):
    anchor = torch.arange(N)
    return Query(anchor, (anchor + 1) % N, k, model=SCORES, stream=Stream(seed))


def test_each_slot_is_the_best_of_its_own_handful():
    base = Uniform(Graph.empty(N))
    query = query_of(3)
    pool = base(query.child(0, k=15)).ids.view(N, 3, 5)
    ids = AdaptiveHinge(base)(query).ids
    for b in range(N):
        score = SCORES.matrix.detach()[b].tolist()
        for slot in range(3):
            assert int(ids[b, slot]) == max(pool[b, slot].tolist(), key=score.__getitem__)


def test_at_k_1_it_is_dns_and_a_handful_of_one_is_the_base():
    base = Uniform(Graph.empty(N))
    for seed in SEEDS:
        assert torch.equal(AdaptiveHinge(base, pool=6)(query_of(1, seed)).ids,
                           Hardest(base, pool=6)(query_of(1, seed)).ids)
        query = query_of(4, seed)
        assert torch.equal(AdaptiveHinge(base, pool=1)(query).ids, base(query.child(0, k=4)).ids)


@pytest.mark.parametrize("seed", SEEDS)
def test_ranks_follow_the_order_statistic_and_slots_are_independent(seed):
    query = repeated(0, 1, 20_000, k=2, model=SCORES, stream=Stream(seed))
    ids = AdaptiveHinge(Uniform(Graph.empty(N)), pool=3)(query).ids
    ranked = [i for i in SCORES.matrix[0].argsort(descending=True).tolist() if i not in (0, 1)]
    n = len(ranked)
    # the best of 3 has rank r (from 0) with probability ((n - r) / n)^3 - ((n - r - 1) / n)^3
    left = torch.arange(n, 0, -1).double()
    chance = (left / n) ** 3 - ((left - 1) / n) ** 3
    counts = torch.bincount(ids[:, 0] * N + ids[:, 1], minlength=N * N).view(N, N)[ranked][:, ranked]
    assert int(counts.sum()) == 20_000
    assert chi_square(counts.flatten(), torch.outer(chance, chance).flatten()) > ALPHA / len(SEEDS)


def test_masked_candidates_are_never_the_best():
    matrix = torch.full((N, N), -torch.inf)
    matrix[0, 3] = 100.0
    query = Query(torch.tensor([0]), torch.tensor([1]), 2, model=Scores(matrix), stream=Stream(0))
    drawn = AdaptiveHinge(Given([3, 4, 3, 3], [False, True, False, False]), pool=2)(query)
    assert drawn.mask.tolist() == [[True, False]] and int(drawn.ids[0, 0]) == 4


def test_refuses():
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        AdaptiveHinge(Uniform(Graph.empty(N)), pool=0)
    with pytest.raises(ValueError, match="All gave 12 candidates where k=2 slots ask for 5 each"):
        AdaptiveHinge(All(Graph.empty(N)))(query_of(2))


def test_from_graph_passes_its_options_on():
    sampler = AdaptiveHinge.from_graph(Graph.empty(N), exclude="self", pool=3, replace=False)
    assert (sampler.pool, sampler.base.exclude, sampler.base.replace) == (3, "self", False)
