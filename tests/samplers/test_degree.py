"""Degree: its weights, and its density by counting."""

import pytest
import torch

from graphns.base import InfeasibleError, Query
from graphns.graph.graph import Graph
from graphns.samplers.static.degree import Degree
from graphns.streams import Stream
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query


@pytest.mark.parametrize("options", [{}, {"exclude": "self"}, {"power": 1.5, "smoothing": 0.5}, {"power": 0}])
def test_draws_follow_the_powers_of_degrees(options):
    check_distribution(Degree(hub_graph(), **options), hub_query(), NUM_NODES)


def test_draws_follow_given_weights_with_zeros_and_giants():
    weights = torch.tensor([0, 0, 5.0, 1, 0, 1e9, 2, 0, 1e-3, 1e-300, 4, 8, 0, 16])
    check_distribution(Degree(hub_graph(), weights=weights), hub_query(), NUM_NODES)


def test_log_prob_is_the_share_of_the_weight_left():
    graph = hub_graph()
    sampler = Degree(graph, power=0.75)
    query = Query(torch.tensor([3]), torch.tensor([1]), k=1, stream=Stream(0))
    weight = graph.in_degree.double() ** 0.75
    weight[[3, 1, 0]] = 0
    got = sampler.log_prob(query, torch.arange(NUM_NODES)[None])[0].double().exp()
    assert torch.allclose(got, weight / weight.sum(), atol=1e-6)
    assert torch.equal(got == 0, weight == 0)


def test_isolated_candidates_need_smoothing():
    graph = Graph.from_edge_index(torch.tensor([[0, 1], [1, 0]]), num_nodes=4)
    query = Query(torch.tensor([0]), torch.tensor([1]), k=5, stream=Stream(0))
    assert not Degree(graph)(query).mask.any()
    assert Degree(graph, smoothing=1.0)(query).mask.all()
    assert not Degree(Graph.empty(4))(query).mask.any()
    with pytest.raises(InfeasibleError, match="anchor 0 has 0 candidates"):
        Degree(graph, infeasible="raise")(query)


def test_negative_powers_need_smoothing():
    graph = Graph.from_edge_index(torch.tensor([[0, 1], [1, 0]]), num_nodes=4)
    with pytest.raises(ValueError, match=r"power=-1\.0 gives candidates of low degree no finite weight"):
        Degree(graph, power=-1.0)
    log_prob = Degree(graph, power=-1.0, smoothing=1.0).log_prob(
        Query(torch.tensor([2]), torch.tensor([0]), k=1, stream=Stream(0)), torch.arange(4)[None])
    assert log_prob.exp().tolist()[0] == pytest.approx([0, 1 / 3, 0, 2 / 3])


def test_bipartite_in_degrees():
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 1, 1, 1], [1, 2, 2, 3, 0]]), num_nodes=(3, 5))
    query = Query(torch.arange(3), torch.tensor([1, 2, 2]), k=1, stream=Stream(0))
    sampler = Degree(graph, power=1.0)
    shares = sampler.log_prob(query, torch.arange(5)[None]).exp()[2]
    assert shares.tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3, 0])
    check_distribution(sampler, query, 5)


@pytest.mark.parametrize(("options", "message"), [
    ({"smoothing": -1.0}, "smoothing must be at least 0, got -1.0"),
    ({"weights": torch.ones(3)}, r"need one weight per candidate \[14\], got \(3,\)"),
    ({"weights": torch.full((14,), float("nan"))}, "weight nan of candidate 0 is not a finite number"),
    ({"exclude": "all"}, "exclude must be one of"), ({"infeasible": "x"}, "infeasible must be one of"),
])
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Degree(hub_graph(), **options)
