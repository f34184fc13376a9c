"""Degree: its weights, and its density by counting."""

import pytest
import torch

from graphns.base import InfeasibleError, Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.static.degree import Degree
from graphns.streams import Stream
from tests.samplers.distribution import ALPHA, NUM_NODES, SEEDS, check_distribution, chi_square, hub_graph, hub_query


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


def test_known_positives_change_no_draw():
    graph = hub_graph()
    query = Query(*graph.edge_index, k=9, stream=Stream(4))
    checked, promised = Degree(graph)(query), Degree(graph, positives="known")(query)
    assert torch.equal(checked.ids, promised.ids) and torch.equal(checked.log_prob, promised.log_prob)
    with pytest.raises(ValueError, match="positives='known' leaves them to the anchor's row"):
        Degree(graph, positives="known", exclude="self")


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


def test_pairs_without_replacement_follow_the_weights_left():
    weights = torch.arange(NUM_NODES, dtype=torch.float64)
    sampler = Degree(hub_graph(), weights=weights, replace=False)
    repeats, anchor, positive = 40_000, 5, 0
    query = Query(torch.full((repeats,), anchor), torch.full((repeats,), positive), k=3, stream=Stream(0))
    left = torch.tensor([2, 3, 4, 12, 13])  # the row holds 1 and 6 to 11, node 0 has no weight and is the positive
    share = weights[left] / weights[left].sum()
    rest = weights[left][None] / (weights[left].sum() - weights[left])[:, None]
    off = ~torch.eye(5, dtype=torch.bool)
    first = (share[:, None] * rest)[off]
    three = (share[:, None] * rest)[:, :, None] * weights[left] / (
        weights[left].sum() - weights[left][:, None, None] - weights[left][None, :, None])
    distinct = off[:, :, None] & off[:, None, :] & off[None]
    second_and_third = torch.where(distinct, three, 0).sum(0)[off]
    for seed in SEEDS:
        drawn = sampler(Query(query.anchor, query.positive, 3, stream=Stream(seed)))
        assert drawn.mask.all() and drawn.log_prob is None
        for (a, b), want in (((0, 1), first), ((1, 2), second_and_third)):
            counts = torch.bincount(drawn.ids[:, a] * NUM_NODES + drawn.ids[:, b], minlength=NUM_NODES**2)
            counts = counts.view(NUM_NODES, NUM_NODES)[left][:, left]
            assert int(counts.sum()) == repeats
            assert chi_square(counts[off], want) > ALPHA / (2 * len(SEEDS))


def test_without_replacement_a_short_row_gives_all_it_has():
    graph, query = hub_graph(), hub_query(k=NUM_NODES)
    sampler = Degree(graph, replace=False)
    allowed = torch.isfinite(Degree(graph).log_prob(query, torch.arange(NUM_NODES)[None]))
    drawn = sampler(query)
    assert drawn.mask.sum(1).tolist() == allowed.sum(1).tolist()
    for b in range(query.batch_size):
        assert sorted(drawn.ids[b][drawn.mask[b]].tolist()) == allowed[b].nonzero().flatten().tolist()
    assert sampler.density == "none"
    with pytest.raises(TypeError, match="Degree has density 'none'"):
        sampler.log_prob(query, drawn.ids)
    with pytest.raises(InfeasibleError, match="anchor 0 has 0 candidates, 14 are needed"):
        Degree(graph, replace=False, infeasible="raise")(query)


def test_an_edge_set_without_edges_excludes_the_positive_alone():
    known = EdgeSet.from_pairs(torch.empty(0, 2, dtype=torch.int64), torch.empty(0, dtype=torch.int64), 4)
    query = Query(torch.tensor([[0, 1], [2, 2]]), torch.tensor([3, 0]), 2, stream=Stream(0))
    sampler = Degree(known, weights=torch.tensor([1.0, 2.0, 3.0, 4.0]))
    check_distribution(sampler, query, 4)
    share = sampler.log_prob(query, torch.arange(4)[None]).exp()
    assert share[0].tolist() == pytest.approx([1 / 6, 1 / 3, 1 / 2, 0])
    assert share[1].tolist() == pytest.approx([0, 2 / 9, 1 / 3, 4 / 9])
    assert not Degree(known)(query).mask.any()  # no candidate has a degree


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


def test_a_plain_graph_refuses_wide_anchors():
    query = Query(torch.tensor([[0, 1], [1, 0]]), torch.tensor([1, 2]), 3, stream=Stream(0))
    sampler = Degree.from_graph(Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]]), num_nodes=4))
    with pytest.raises(ValueError, match=r"one id per anchor, got anchors \(2, 2\).*use EdgeSet"):
        sampler(query)
