"""Softmax over a pool: frequencies against exp(log_prob), copies, limits, draws without replacement."""

import pytest
import torch

from graphns import Graph, Query, Stream, Tempered, Uniform
from graphns.samplers.compose.all import All
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given, Scores, repeated

N = 8
SCORES = Scores(torch.randn(N, N, generator=torch.Generator().manual_seed(3)))


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_frequencies_follow_log_prob_given_the_pool_copies_added_up(seed, temperature):
    pool = [3, 5, 3, 6, 2, 3, 7]
    mask = [True, True, True, True, False, True, True]
    sampler = Tempered(Given(pool, mask), pool=7, temperature=temperature)
    query = Query(torch.tensor([0]), torch.tensor([1]), 20_000, model=SCORES, stream=Stream(seed))
    negatives = sampler(query)
    weight = torch.zeros(N, dtype=torch.float64)
    for i, usable in zip(pool, mask, strict=True):
        weight[i] += usable * (SCORES.matrix[0, i].detach().double() / temperature).exp()
    chance = weight / weight.sum()
    torch.testing.assert_close(negatives.log_prob.double().exp(), chance[negatives.ids], rtol=1e-5, atol=0)
    counts = torch.bincount(negatives.ids[0], minlength=N)
    assert int(counts[chance == 0].sum()) == 0
    assert chi_square(counts[chance > 0], chance[chance > 0]) > ALPHA / (2 * len(SEEDS))


def test_a_low_temperature_is_the_best_and_a_high_one_the_base():
    base = Uniform(Graph.empty(N))
    query = repeated(0, 1, 5_000, k=1, model=SCORES, stream=Stream(0))
    pool = base(query.child(0, k=4)).ids
    best = pool.gather(1, SCORES.score(query.anchor, pool).argmax(1, keepdim=True))
    assert torch.equal(Tempered(base, pool=4, temperature=1e-4)(query).ids, best)
    ids = Tempered(base, pool=4, temperature=1e9)(query).ids
    assert chi_square(torch.bincount(ids[:, 0], minlength=N)[2:], torch.full((N - 2,), 1 / (N - 2))) > ALPHA


@pytest.mark.parametrize("seed", SEEDS)
def test_without_replacement_ordered_pairs_follow_plackett_and_luce(seed):
    pool = [2, 4, 5, 7]
    sampler = Tempered(Given(pool), pool=4, replace=False)
    ids = sampler(repeated(0, 1, 20_000, k=2, model=SCORES, stream=Stream(seed))).ids
    chance = SCORES.matrix[0, pool].detach().softmax(0)
    expected = torch.tensor([chance[a] * chance[b] / (1 - chance[a]) for a in range(4) for b in range(4) if a != b])
    counts = torch.bincount(ids[:, 0] * N + ids[:, 1], minlength=N * N)
    at = torch.tensor([pool[a] * N + pool[b] for a in range(4) for b in range(4) if a != b])
    assert int(counts[at].sum()) == 20_000
    assert chi_square(counts[at], expected) > ALPHA / len(SEEDS)


def test_densities_and_masks():
    query = Query(torch.tensor([0, 3]), torch.tensor([1, 1]), 3, model=SCORES, stream=Stream(0))
    some = Tempered(Given([4, 5, 6, 7], [False, True, False, True]), pool=4)
    assert some.density == "given-pool"
    assert bool(some(query).mask.all()) and set(some(query).ids.flatten().tolist()) <= {5, 7}
    distinct = Tempered(Given([4, 5, 6, 7], [False, True, False, True]), pool=4, replace=False)
    assert distinct.density == "none" and distinct(query).log_prob is None
    assert distinct(query).mask.tolist() == [[True, True, False]] * 2
    assert set(distinct(query).ids[:, :2].flatten().tolist()) == {5, 7}
    nothing = Tempered(Given([4, 5], [False, False]), pool=2)(query)
    assert not nothing.mask.any() and nothing.log_prob.tolist() == [[0.0] * 3] * 2
    assert SCORES.matrix.grad is None


def test_every_candidate_as_the_pool():
    graph = Graph.from_edge_index(torch.tensor([[0], [2]]), num_nodes=N)
    query = Query(torch.tensor([0]), torch.tensor([1]), 50, model=SCORES, stream=Stream(0))
    negatives = Tempered(All(graph), pool=1)(query)
    expected = SCORES.matrix[0, 3:].detach().log_softmax(0)
    torch.testing.assert_close(negatives.log_prob, expected[negatives.ids - 3])


def test_scores_far_apart_and_minus_infinity():
    scores = torch.full((N, N), -torch.inf)
    scores[:, 3], scores[:, 4] = -1e30, 1e30
    query = Query(torch.tensor([0]), torch.tensor([1]), 100, model=Scores(scores), stream=Stream(0))
    negatives = Tempered(Given([2, 3, 4, 5]), pool=4)(query)
    assert set(negatives.ids[0].tolist()) == {4} and negatives.log_prob.abs().max() == 0


def test_refuses():
    base = Uniform(Graph.empty(N))
    with pytest.raises(ValueError, match="pool must be at least 1, got -1"):
        Tempered(base, pool=-1)
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        Tempered(base, temperature=0)
    query = Query(torch.tensor([0]), torch.tensor([1]), 5, model=SCORES)
    with pytest.raises(ValueError, match="a pool of 4 cannot fill k=5"):
        Tempered(base, pool=4, replace=False)(query)
    assert Tempered(base, pool=4)(query).ids.shape == (1, 5)
    with pytest.raises(TypeError, match="given-pool"):
        Tempered(base).log_prob(query, torch.tensor([[1]]))


def test_from_graph_passes_its_options_on():
    sampler = Tempered.from_graph(Graph.empty(N), exclude="self", pool=3, temperature=0.2, replace=False)
    assert (sampler.pool, sampler.temperature, sampler.replace, sampler.base.exclude) == (3, 0.2, False, "self")


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_self_adversarial_drawing_is_this_law_with_the_inverse_temperature(alpha):
    """p(y) in proportion to exp(alpha s(y)) over the pool, and the weights of RotatE's loss are its expectation."""
    from graphns.registry import find

    assert find("self-adversarial") is find("tempered")
    pool = [3, 5, 6, 2]
    query = Query(torch.tensor([0]), torch.tensor([1]), 200, model=SCORES, stream=Stream(0))
    negatives = Tempered(Given(pool), pool=4, temperature=1 / alpha)(query)
    weight = torch.zeros(N)
    weight[pool] = (alpha * SCORES.matrix[0, pool].detach()).softmax(0)
    torch.testing.assert_close(negatives.log_prob.exp(), weight[negatives.ids])
