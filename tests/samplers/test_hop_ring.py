"""HopRing: its candidates against networkx, its density by counting."""

import networkx as nx
import pytest
import torch

from graphns.base import InfeasibleError, Query
from graphns.graph.graph import Graph
from graphns.samplers.static.hop_ring import HopRing
from graphns.streams import Stream
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query


def distances(graph):
    network = nx.DiGraph()
    network.add_nodes_from(range(graph.num_nodes))
    network.add_edges_from(graph.edge_index.T.tolist())
    table = torch.full((graph.num_nodes, graph.num_nodes), 10**6)
    for source, lengths in nx.all_pairs_shortest_path_length(network):
        for target, length in lengths.items():
            table[source, target] = length
    return table


@pytest.mark.parametrize("precompute", [False, True])
@pytest.mark.parametrize("exclude", ["neighbors", "self"])
@pytest.mark.parametrize(("mode", "low", "high"), [("only", 1, 1), ("only", 2, 2), ("only", 2, 3), ("exclude", 1, 2),
                                                  ("exclude", 2, 2), ("exclude", 2, 5)])
def test_support_is_the_ring(mode, low, high, exclude, precompute):
    graph, query = hub_graph(), hub_query()
    sampler = HopRing(graph, low, high, mode=mode, exclude=exclude, precompute=precompute)
    table = distances(graph)[query.anchor]
    want = (table >= low) & (table <= high)
    want = want if mode == "only" else ~want
    if exclude == "neighbors":
        known = torch.zeros(NUM_NODES, NUM_NODES, dtype=torch.bool)
        known[tuple(graph.edge_index)] = True
        want &= ~known[query.anchor]
    line = torch.arange(query.batch_size)
    want[line, query.anchor] = False
    want[line, query.positive] = False
    log_prob = sampler.log_prob(query, torch.arange(NUM_NODES)[None])
    assert torch.equal(torch.isfinite(log_prob), want)
    assert torch.equal(sampler(query).mask[:, 0], want.any(1))


@pytest.mark.parametrize(("mode", "options"), [
    ("only", {}), ("only", {"exclude": "self", "low": 1}), ("exclude", {"precompute": True})])
def test_draws_are_uniform_over_the_ring(mode, options):
    check_distribution(HopRing(hub_graph(), mode=mode, **{"low": 2, "high": 2} | options), hub_query(), NUM_NODES)


def test_rings_found_once_or_as_needed_give_the_same_draws():
    query = hub_query(k=50)
    for mode in ("only", "exclude"):
        one, two = (HopRing(hub_graph(), 1, 2, mode=mode, precompute=p, exclude="self")(query) for p in (True, False))
        assert torch.equal(one.ids, two.ids) and torch.equal(one.log_prob, two.log_prob)


def test_bipartite_rings_hold_candidates():
    # sources 0, 1 share candidate 1: candidate 2 is three steps from source 0
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 1, 1], [0, 1, 1, 2]]), num_nodes=(2, 4))
    query = Query(torch.tensor([0, 1]), torch.tensor([0, 1]), k=4, stream=Stream(0))
    assert HopRing(graph, 2, 3)(query).ids.tolist() == [[2] * 4, [0] * 4]
    assert HopRing(graph, 2, 3, mode="exclude")(query).ids.tolist() == [[3] * 4] * 2


def test_rings_without_candidates_are_masked(path):
    query = Query(torch.tensor([0, 5]), torch.tensor([1, 4]), k=2, stream=Stream(0))
    drawn = HopRing(path, 6, 9)(query)
    assert not drawn.mask.any() and not drawn.log_prob.any()
    with pytest.raises(InfeasibleError, match="anchor 0 has 0 candidates"):
        HopRing(path, 6, 9, infeasible="raise")(query)


@pytest.mark.parametrize(("low", "high"), [(0, 2), (3, 2)])
def test_distances_must_be_a_range(path, low, high):
    with pytest.raises(ValueError, match=f"need 1 <= low <= high, got low={low} and high={high}"):
        HopRing(path, low, high)
    with pytest.raises(ValueError, match="mode must be one of 'only', 'exclude', got 'both'"):
        HopRing(path, mode="both")
