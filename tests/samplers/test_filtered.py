"""The filter: what it masks, and the density it leaves."""

import pytest
import torch

from graphns import Degree, EdgeSet, Filtered, Graph, Hardest, Query, Stream, Uniform
from graphns.samplers.compose import filtered as module
from graphns.samplers.static.global_edges import GlobalEdges
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query
from tests.samplers.toys import Given, Scores

GRAPH = hub_graph()
EMPTY = Graph.empty(NUM_NODES)


@pytest.mark.parametrize("base", [lambda: Uniform(EMPTY), lambda: Degree(GRAPH, exclude="self", power=0.75)],
                         ids=["uniform", "degree"])
def test_usable_draws_follow_the_renormalised_density(base):
    check_distribution(Filtered(base(), GRAPH), hub_query(), NUM_NODES, seeds=(0, 1, 2), k=4000)


@pytest.mark.parametrize("chunk", [1, 1 << 22])
def test_over_uniform_it_is_the_exact_complement(chunk, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    query, every = hub_query(4), torch.arange(NUM_NODES)[None]
    sampler = Filtered.from_graph(GRAPH)
    torch.testing.assert_close(sampler.log_prob(query, every), Uniform(GRAPH).log_prob(query, every))
    negatives = sampler(query)
    base = Uniform(GRAPH, exclude="self")(query)
    assert torch.equal(negatives.ids, base.ids)
    known = GRAPH.has_edge(query.anchor, base.ids)
    assert torch.equal(negatives.mask, base.mask & ~known) and bool(known.any())
    again = sampler.log_prob(query, negatives.ids)
    torch.testing.assert_close(negatives.log_prob[negatives.mask], again[negatives.mask])


def test_keeps_its_digits_where_nearly_everything_is_known():
    """99,990 of 100,000 candidates known: 1 minus their float32 densities would be noise."""
    size = 100_000
    graph = Graph.from_edge_index(torch.stack([torch.zeros(size - 10, dtype=torch.int64), torch.arange(size - 10)]),
                                  num_nodes=(1, size))
    query = Query(torch.tensor([0]), torch.tensor([0]), 2, stream=Stream(0))
    log_prob = Filtered(Uniform(Graph.empty((1, size))), graph).log_prob(query, torch.tensor([[size - 1, 5]]))
    assert log_prob[0].exp().tolist() == pytest.approx([0.1, 0.0], rel=1e-6)


def test_positive_and_anchor_are_masked_whatever_the_base_does():
    query = Query(torch.tensor([0, 3]), torch.tensor([5, 5]), 4, stream=Stream(0))
    path = Graph.from_edge_index(torch.tensor([[0], [2]]), num_nodes=6)
    negatives = Filtered(Given([0, 2, 3, 5]), path)(query)
    assert negatives.mask.tolist() == [[False, False, True, False], [True, True, False, False]]
    items = Graph.from_edge_index(torch.tensor([[0], [2]]), num_nodes=(6, 6))
    assert Filtered(Given([0, 2, 3, 5]), items)(query).mask.tolist() == [[True, False, True, False],
                                                                         [True, True, True, False]]


def test_anchors_of_head_and_relation():
    train = EdgeSet.from_pairs(torch.tensor([[0, 0], [0, 0], [2, 1]]), torch.tensor([1, 2, 0]), num_candidates=6)
    more = EdgeSet.from_pairs(torch.tensor([[0, 0], [3, 1]]), torch.tensor([4, 4]), num_candidates=6)
    sampler = Filtered(Uniform(train), train | more)
    query = Query(torch.tensor([[0, 0], [3, 1], [5, 0]]), torch.tensor([1, 0, 3]), 8, stream=Stream(0))
    every = torch.arange(6)[None]
    torch.testing.assert_close(sampler.log_prob(query, every), Uniform(train | more).log_prob(query, every))
    check_distribution(sampler, query, 6, seeds=(0,), k=2000)


def test_inside_a_chooser_known_positives_are_never_chosen():
    scores = Scores(torch.arange(NUM_NODES).float().expand(NUM_NODES, NUM_NODES).clone())
    query = Query(hub_query().anchor, hub_query().positive, 3, model=scores, stream=Stream(0))
    negatives = Hardest(Filtered(Uniform(EMPTY), GRAPH), pool=30)(query)
    assert not (GRAPH.has_edge(query.anchor, negatives.ids) & negatives.mask).any()


def test_over_a_base_without_a_marginal_density_there_is_none():
    sampler = Filtered(Given([1, 2]), GRAPH)
    query = Query(torch.tensor([2]), torch.tensor([5]), 2)
    assert sampler.density == "none" and sampler(query).log_prob is None
    with pytest.raises(TypeError, match="density 'none'"):
        sampler.log_prob(query, torch.tensor([[1]]))


def test_with_self_nothing_is_left_to_mask():
    sampler, query = Filtered.from_graph(GRAPH, exclude="self"), hub_query(5)
    assert bool(sampler(query).mask.all())
    torch.testing.assert_close(sampler(query).log_prob, Uniform(GRAPH, exclude="self")(query).log_prob)


def test_refuses():
    with pytest.raises(ValueError, match="GlobalEdges draws pairs or vectors"):
        Filtered(GlobalEdges(EMPTY), GRAPH)(hub_query())
    with pytest.raises(ValueError, match="exclude must be one of"):
        Filtered.from_graph(GRAPH, exclude="none")
