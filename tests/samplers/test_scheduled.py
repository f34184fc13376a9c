"""Schedules: whose turn it is, and what is asked for from the first epoch on."""

import pytest
import torch

from graphns import Adversarial, Degree, Graph, Hardest, Query, Scheduled, Stream, Uniform
from graphns.base import Feedback
from tests.samplers.distribution import check_distribution, hub_graph, hub_query
from tests.samplers.toys import Scores

N = 10
GRAPH = Graph.empty(N)
MODEL = Scores(torch.randn(N, N, generator=torch.Generator().manual_seed(0)))


def query_of(epoch, **options):
    return Query(torch.arange(N), (torch.arange(N) + 1) % N, 3, model=MODEL, stream=Stream(4), epoch=epoch, **options)


def test_each_epoch_gives_its_parts_own_draws():
    parts = [Uniform(GRAPH), Hardest(Uniform(GRAPH), pool=8), Hardest(Uniform(GRAPH), pool=5, top=5)]
    sampler = Scheduled(list(zip((0, 3, 4), parts, strict=True)))
    for epoch, part in ((0, 0), (2, 0), (3, 1), (4, 2), (999, 2)):
        assert torch.equal(sampler(query_of(epoch)).ids, parts[part](query_of(epoch)).ids)


def test_the_density_is_that_of_the_epoch_where_all_are_marginal():
    sampler = Scheduled([(0, Uniform(hub_graph())), (1, Degree(hub_graph()))])
    assert sampler.density == "marginal"
    for epoch, part in enumerate(sampler.parts):
        query = Query(hub_query().anchor, hub_query().positive, 4, stream=Stream(0), epoch=epoch)
        every = torch.arange(hub_graph().num_dst)[None]
        assert torch.equal(sampler.log_prob(query, every), part.log_prob(query, every))
    check_distribution(sampler, query, hub_graph().num_dst, seeds=(0,), k=4000)


def test_else_it_is_the_weakest():
    adversary = Adversarial.from_graph(GRAPH)
    some = Scheduled([(0, Uniform(GRAPH)), (1, adversary)])
    assert some.density == "given-pool"
    assert some(query_of(1)).log_prob.requires_grad and not some(query_of(0)).log_prob.requires_grad
    none = Scheduled([(0, Uniform(GRAPH)), (1, Hardest(Uniform(GRAPH))), (2, adversary)])
    assert none.density == "none" and none(query_of(0)).log_prob is None
    with pytest.raises(TypeError, match="density 'none'"):
        none.log_prob(query_of(0), torch.tensor([[1]]))


def test_parts_observe_every_step():
    sampler = Scheduled([(0, Uniform(GRAPH)), (5, Adversarial.from_graph(GRAPH))])
    negatives = sampler(query_of(0))
    sampler.update(query_of(0), negatives, Feedback(negative_score=torch.ones(N, 3)))
    assert float(sampler.parts[1].baseline) == 1.0 and sampler.stateful


def test_from_graph_turns_hard_at_its_start():
    sampler = Scheduled.from_graph(GRAPH, exclude="self", start=4, pool=9)
    assert sampler.epochs == [0, 4] and sampler.parts[1].pool == 9 and sampler.parts[0].exclude == "self"
    assert sampler.active(3) is sampler.parts[0] and sampler.active(4) is sampler.parts[1]


def test_refuses():
    with pytest.raises(ValueError, match="must begin at epoch 0, got epochs \\[\\]"):
        Scheduled([])
    with pytest.raises(ValueError, match="must begin at epoch 0, got epochs \\[1\\]"):
        Scheduled([(1, Uniform(GRAPH))])
    with pytest.raises(ValueError, match="must rise, got \\[0, 3, 3\\]"):
        Scheduled([(0, Uniform(GRAPH)), (3, Uniform(GRAPH)), (3, Uniform(GRAPH))])
    with pytest.raises(ValueError, match="epoch must be at least 0, got -1"):
        Scheduled([(0, Uniform(GRAPH))])(query_of(-1))
    with pytest.raises(ValueError, match="model=model"):
        Scheduled.from_graph(GRAPH)(Query(torch.tensor([0]), torch.tensor([1]), 1))
