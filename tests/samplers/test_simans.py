"""SimANS: the formula by hand, its two limits, draws without replacement, refusals."""

import pytest
import torch

from graphns import Graph, Hardest, Query, Stream, Uniform
from graphns.samplers.compose.all import All
from graphns.samplers.dynamic.simans import SimANS
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given, Scores, repeated

N = 8
SCORES = Scores(torch.randn(N, N, generator=torch.Generator().manual_seed(3)))


def chances(pool, mask, sharpness, offset, positive=1):
    score = SCORES.matrix[0].detach().double()
    weight = torch.zeros(N, dtype=torch.float64)
    for i, usable in zip(pool, mask, strict=True):
        weight[i] += usable * torch.exp(-sharpness * (score[i] - score[positive] - offset) ** 2)
    return weight / weight.sum()


@pytest.mark.parametrize(("sharpness", "offset"), [(0.5, 0.0), (2.0, -0.7), (1.0, 0.4)])
def test_frequencies_follow_the_formula_given_the_pool(sharpness, offset):
    pool, mask = [3, 5, 3, 6, 2, 3, 7], [True, True, True, True, False, True, True]
    chance = chances(pool, mask, sharpness, offset)
    sampler = SimANS(Given(pool, mask), pool=7, sharpness=sharpness, offset=offset)
    for seed in SEEDS:
        query = Query(torch.tensor([0]), torch.tensor([1]), 20_000, model=SCORES, stream=Stream(seed))
        negatives = sampler(query)
        torch.testing.assert_close(negatives.log_prob.double().exp(), chance[negatives.ids], rtol=1e-5, atol=0)
        counts = torch.bincount(negatives.ids[0], minlength=N)
        assert int(counts[chance == 0].sum()) == 0
        assert chi_square(counts[chance > 0], chance[chance > 0]) > ALPHA / (3 * len(SEEDS))


def test_without_sharpness_it_is_the_base_and_with_much_the_nearest_to_the_positive():
    base = Uniform(Graph.empty(N))
    query = repeated(0, 1, 5_000, k=1, model=SCORES, stream=Stream(0))
    ids = SimANS(base, pool=4, sharpness=0.0)(query).ids
    assert chi_square(torch.bincount(ids[:, 0], minlength=N)[2:], torch.full((N - 2,), 1 / (N - 2))) > ALPHA
    pool = base(query.child(0, k=4)).ids
    target = SCORES.matrix[0, 1] + 0.3
    near = pool.gather(1, (SCORES.score(query.anchor, pool) - target).abs().argmin(1, keepdim=True))
    assert torch.equal(SimANS(base, pool=4, sharpness=1e9, offset=0.3)(query).ids, near)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_replacement_ordered_pairs_follow_plackett_and_luce(seed):
    pool = [2, 4, 5, 7]
    sampler = SimANS(Given(pool), pool=4, replace=False)
    ids = sampler(repeated(0, 1, 20_000, k=2, model=SCORES, stream=Stream(seed))).ids
    chance = chances(pool, [True] * 4, 1.0, 0.0)[pool]
    pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
    expected = torch.tensor([chance[a] * chance[b] / (1 - chance[a]) for a, b in pairs])
    counts = torch.bincount(ids[:, 0] * N + ids[:, 1], minlength=N * N)
    at = torch.tensor([pool[a] * N + pool[b] for a, b in pairs])
    assert int(counts[at].sum()) == 20_000
    assert chi_square(counts[at], expected) > ALPHA / len(SEEDS)


def test_the_papers_pool_is_the_best_of_all_candidates():
    graph = Graph.from_edge_index(torch.tensor([[0], [2]]), num_nodes=N)
    query = Query(torch.tensor([0]), torch.tensor([1]), 200, model=SCORES, stream=Stream(0))
    best = [i for i in SCORES.matrix[0].argsort(descending=True).tolist() if i not in (0, 1, 2)][:3]
    drawn = SimANS(Hardest(All(graph), pool=1), pool=3, sharpness=0.1)(query)
    assert set(drawn.ids[0].tolist()) == set(best)


def test_densities_and_masks():
    query = Query(torch.tensor([0, 3]), torch.tensor([1, 1]), 3, model=SCORES, stream=Stream(0))
    some = SimANS(Given([4, 5, 6, 7], [False, True, False, True]), pool=4)
    assert some.density == "given-pool" and set(some(query).ids.flatten().tolist()) <= {5, 7}
    distinct = SimANS(Given([4, 5, 6, 7], [False, True, False, True]), pool=4, replace=False)
    assert distinct.density == "none" and distinct(query).log_prob is None
    assert distinct(query).mask.tolist() == [[True, True, False]] * 2
    nothing = SimANS(Given([4, 5], [False, False]), pool=2)(query)
    assert not nothing.mask.any() and nothing.log_prob.tolist() == [[0.0] * 3] * 2
    assert SCORES.matrix.grad is None


def test_scores_of_minus_infinity_are_far_away():
    scores = torch.full((N, N), -torch.inf)
    scores[:, 1], scores[:, 4] = 0.0, 1.0
    query = Query(torch.tensor([0]), torch.tensor([1]), 100, model=Scores(scores), stream=Stream(0))
    assert set(SimANS(Given([2, 3, 4, 5]), pool=4)(query).ids[0].tolist()) == {4}


def test_refuses():
    base = Uniform(Graph.empty(N))
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        SimANS(base, pool=0)
    for bad in (-1.0, torch.nan, torch.inf):
        with pytest.raises(ValueError, match=f"sharpness must be a number >= 0, got {bad}"):
            SimANS(base, sharpness=bad)
    for bad in (torch.nan, torch.inf, -torch.inf):
        with pytest.raises(ValueError, match=f"offset must be a finite number, got {bad}"):
            SimANS(base, offset=bad)
    with pytest.raises(ValueError, match="a pool of 4 cannot fill k=5"):
        SimANS(base, pool=4, replace=False)(Query(torch.tensor([0]), torch.tensor([1]), 5, model=SCORES))
    matrix = torch.zeros(N, N)
    matrix[:, 1] = torch.inf
    with pytest.raises(ValueError, match="scored a positive NaN or infinite"):
        SimANS(base)(Query(torch.tensor([0]), torch.tensor([1]), 1, model=Scores(matrix)))

    class Wrong:
        def score(self, anchor, ids):
            return torch.zeros(len(anchor), 1) if ids.shape[1] > 1 else torch.zeros(3)

    class WrongForPositives:
        def score(self, anchor, ids):
            return torch.zeros(len(anchor), ids.shape[1]) if ids.shape[1] > 1 else torch.zeros(3)

    for wrong in (Wrong(), WrongForPositives()):
        with pytest.raises(ValueError, match=r"must give \[B, m\]"):
            SimANS(base)(Query(torch.tensor([0]), torch.tensor([1]), 1, model=wrong))


def test_from_graph_passes_its_options_on():
    sampler = SimANS.from_graph(Graph.empty(N), exclude="self", pool=3, sharpness=0.2, offset=0.1, replace=False)
    assert (sampler.pool, sampler.sharpness, sampler.offset, sampler.replace) == (3, 0.2, 0.1, False)
    assert sampler.base.exclude == "self"
