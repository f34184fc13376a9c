"""Uniform: its density by counting, with and without replacement."""

import pytest
import torch

from graphns.base import InfeasibleError, Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.samplers.distribution import NUM_NODES, check_distribution, check_pairs, hub_graph, hub_query


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_draws_are_uniform_over_the_candidates(exclude):
    check_distribution(Uniform(hub_graph(), exclude=exclude), hub_query(), NUM_NODES)


def test_log_prob_is_the_number_of_candidates():
    log_prob = Uniform(hub_graph()).log_prob(hub_query(), torch.arange(NUM_NODES)[None])
    # by hand: 0 knows all others; 1 has 2 alone; 2 loses itself and its positive 5; 3 loses 0 and itself
    assert torch.isfinite(log_prob[:4]).sum(1).tolist() == [0, 1, 12, 12]
    assert log_prob[3, 5].exp().item() == pytest.approx(1 / 12)


def test_bipartite_candidates_may_share_the_anchors_number():
    graph = Graph.from_edge_index(torch.tensor([[0, 0], [1, 2]]), num_nodes=(2, 5))
    sampler = Uniform(graph)
    query = Query(torch.tensor([0, 1]), torch.tensor([1, 4]), k=1, stream=Stream(0))
    assert torch.isfinite(sampler.log_prob(query, torch.arange(5)[None])).tolist() == [
        [True, False, False, True, True], [True, True, True, True, False]]
    check_distribution(sampler, query, 5)


@pytest.mark.parametrize(("anchor", "positive", "k"), [(5, 1, 3), (4, 0, 4), (2, 2, 3), (5, 0, 16), (2, 3, 12)])
def test_pairs_without_replacement_are_uniform(anchor, positive, k):
    # rows of 5, 9, 13, 4 and 12 candidates; the last two are taken whole
    check_pairs(Uniform(hub_graph(), replace=False), anchor, positive, k, NUM_NODES,
                repeats=20_000 if k < 12 else 8_000)


def test_slots_without_replacement_have_the_marginal_density():
    sampler = Uniform(hub_graph(), replace=False)
    query = hub_query(k=NUM_NODES)
    drawn = sampler(query)
    every = torch.arange(NUM_NODES)[None]
    allowed = torch.isfinite(sampler.log_prob(query, every))
    assert drawn.mask.sum(1).tolist() == allowed.sum(1).tolist()
    for b in range(query.batch_size):
        assert sorted(drawn.ids[b][drawn.mask[b]].tolist()) == allowed[b].nonzero().flatten().tolist()
    again = sampler.log_prob(query, drawn.ids)
    assert torch.equal(drawn.log_prob[drawn.mask], again[drawn.mask])
    assert bool((drawn.log_prob[~drawn.mask] == 0).all())


def test_infeasible_rows_raise_when_asked():
    graph = hub_graph()
    full = Query(torch.tensor([3, 0]), torch.tensor([0, 1]), k=3, stream=Stream(0))
    assert Uniform(graph)(full).mask.tolist() == [[True] * 3, [False] * 3]
    with pytest.raises(InfeasibleError, match="anchor 0 has 0 candidates, 1 are needed; lower k"):
        Uniform(graph, infeasible="raise")(full)
    short = Query(torch.tensor([1]), torch.tensor([0]), k=2, stream=Stream(0))
    assert Uniform(graph, infeasible="raise")(short).mask.all()
    with pytest.raises(InfeasibleError, match="anchor 1 has 1 candidates, 2 are needed"):
        Uniform(graph, infeasible="raise", replace=False)(short)


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="exclude must be one of 'neighbors', 'self', got 'row'"):
        Uniform(hub_graph(), exclude="row")
    with pytest.raises(ValueError, match="infeasible must be one of 'mask', 'raise', got 'skip'"):
        Uniform(hub_graph(), infeasible="skip")


def test_known_positives_need_no_look_up():
    graph = hub_graph()
    source, target = graph.edge_index
    feasible = graph.degree[source] < NUM_NODES - 1
    query = Query(source[feasible], target[feasible], k=9, stream=Stream(3))
    checked, trusted = Uniform(graph)(query), Uniform(graph, positives="known")(query)
    assert torch.equal(checked.ids, trusted.ids) and torch.equal(checked.log_prob, trusted.log_prob)
    with pytest.raises(ValueError, match="needs exclude='neighbors'"):
        Uniform(graph, exclude="self", positives="known")


@pytest.mark.parametrize("replace", [True, False])
def test_an_edge_set_without_edges_excludes_the_positive_alone(replace):
    """It has no row, so there is no end of the first one to be read."""
    known = EdgeSet.from_pairs(torch.empty(0, 2, dtype=torch.int64), torch.empty(0, dtype=torch.int64), 6)
    query = Query(torch.tensor([[0, 1], [2, 2]]), torch.tensor([3, 4]), 2, stream=Stream(0))
    check_distribution(Uniform(known, replace=replace), query, 6)
    share = Uniform(known, replace=replace).log_prob(query, torch.arange(6)[None]).exp()
    assert share.tolist() == [pytest.approx([0.2] * 3 + [0, 0.2, 0.2]), pytest.approx([0.2] * 4 + [0, 0.2])]


def test_a_plain_graph_refuses_wide_anchors():
    query = Query(torch.tensor([[0, 1], [1, 0]]), torch.tensor([1, 2]), 3, stream=Stream(0))
    sampler = Uniform.from_graph(Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]]), num_nodes=4))
    with pytest.raises(ValueError, match=r"one id per anchor, got anchors \(2, 2\).*use EdgeSet"):
        sampler(query)
