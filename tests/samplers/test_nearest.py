"""Nearest: the exact list by a plain loop, its density by counting, Uniform as the limit, given and model's vectors."""

import pytest
import torch

import graphns.samplers.dynamic.nearest as module
from graphns import EdgeSet, Graph, Query, Stream, Uniform
from graphns.base import InfeasibleError
from graphns.samplers.dynamic.nearest import Nearest
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query

TABLE = torch.randn(NUM_NODES, 3, generator=torch.Generator().manual_seed(1)).double()


def similarity(metric, one, other):
    if metric == "euclidean":
        return -float((one - other).square().sum())
    product = float(one @ other)
    return product / float(one.norm() * other.norm()) if metric == "cosine" else product


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("center", ["positive", "anchor"])
def test_the_support_is_the_nearest_that_are_not_excluded(metric, center):
    graph, query = hub_graph(), hub_query()
    sampler = Nearest(graph, TABLE, top=3, metric=metric, center=center)
    log_prob = sampler.log_prob(query, torch.arange(NUM_NODES)[None])
    for b in range(query.batch_size):
        anchor, positive = int(query.anchor[b]), int(query.positive[b])
        banned = {anchor, positive, *graph.neighbors(anchor).tolist()}
        middle = TABLE[positive if center == "positive" else anchor]
        ranked = sorted(set(range(NUM_NODES)) - banned, key=lambda j, m=middle: -similarity(metric, m, TABLE[j]))
        support = log_prob[b].isfinite().nonzero().flatten().tolist()
        assert support == sorted(ranked[:3])
        assert log_prob[b, support].exp().tolist() == pytest.approx([1 / max(len(support), 1)] * len(support))


@pytest.mark.parametrize("options", [{"top": 4}, {"top": 1}, {"top": 5, "exclude": "self", "metric": "dot"}])
def test_counts_follow_the_density(options):
    check_distribution(Nearest(hub_graph(), TABLE, **options), hub_query(), NUM_NODES)


def test_with_every_candidate_it_is_uniform():
    graph, query = hub_graph(), hub_query(5)
    every = torch.arange(NUM_NODES)[None]
    ours = Nearest(graph, TABLE, top=10**6)
    torch.testing.assert_close(ours.log_prob(query, every), Uniform(graph).log_prob(query, every))
    assert torch.equal(ours(query).mask, Uniform(graph)(query).mask)


def test_the_models_vectors_as_they_stand():
    class Model:
        table = TABLE.clone().requires_grad_()

        def embed(self, ids, layers=False):
            return self.table[ids]

    given, asked = Nearest(Graph.empty(NUM_NODES), TABLE, top=4), Nearest(Graph.empty(NUM_NODES), top=4)
    assert asked.model_aware and not given.model_aware
    model = Model()
    query = Query(torch.arange(5), torch.arange(5) + 1, 6, model=model, stream=Stream(0))
    assert torch.equal(given(query).ids, asked(query).ids)
    model.table = -TABLE.flip(0)
    assert not torch.equal(given(query).ids, asked(query).ids)
    with pytest.raises(ValueError, match="model=model"):
        asked(Query(torch.arange(5), torch.arange(5) + 1, 6))
    assert "embeddings" not in given.state_dict()


def test_blocks_change_nothing(monkeypatch):
    query = hub_query(4)
    whole = Nearest(hub_graph(), TABLE, top=3)(query)
    monkeypatch.setattr(module, "_BLOCK", 3 * NUM_NODES)
    cut = Nearest(hub_graph(), TABLE, top=3)(query)
    assert torch.equal(whole.ids, cut.ids) and torch.equal(whole.mask, cut.mask)


def test_triples_take_the_near_misses_of_the_tail():
    known = EdgeSet.from_pairs(torch.tensor([[0, 0], [0, 0], [1, 0]]), torch.tensor([5, 6, 7]), num_candidates=20)
    line = torch.arange(20.0)[:, None]
    query = Query(torch.tensor([[0, 0], [1, 0]]), torch.tensor([5, 7]), 50, stream=Stream(0))
    drawn = Nearest(known, line, top=2, metric="euclidean")(query)
    assert [row.unique().tolist() for row in drawn.ids] == [[3, 4], [6, 8]]
    with pytest.raises(ValueError, match="anchors of a bipartite graph are no candidates"):
        Nearest(known, line, center="anchor")


def test_refuses():
    graph = Graph.empty(4)
    with pytest.raises(ValueError, match="top must be at least 1, got 0"):
        Nearest(graph, top=0)
    with pytest.raises(ValueError, match="metric must be one of 'cosine', 'dot', 'euclidean', got 'l1'"):
        Nearest(graph, metric="l1")
    with pytest.raises(ValueError, match=r"need one vector per candidate \[4, d\], got \(3, 2\)"):
        Nearest(graph, torch.zeros(3, 2))
    with pytest.raises(ValueError, match="embeddings hold NaN or infinity"):
        Nearest(graph, torch.full((4, 2), torch.nan))
    full = Graph.from_edge_index(torch.tensor([[0, 0, 0], [1, 2, 3]]), num_nodes=4)
    query = Query(torch.tensor([0]), torch.tensor([1]), 2, stream=Stream(0))
    assert not Nearest(full, torch.ones(4, 2))(query).mask.any()
    with pytest.raises(InfeasibleError, match="has 0 candidates, 1 are needed"):
        Nearest(full, torch.ones(4, 2), infeasible="raise")(query)


def test_from_graph_passes_its_options_on():
    sampler = Nearest.from_graph(Graph.empty(4), exclude="self", top=2, center="anchor", metric="dot",
                                 embeddings=torch.ones(4, 2), infeasible="raise")
    assert (sampler.top, sampler.center, sampler.metric, sampler.exclude) == (2, "anchor", "dot", "self")
    assert sampler.infeasible == "raise" and not sampler.model_aware
