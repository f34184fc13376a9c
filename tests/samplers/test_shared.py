"""Shared: one set for the batch, exact densities for every pair, any base."""

import pytest
import torch

from graphns import Degree, Graph, Hardest, Mixture, Query, Stream, Uniform
from graphns.samplers.efficient.moco import MoCo
from graphns.samplers.efficient.shared import Shared
from tests.samplers.distribution import NUM_NODES, SEEDS, check_distribution, hub_graph, hub_query
from tests.samplers.toys import Scores

GRAPH = hub_graph()


@pytest.mark.parametrize("options", [{}, {"exclude": "self"}, {"power": 0.75}, {"power": 1.0, "exclude": "self"},
                                     {"replace": False}], ids=str)
def test_usable_slots_follow_the_density(options):
    if options.get("replace") is False:  # then k cannot exceed the candidates: the marginal is counted over batches
        sampler = Shared.from_graph(GRAPH, **options)
        counts = torch.zeros(NUM_NODES, NUM_NODES)
        query = hub_query(5)
        for step in range(1500):
            drawn = sampler(Query(query.anchor, query.positive, 5, stream=Stream(0, step)))
            assert len(drawn.ids[0].unique()) == 5
            ids = drawn.ids.expand(drawn.mask.shape)
            for row in range(NUM_NODES):
                counts[row] += torch.bincount(ids[row][drawn.mask[row]], minlength=NUM_NODES)
        expected = sampler.log_prob(query, torch.arange(NUM_NODES)[None])[:NUM_NODES].exp()
        some = counts.sum(1) > 1000
        torch.testing.assert_close((counts / counts.sum(1, keepdim=True))[some], expected[some], atol=0.04, rtol=0)
        return
    check_distribution(Shared.from_graph(GRAPH, **options), hub_query(), NUM_NODES, seeds=SEEDS, k=8000)


def test_the_density_is_the_bases_over_what_is_left():
    weights = torch.arange(NUM_NODES).double()
    sampler = Shared(Degree(Graph.empty((1, NUM_NODES)), weights=weights, exclude="self"), GRAPH)
    query = hub_query()
    log_prob = sampler.log_prob(query, torch.arange(NUM_NODES)[None]).exp()
    for b in range(query.batch_size):
        anchor, positive = int(query.anchor[b]), int(query.positive[b])
        left = weights.clone()
        left[[anchor, positive, *GRAPH.neighbors(anchor).tolist()]] = 0
        expected = left / left.sum() if left.sum() > 0 else left
        torch.testing.assert_close(log_prob[b].double(), expected, atol=1e-6, rtol=1e-5)


def test_all_pairs_share_the_ids_and_each_has_its_mask():
    sampler, query = Shared.from_graph(GRAPH), hub_query(50)
    negatives = sampler(query)
    assert negatives.ids.shape == (1, 50) and negatives.mask.shape == (query.batch_size, 50)
    banned = GRAPH.has_edge(query.anchor, negatives.ids) | (negatives.ids == query.positive[:, None])
    banned |= negatives.ids == query.anchor[:, None]
    assert torch.equal(negatives.mask, ~banned)
    alone = Shared(Uniform(Graph.empty((1, NUM_NODES)), exclude="self"), GRAPH)(query)
    assert torch.equal(alone.ids, negatives.ids)


def test_keyed_by_the_lowest_row_of_the_batch():
    sampler, query = Shared.from_graph(GRAPH), hub_query(9)
    turned = Query(query.anchor.flip(0), query.positive.flip(0), 9, stream=query.stream, row=query.row.flip(0))
    assert torch.equal(sampler(query).ids, sampler(turned).ids)
    later = Query(query.anchor, query.positive, 9, stream=query.stream, row=query.row + 100)
    assert not torch.equal(sampler(query).ids, sampler(later).ids)


def test_a_part_of_a_mixture_makes_its_density_none_since_it_thins():
    assert Mixture([Uniform(GRAPH), Shared.from_graph(GRAPH)]).density == "none"


def test_over_a_base_without_a_density():
    model = Scores(torch.arange(NUM_NODES).float().expand(NUM_NODES, NUM_NODES).clone())
    sampler = Shared(Hardest(Uniform(Graph.empty((1, NUM_NODES))), pool=30), GRAPH)
    query = Query(torch.tensor([2, 3]), torch.tensor([1, 0]), 2, model=model, stream=Stream(0))
    negatives = sampler(query)
    assert sampler.density == "none" and negatives.log_prob is None and int(negatives.ids.min()) > 8
    with pytest.raises(TypeError, match="density 'none'"):
        sampler.log_prob(query, negatives.ids)


def test_wide_batches_and_heavy_rows_in_chunks(monkeypatch):
    expected = Shared.from_graph(GRAPH).log_prob(hub_query(), torch.arange(NUM_NODES)[None])
    monkeypatch.setattr("graphns.samplers.efficient.shared._CHUNK", NUM_NODES)
    each = torch.arange(NUM_NODES).expand(hub_query().batch_size, NUM_NODES)
    torch.testing.assert_close(Shared.from_graph(GRAPH).log_prob(hub_query(), each), expected)


def test_refuses():
    with pytest.raises(ValueError, match="outside the 14 candidates"):
        Shared(Uniform(Graph.empty((1, 4000))), GRAPH)(hub_query(5))
    with pytest.raises(ValueError, match="MoCo draws pairs or vectors"):
        Shared(MoCo(Graph.empty((1, NUM_NODES))), GRAPH)(hub_query(5))
