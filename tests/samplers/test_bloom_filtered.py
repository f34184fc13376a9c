"""The Bloom filter around a sampler: no known positive is kept, and true negatives are lost at the filter's rate."""

import pytest
import torch
from scipy.stats import binomtest

from graphns import EdgeSet, Filtered, Graph, Hardest, Query, Stream, Uniform
from graphns.graph.bloom import BloomFilter
from graphns.samplers.compose.bloom_filtered import BloomFiltered
from graphns.samplers.static.global_edges import GlobalEdges
from tests.samplers.distribution import NUM_NODES, hub_graph, hub_query
from tests.samplers.toys import Given, Scores

GRAPH = hub_graph()
EMPTY = Graph.empty(NUM_NODES)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("rate", [0.1, 0.01])
def test_loses_true_negatives_at_the_rate_and_keeps_no_known_positive(seed, rate):
    size, degree = 2000, 40
    source = torch.arange(size).repeat_interleave(degree)
    graph = Graph.from_edge_index(torch.stack([source, Stream(seed).words(source, 1)[:, 0] % size]), num_nodes=size)
    known = BloomFilter.from_graph(graph, rate, seed=seed)
    query = Query(torch.arange(size), (torch.arange(size) + 1) % size, 50, stream=Stream(seed))
    base = Uniform(graph, exclude="self")
    ours, exact = BloomFiltered(base, known)(query), Filtered(base, graph)(query)
    assert torch.equal(ours.ids, exact.ids)
    assert not (ours.mask & ~exact.mask).any(), "a known positive was kept"
    # each pair counted once: the filter always errs on the same ones
    pair = torch.unique((query.anchor[:, None] * size + ours.ids)[exact.mask])
    lost = int(known.has_edge(pair // size, pair % size).sum())
    assert lost == len(torch.unique((query.anchor[:, None] * size + ours.ids)[exact.mask & ~ours.mask]))
    assert binomtest(lost, len(pair), known.rate).pvalue > 0.01 / 6


def test_a_rate_towards_0_is_the_exact_filter():
    query = hub_query(40)
    ours, exact = BloomFiltered.from_graph(GRAPH, rate=1e-9)(query), Filtered.from_graph(GRAPH)(query)
    assert torch.equal(ours.ids, exact.ids) and torch.equal(ours.mask, exact.mask)
    assert ours.log_prob is None


def test_positive_and_anchor_are_masked_whatever_the_base_does():
    query = Query(torch.tensor([0, 3]), torch.tensor([5, 5]), 4, stream=Stream(0))
    path = Graph.from_edge_index(torch.tensor([[0], [2]]), num_nodes=6)
    known = BloomFilter.from_graph(path, 1e-6)
    negatives = BloomFiltered(Given([0, 2, 3, 5]), known)(query)
    assert negatives.mask.tolist() == [[False, False, True, False], [True, True, False, False]]
    items = BloomFilter.from_graph(Graph.from_edge_index(torch.tensor([[0], [2]]), num_nodes=(6, 6)), 1e-6)
    assert BloomFiltered(Given([0, 2, 3, 5]), items)(query).mask.tolist() == [[True, False, True, False],
                                                                              [True, True, True, False]]


def test_anchors_of_head_and_relation():
    train = EdgeSet.from_pairs(torch.tensor([[0, 0], [0, 0], [2, 1]]), torch.tensor([1, 2, 0]), num_candidates=6)
    sampler = BloomFiltered(Given([0, 1, 2, 3]), BloomFilter.from_graph(train, 1e-6))
    query = Query(torch.tensor([[0, 0], [2, 1], [2, 0]]), torch.tensor([1, 5, 5]), 4, stream=Stream(0))
    assert sampler(query).mask.tolist() == [[True, False, False, True], [False, True, True, True], [True] * 4]


def test_inside_a_chooser_known_positives_are_never_chosen():
    scores = Scores(torch.arange(NUM_NODES).float().expand(NUM_NODES, NUM_NODES).clone())
    query = Query(hub_query().anchor, hub_query().positive, 3, model=scores, stream=Stream(0))
    negatives = Hardest(BloomFiltered(Uniform(EMPTY), BloomFilter.from_graph(GRAPH)), pool=30)(query)
    assert not (GRAPH.has_edge(query.anchor, negatives.ids) & negatives.mask).any()


def test_has_no_density_and_says_so():
    sampler = BloomFiltered.from_graph(GRAPH)
    assert sampler.density == "none"
    with pytest.raises(TypeError, match="density 'none'"):
        sampler.log_prob(hub_query(), torch.tensor([[1]]))


def test_with_self_nothing_is_left_to_mask():
    query = hub_query(5)
    assert bool(BloomFiltered.from_graph(GRAPH, exclude="self")(query).mask.all())


def test_refuses():
    with pytest.raises(ValueError, match="GlobalEdges draws pairs or vectors"):
        BloomFiltered(GlobalEdges(EMPTY), BloomFilter.from_graph(GRAPH))(hub_query())
    with pytest.raises(ValueError, match="exclude must be one of"):
        BloomFiltered.from_graph(GRAPH, exclude="none")
    with pytest.raises(ValueError, match=r"rate must be in \(0, 1\), got 2"):
        BloomFiltered.from_graph(GRAPH, rate=2)
