"""HopRing: its candidates against networkx, its density by counting."""

import networkx as nx
import pytest
import torch

from graphns.base import InfeasibleError, Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.static.hop_ring import HopRing
from graphns.streams import Stream
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query
from tests.samplers.knowledge import NUM_ENTITIES, facts, question


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


@pytest.mark.parametrize("precompute", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_in_a_knowledge_graph_it_is_sans(k, precompute):
    """SANS: rows of (A^(k-1) A + A^(k-1)) > 0, relations left aside, less the answers of (entity, relation)."""
    data, query, known = facts(), question(), facts().known()
    graph = data.entity_graph()
    matrix = torch.zeros(NUM_ENTITIES, NUM_ENTITIES, dtype=torch.int64)
    matrix[tuple(graph.edge_index)] = 1
    before = torch.linalg.matrix_power(matrix, k - 1)
    near = (before @ matrix + before) > 0
    near.fill_diagonal_(False)  # the entity itself is at no distance
    for exclude in ("neighbors", "self"):
        want = near[query.anchor[:, 0]].clone()
        want[torch.arange(query.batch_size), query.positive] = False
        for b, anchor in enumerate(query.anchor):
            row = int(known.rows(anchor[None]))
            if exclude == "neighbors" and row >= 0:
                want[b, known.neighbors(row).long()] = False
        sampler = HopRing(graph, 1, k, known=known, exclude=exclude, precompute=precompute)
        assert torch.equal(sampler.log_prob(query, torch.arange(NUM_ENTITIES)[None]).isfinite(), want)
        assert torch.equal(sampler(query).mask[:, 0], want.any(1))


@pytest.mark.parametrize("options", [{}, {"mode": "exclude"}, {"precompute": True}])
def test_draws_for_entity_and_relation_follow_the_density(options):
    sampler = HopRing(facts().entity_graph(), 1, 2, known=facts().known(), **options)
    check_distribution(sampler, question(), NUM_ENTITIES)


def test_the_two_modes_of_a_knowledge_graph_part_what_is_not_known():
    graph, known, query = facts().entity_graph(), facts().known(), question()
    every = torch.arange(NUM_ENTITIES)[None]
    near, far = (HopRing(graph, 1, 2, known=known, mode=mode).log_prob(query, every).isfinite()
                 for mode in ("only", "exclude"))
    free = ~known.has_edge(query.anchor, every.expand(query.batch_size, -1))
    free[torch.arange(query.batch_size), query.positive] = False
    assert not (near & far).any() and torch.equal(near | far, free)


@pytest.mark.parametrize("precompute", [False, True])
def test_nothing_known_leaves_the_positive_out_alone(path, precompute):
    known = EdgeSet.from_pairs(torch.empty(0, 2, dtype=torch.int64), torch.empty(0, dtype=torch.int64), 6)
    query = Query(torch.tensor([[2, 0], [2, 1]]), torch.tensor([3, 4]), k=1, stream=Stream(0))
    support = HopRing(path, 1, 2, known=known, precompute=precompute).log_prob(query, torch.arange(6)[None]).isfinite()
    assert [row.nonzero()[:, 0].tolist() for row in support] == [[0, 1, 4], [0, 1, 3]]


def test_what_is_known_must_fit(path):
    known = EdgeSet.from_pairs(torch.tensor([[0, 0]]), torch.tensor([1]), 6)
    with pytest.raises(ValueError, match="an EdgeSet has no distances; pass the Graph of its nodes"):
        HopRing(known)
    with pytest.raises(ValueError, match="rings hold ids below 6, the known positives ids below 9"):
        HopRing(path, known=EdgeSet.from_pairs(torch.tensor([[0, 0]]), torch.tensor([1]), 9))
    with pytest.raises(ValueError, match="with known what is outside them is asked for"):
        HopRing(path, known=known, mode="exclude", precompute=True)
    with pytest.raises(ValueError, match=r"anchor 6 is no node of the graph, outside \[0, 6\)"):
        HopRing(path, known=known)(Query(torch.tensor([[6, 0]]), torch.tensor([1]), 1))
    with pytest.raises(ValueError, match=r"anchor 7 is no node of the graph, outside \[0, 6\)"):
        HopRing(path, known=EdgeSet.from_pairs(torch.tensor([[7, 0]]), torch.tensor([1]), 6), precompute=True)
