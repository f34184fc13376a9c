"""IRGAN: its density, its importance-corrected gradient against exact enumeration, its pool form and its limits."""

import pytest
import torch

from graphns import Graph, Query, Stream, Uniform
from graphns.base import Feedback
from graphns.graph.triples import Triples
from graphns.samplers.adversarial.adversary import Adversary
from graphns.samplers.adversarial.irgan import IRGAN
from graphns.samplers.adversarial.kbgan import KBGAN
from tests.samplers.distribution import check_distribution, hub_graph, hub_query
from tests.samplers.gradients import check_gradient
from tests.samplers.toys import Given, Scores, repeated

N = 6
SCORES = torch.tensor([2.0, -1.0, 0.5, 3.0, 0.0, -2.0])
MODEL = Scores(SCORES.repeat(2, 1))


def bipartite(**options):
    """Two users, six items; user 0 has the items 0 and 1."""
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 1], [0, 1, 5]]), (2, N))
    return IRGAN(graph, Adversary(2, N, dim=3), **options)


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_counts_follow_log_prob(exclude):
    graph = hub_graph()
    check_distribution(IRGAN.from_graph(graph, dim=4, temperature=0.5, exclude=exclude), hub_query(), graph.num_dst)


def test_the_density_is_the_softmax_without_the_positives():
    sampler = bipartite()
    logits = sampler.adversary.score(torch.tensor([0]), torch.arange(N)[None])[0].detach().double() / 0.2
    p = logits.softmax(0)
    expected = torch.where(torch.arange(N) < 2, 0.0, p / (1 - p[:2].sum()))
    query = repeated(0, 1, 1, k=1)
    torch.testing.assert_close(sampler.log_prob(query, torch.arange(N)[None])[0].double().exp(), expected,
                               rtol=1e-5, atol=1e-7)
    assert sampler.log_prob(query, torch.tensor([[-1, N]])).tolist() == [[-torch.inf, -torch.inf]]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.8])
def test_the_gradient_is_the_exact_one_within_its_standard_error_whatever_the_share(share):
    """Of the expected reward over all items under the softmax alone: the importance weights take the mixture out."""
    sampler = bipartite(share=share, temperature=1.0, draws=4)
    tables = (sampler.adversary.anchor_table, sampler.adversary.candidate_table)
    logits = sampler.adversary.score(torch.tensor([0]), torch.arange(N)[None])[0]
    exact = torch.autograd.grad(-(logits.softmax(0) * 2 * (SCORES.sigmoid() - 0.5)).sum(), tables)

    def step(number):
        return sampler.loss(None, None, repeated(0, 1, 20, k=1, model=MODEL, stream=Stream(0, number)))

    check_gradient(step, tables, exact)


def test_the_gradient_given_a_pool_is_over_the_pool_and_the_positive():
    sampler = bipartite(pool=3, temperature=1.0, draws=4)
    sampler.base = Given([2, 3, 4])
    tables = (sampler.adversary.anchor_table, sampler.adversary.candidate_table)
    ids = torch.tensor([[2, 3, 4, 1]])
    logits = sampler.adversary.score(torch.tensor([0]), ids)[0]
    exact = torch.autograd.grad(-(logits.softmax(0) * 2 * (SCORES[ids[0]].sigmoid() - 0.5)).sum(), tables)

    def step(number):
        return sampler.loss(None, None, repeated(0, 1, 20, k=1, model=MODEL, stream=Stream(0, number)))

    check_gradient(step, tables, exact)


def test_with_a_pool_it_draws_as_kbgan_does():
    graph = Graph.empty((4, 30))
    adversary = Adversary(4, 30, dim=8)
    one = IRGAN(graph, adversary, pool=10)
    other = KBGAN(Uniform(graph), adversary, pool=10, temperature=0.2)
    query = Query(torch.arange(4), torch.arange(4) + 5, 3, stream=Stream(0))
    first, second = one(query), other(query)
    assert torch.equal(first.ids, second.ids) and torch.equal(first.log_prob, second.log_prob)
    assert one.density == "given-pool"


def test_at_a_high_temperature_it_is_uniform():
    graph = hub_graph()
    sampler, query = IRGAN.from_graph(graph, temperature=1e8), hub_query()
    every = torch.arange(graph.num_dst)[None]
    torch.testing.assert_close(sampler.log_prob(query, every), Uniform(graph).log_prob(query, every))


def test_its_density_may_correct_and_carries_no_gradient():
    from graphns.objectives.correction import correction

    sampler, query = bipartite(), repeated(0, 1, 3, k=2, stream=Stream(0))
    negatives = sampler(query)
    assert sampler.density == "marginal" and not negatives.log_prob.requires_grad
    assert torch.isfinite(correction(sampler, query, negatives)["log_prob"]).all()


def test_blocks_change_nothing(monkeypatch):
    sampler = IRGAN.from_graph(hub_graph())
    query = Query(hub_query().anchor, hub_query().positive, 7, stream=Stream(1))
    whole, every = sampler(query), torch.arange(14)[None]
    density = sampler.log_prob(query, every)
    monkeypatch.setattr("graphns.samplers.adversarial.full_softmax._BLOCK", 30)
    again = sampler(query)
    assert torch.equal(whole.ids, again.ids) and torch.equal(whole.log_prob, again.log_prob)
    assert torch.equal(density, sampler.log_prob(query, every))


def test_it_learns_what_the_model_takes_for_relevant():
    generator = torch.Generator().manual_seed(0)
    model = Scores(2 * torch.randn(20, 30, generator=generator))
    sampler = IRGAN.from_graph(Graph.empty((20, 30)), dim=16, temperature=1.0, draws=4, seed=1)
    optimizer = torch.optim.Adam(sampler.parameters(), lr=0.05)
    anchor = torch.arange(20)
    means = []
    for number in range(100):
        query = Query(anchor, anchor, 4, model=model, stream=Stream(0, number))
        negatives = sampler(query)
        means.append(float(model.matrix.detach()[anchor[:, None], negatives.ids].mean()))
        optimizer.zero_grad()
        sampler.loss(negatives, Feedback(), query).backward()
        optimizer.step()
    assert sum(means[-10:]) / 10 > sum(means[:10]) / 10 + 0.8
    assert model.matrix.grad is None


def test_over_triples():
    facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [1, 0, 2], [2, 1, 3]]))
    sampler = IRGAN.from_graph(facts.known())
    anchor, positive = facts.questions(torch.tensor([False, True, True]))
    negatives = sampler(Query(anchor, positive, 8, stream=Stream(0)))
    assert negatives.mask.all() and not facts.known().has_edge(anchor, negatives.ids).any()


def test_a_pair_with_nothing_to_learn_from_gives_a_finite_loss():
    graph = Graph.from_edge_index(torch.tensor([[0], [0]]), num_nodes=1)
    query = Query(torch.tensor([0]), torch.tensor([0]), 1, model=Scores(torch.zeros(1, 1)), stream=Stream(0))
    sampler = IRGAN.from_graph(graph)
    loss = sampler.loss(None, None, query)
    loss.backward()
    assert loss.item() == 0 and torch.isfinite(sampler.adversary.anchor_table.grad).all()


def test_refuses():
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\), got 1"):
        bipartite(share=1)
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        bipartite(draws=0)
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        bipartite(temperature=0)
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        bipartite(pool=0)
    with pytest.raises(ValueError, match="model=model"):
        bipartite().loss(None, None, repeated(0, 1, 1, k=1))
    with pytest.raises(TypeError, match="given-pool"):
        bipartite(pool=2).log_prob(repeated(0, 1, 1, k=1), torch.tensor([[1]]))
