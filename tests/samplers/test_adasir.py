"""AdaSIR: q is divided out, the limit of a large pool, Tempered at a uniform q, the weights, refusals."""

import pytest
import torch

from graphns import Degree, Graph, Hardest, Negatives, Query, Sampler, Stream, Tempered, Uniform
from graphns.samplers.dynamic.adasir import AdaSIR
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Scores, repeated

N = 8
SCORES = Scores(torch.randn(N, N, generator=torch.Generator().manual_seed(3)))
SKEW = torch.tensor([1.0, 1.0, 16.0, 8.0, 4.0, 2.0, 1.0, 1.0])


def skewed(exclude="neighbors"):
    return Degree(Graph.empty(N), weights=SKEW, exclude=exclude)


class Fixed(Sampler):
    """A pool with a density written beside it."""

    density = "marginal"

    def __init__(self, ids, log_prob, mask):
        super().__init__()
        self.register_buffer("ids", torch.tensor([ids]))
        self.register_buffer("log_q", torch.tensor([log_prob]))
        self.register_buffer("mask", torch.tensor([mask]))

    def sample(self, query):
        return Negatives(self.ids, self.log_q, self.mask.expand(query.batch_size, -1))


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_chances_are_the_softmax_with_q_divided_out(temperature):
    ids, log_q, mask = [2, 3, 2, 5, 6], [-1.0, -2.0, -1.0, -0.5, -3.0], [True, True, True, True, False]
    query = Query(torch.tensor([0]), torch.tensor([1]), 20_000, model=SCORES, stream=Stream(0))
    sampler = AdaSIR(Fixed(ids, log_q, mask), pool=5, temperature=temperature)
    negatives = sampler(query)
    weight = torch.zeros(N, dtype=torch.float64)
    for i, log, usable in zip(ids, log_q, mask, strict=True):
        weight[i] += usable * torch.exp(SCORES.matrix[0, i].detach().double() / temperature - log)
    chance = weight / weight.sum()
    torch.testing.assert_close(negatives.log_prob.double().exp(), chance[negatives.ids], rtol=1e-5, atol=0)
    counts = torch.bincount(negatives.ids[0], minlength=N)
    assert int(counts[chance == 0].sum()) == 0
    assert chi_square(counts[chance > 0], chance[chance > 0]) > ALPHA / 2
    pool, weights = sampler.weigh(query)
    assert float(weights.sum()) == pytest.approx(1) and float(weights[0, 4]) == 0
    torch.testing.assert_close(torch.zeros(N).double().index_add(0, pool.ids[0], weights[0]), chance)


@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_large_pool_the_draws_follow_the_full_softmax_whatever_q(seed):
    # one draw from each of many pools; the bias of resampling falls as 1 / pool
    query = repeated(0, 1, 4_000, k=1, model=SCORES, stream=Stream(seed))
    ids = AdaSIR(skewed(), pool=800)(query).ids
    chance = SCORES.matrix[0, 2:].detach().softmax(0)
    assert chi_square(torch.bincount(ids[:, 0], minlength=N)[2:], chance) > ALPHA / len(SEEDS)


def test_the_weights_estimate_expectations_under_the_softmax():
    query = repeated(0, 1, 2_000, k=1, model=SCORES, stream=Stream(0))
    pool, weight = AdaSIR(skewed(), pool=400).weigh(query)
    value = torch.linspace(-1, 3, N).double()
    expected = float((SCORES.matrix[0, 2:].detach().double().softmax(0) * value[2:]).sum())
    estimates = (weight * value[pool.ids]).sum(1)
    error = float(estimates.std()) / len(estimates) ** 0.5
    assert abs(float(estimates.mean()) - expected) < 4 * error + 0.005
    # a second draw adds its own variance
    drawn = AdaSIR(skewed(), pool=400)(query).ids[:, 0]
    assert float(value[drawn].std()) > float(estimates.std())
    # the plain mean of the pool is that of q, and elsewhere
    assert abs(float(value[pool.ids].mean()) - expected) > 0.1


def test_with_a_uniform_q_it_is_tempered():
    base = Uniform(Graph.empty(N))
    for seed in SEEDS:
        query = repeated(0, 1, 300, k=4, model=SCORES, stream=Stream(seed))
        ours, theirs = AdaSIR(base, pool=6, temperature=0.7)(query), Tempered(base, pool=6, temperature=0.7)(query)
        assert torch.equal(ours.ids, theirs.ids)
        torch.testing.assert_close(ours.log_prob, theirs.log_prob)


def test_the_usual_form_is_by_popularity_with_every_candidate():
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 2], [3, 3, 4]]), num_nodes=N)
    sampler = AdaSIR.from_graph(graph, pool=9, temperature=2.0, power=1.0)
    query = Query(torch.tensor([0]), torch.tensor([1]), 1, model=SCORES, stream=Stream(0))
    chance = sampler.base.log_prob(query, torch.arange(N)[None]).exp()[0]
    torch.testing.assert_close(chance, torch.tensor([0.0, 0, 1, 0, 2, 1, 1, 1]) / 6)
    assert (sampler.pool, sampler.temperature, sampler.base.exclude) == (9, 2.0, "neighbors")


def test_a_row_without_candidates_is_masked():
    full = Graph.from_edge_index(torch.tensor([[0] * 7, list(range(1, 8))]), num_nodes=N)
    query = Query(torch.tensor([0, 2]), torch.tensor([1, 1]), 3, model=SCORES, stream=Stream(0))
    negatives = AdaSIR(Uniform(full), pool=4)(query)
    assert negatives.mask.tolist() == [[False] * 3, [True] * 3] and negatives.log_prob[0].tolist() == [0.0] * 3
    assert SCORES.matrix.grad is None


def test_refuses():
    base = Uniform(Graph.empty(N))
    with pytest.raises(ValueError, match="Hardest has density 'none'"):
        AdaSIR(Hardest(base))
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        AdaSIR(base, pool=0)
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        AdaSIR(base, temperature=0)

    class Silent(Sampler):
        density = "marginal"

        def sample(self, query):
            return base(query)._replace(log_prob=None)

    with pytest.raises(ValueError, match="Silent gave no log_prob"):
        AdaSIR(Silent())(Query(torch.tensor([0]), torch.tensor([1]), 2, model=SCORES))
