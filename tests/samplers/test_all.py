"""Every candidate: the mask by a plain loop, and the density that makes a correction nothing."""

import pytest
import torch

from graphns import All, Graph, Query, Stream, Uniform
from graphns.objectives.correction import correction
from graphns.objectives.infonce import infonce
from tests.samplers.distribution import hub_graph, hub_query


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
@pytest.mark.parametrize("bipartite", [False, True])
def test_mask_and_density_by_a_plain_loop(exclude, bipartite):
    graph, query = hub_graph(), hub_query()
    if bipartite:
        graph = Graph.from_edge_index(graph.edge_index, (graph.num_src, graph.num_dst))
    sampler = All.from_graph(graph, exclude=exclude)
    negatives = sampler(query)
    assert torch.equal(negatives.ids, torch.arange(graph.num_dst)[None])
    for b, (u, positive) in enumerate(zip(query.anchor.tolist(), query.positive.tolist(), strict=True)):
        out = {positive} | (set() if bipartite else {u})
        if exclude == "neighbors":
            out |= set(graph.neighbors(u).tolist())
        allowed = [i not in out for i in range(graph.num_dst)]
        assert negatives.mask[b].tolist() == allowed
        if any(allowed):
            assert negatives.log_prob[b].exp().tolist() == pytest.approx([1 / sum(allowed)] * graph.num_dst)
        else:
            assert negatives.log_prob[b].tolist() == [0.0] * graph.num_dst
    expected = Uniform(graph, exclude=exclude).log_prob(query, negatives.ids)
    assert torch.equal(sampler.log_prob(query, negatives.ids), expected)
    torch.testing.assert_close(torch.where(negatives.mask, negatives.log_prob, -torch.inf), expected)


def test_corrected_it_is_what_it_is_uncorrected():
    graph, query = hub_graph(), hub_query()
    sampler = All(graph)
    negatives = sampler(query)
    scores = torch.randn(query.batch_size, graph.num_dst, generator=torch.Generator().manual_seed(0))
    positive = scores.gather(1, query.positive[:, None])[:, 0]
    torch.testing.assert_close(infonce(positive, scores, negatives.mask, **correction(sampler, query, negatives)),
                               infonce(positive, scores, negatives.mask))


def test_nothing_is_random_and_k_does_not_matter():
    first, second = (All(hub_graph())(Query(torch.tensor([5]), torch.tensor([1]), k, stream=Stream(k))) for k in (1, 9))
    assert torch.equal(first.ids, second.ids) and torch.equal(first.mask, second.mask)


def test_refuses_a_wrong_choice():
    with pytest.raises(ValueError, match="exclude must be one of 'neighbors', 'self', got 'all'"):
        All(hub_graph(), exclude="all")
