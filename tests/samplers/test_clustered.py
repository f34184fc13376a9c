"""Clustered: its candidates by hand, its density by counting."""

import pytest
import torch

from graphns.base import InfeasibleError, Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.efficient.clustered import Clustered
from graphns.streams import Stream
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query

# cluster 3 holds one node, cluster 4 none, and members of a cluster are far apart
LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 5, 0, 1, 2, 3, 0])


def support(graph, query, within, exclude):
    loaded = torch.isin(LABELS, LABELS[query.anchor])
    want = loaded.expand(query.batch_size, -1) if within == "loaded" else LABELS[query.anchor][:, None] == LABELS
    want = want.clone()
    if exclude == "neighbors":
        known = torch.zeros(NUM_NODES, NUM_NODES, dtype=torch.bool)
        known[tuple(graph.edge_index)] = True
        want &= ~known[query.anchor]
    line = torch.arange(query.batch_size)
    want[line, query.anchor] = False
    want[line, query.positive] = False
    return want


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
@pytest.mark.parametrize("within", ["anchor", "loaded"])
def test_support_is_the_cluster_less_the_known(within, exclude):
    graph = hub_graph()
    sampler = Clustered(graph, LABELS, within=within, exclude=exclude)
    for part in (slice(None), slice(2, 4), slice(17, 29, 3)):
        whole = hub_query(k=30)
        query = Query(whole.anchor[part], whole.positive[part], k=30, stream=Stream(1))
        want = support(graph, query, within, exclude)
        log_prob = sampler.log_prob(query, torch.arange(NUM_NODES)[None])
        assert torch.equal(torch.isfinite(log_prob), want)
        drawn = sampler(query)
        assert torch.equal(drawn.mask[:, 0], want.any(1))
        assert bool(want.gather(1, drawn.ids)[drawn.mask].all())


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
@pytest.mark.parametrize("within", ["anchor", "loaded"])
def test_draws_are_uniform_over_the_cluster(within, exclude):
    query = hub_query()
    part = slice(2, None, 3)  # anchors of every kind, and for "loaded" not every cluster
    query = Query(query.anchor[part], query.positive[part], 1, stream=Stream(0), row=query.row[part])
    check_distribution(Clustered(hub_graph(), LABELS, within=within, exclude=exclude), query, NUM_NODES)


def test_one_cluster_is_uniform_over_all():
    from graphns.samplers.static.uniform import Uniform

    query, every = hub_query(), torch.arange(NUM_NODES)[None]
    want = Uniform(hub_graph()).log_prob(query, every)
    for within in ("anchor", "loaded"):
        sampler = Clustered(hub_graph(), torch.zeros(NUM_NODES, dtype=torch.int64), within=within)
        assert torch.equal(sampler.log_prob(query, every), want)


def test_draws_of_loaded_clusters_follow_the_row_id():
    query = hub_query(k=6)
    sampler = Clustered(hub_graph(), LABELS, within="anchor")
    whole = sampler(query)
    part = slice(5, 20)
    again = sampler(Query(query.anchor[part], query.positive[part], 6, stream=query.stream, row=query.row[part]))
    assert torch.equal(whole.ids[part], again.ids)


def test_singletons_are_masked():
    query = Query(torch.tensor([12, 8]), torch.tensor([0, 1]), k=3, stream=Stream(0))
    drawn = Clustered(hub_graph(), LABELS)(query)
    assert not drawn.mask.any() and not drawn.log_prob.any() and not drawn.ids.any()
    with pytest.raises(InfeasibleError, match="anchor 12 has 0 candidates"):
        Clustered(hub_graph(), LABELS, infeasible="raise")(query)
    # the two together load each other
    assert Clustered(hub_graph(), LABELS, within="loaded", exclude="self")(query).ids.tolist() == [[8] * 3, [12] * 3]


@pytest.mark.parametrize("within", ["anchor", "loaded"])
def test_bipartite_labels_are_a_pair(within):
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 1], [0, 3, 4]]), num_nodes=(3, 6))
    labels = (torch.tensor([0, 1, 0]), torch.tensor([0, 1, 0, 0, 1, 1]))
    query = Query(torch.tensor([0, 1]), torch.tensor([0, 4]), k=1, stream=Stream(0))
    sampler = Clustered(graph, labels, within=within)
    want = [[2], [1, 5]] if within == "anchor" else [[1, 2, 4, 5], [0, 1, 2, 3, 5]]
    got = torch.isfinite(sampler.log_prob(query, torch.arange(6)[None]))
    assert [row.nonzero().flatten().tolist() for row in got] == want
    check_distribution(sampler, query, 6)
    with pytest.raises(ValueError, match="clusters of a bipartite graph must be given"):
        Clustered(graph)
    one = Clustered.from_graph(graph, within=within)
    assert torch.isfinite(one.log_prob(query, torch.arange(6)[None])).sum(1).tolist() == [4, 5]


def test_clusters_are_found_where_none_are_given():
    # two cliques of 6 joined by one edge fall apart in two
    edges = [(a + s, b + s) for s in (0, 6) for a in range(6) for b in range(6) if a != b] + [(0, 6), (6, 0)]
    graph = Graph.from_edge_index(torch.tensor(edges).T)
    sampler = Clustered(graph, num_clusters=2, exclude="self")
    query = Query(torch.arange(12), (torch.arange(12) + 1) % 12, k=40, stream=Stream(0))
    assert bool(((sampler(query).ids < 6) == (query.anchor < 6)[:, None]).all())
    assert len(torch.unique(Clustered(graph).label)) <= 4


@pytest.mark.parametrize("labels", [torch.zeros(3, dtype=torch.int64), torch.zeros(NUM_NODES),
                                    torch.full((NUM_NODES,), -1)])
def test_wrong_labels_are_refused(labels):
    with pytest.raises(ValueError, match=r"need one cluster >= 0 per source, integers \[14\], got"):
        Clustered(hub_graph(), labels)


def test_an_edge_set_has_no_clusters():
    known = EdgeSet.from_pairs(torch.tensor([0, 5, 9]), torch.tensor([4, 2, 19]), num_candidates=20)
    with pytest.raises(ValueError, match="pass the Graph of its nodes"):
        Clustered.from_graph(known)
