"""The correction, from sampler to loss: every full-support proposal estimates the same sum over the candidates."""

import pytest
import torch

from graphns import (
    All,
    Degree,
    Filtered,
    GlobalEdges,
    Graph,
    Hardest,
    InBatch,
    Mixture,
    Query,
    Stream,
    Tempered,
    Uniform,
)
from graphns.objectives.correction import correction, require_density
from graphns.objectives.infonce import infonce
from graphns.objectives.sampled_softmax import sampled_softmax
from tests.samplers.toys import Scores, repeated

EDGES = torch.tensor([[0, 0, 0, 1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 2, 3, 2, 5, 2, 7, 0]])
GRAPH = Graph.from_edge_index(EDGES, num_nodes=8)
MODEL = Scores(torch.randn(8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))


def estimated_sums(sampler, query):
    """What each row's loss takes for the sum over its candidates: loss = log(1 + sum / e^{s+})."""
    negatives = sampler(query)
    positive = query.score(query.positive[:, None])[:, 0]
    rows = sampled_softmax(positive, query.score(negatives.ids), negatives.mask, reduction="none",
                           **correction(sampler, query, negatives))
    return (rows.exp() - 1) * positive.exp()


@pytest.mark.parametrize("sampler", [
    Uniform(GRAPH), Uniform(GRAPH, replace=False), Degree(GRAPH, smoothing=1.0), Mixture.from_graph(GRAPH),
    Filtered(Uniform(Graph.empty(8)), GRAPH), All(GRAPH),
], ids=["uniform", "distinct", "degree", "mixture", "filtered", "all"])
def test_it_estimates_the_sum_over_the_candidates(sampler):
    query = repeated(0, 1, 20_000, k=8, model=MODEL, stream=Stream(0))
    allowed = [i for i in range(8) if i not in (0, 1, 2, 3)]
    full = MODEL.matrix[0, allowed].detach().exp().sum().item()
    found = estimated_sums(sampler, query)
    error = float(found.std()) / len(found) ** 0.5
    assert abs(float(found.mean()) - full) <= 4 * error + 1e-5 * full
    assert error < 0.02 * full


def test_in_batch_both_are_corrected_with_unfiltered_popularity():
    at = torch.tensor([0, 4, 6, 9, 3])
    query = Query(*EDGES[:, at], 5, model=MODEL, stream=Stream(0))
    sampler = InBatch(GRAPH)
    negatives = sampler(query)
    positive, scores = query.score(query.positive[:, None])[:, 0], query.score(negatives.ids)
    got = infonce(positive, scores, negatives.mask, reduction="none", **correction(sampler, query, negatives))
    logits = scores - (GRAPH.in_degree.double() / GRAPH.num_edges).log()[query.positive]
    for b in range(5):
        others = logits[b][negatives.mask[b]]
        own = logits[b, b]
        expected = torch.cat([own[None], others]).logsumexp(0) - own
        torch.testing.assert_close(got[b], expected, rtol=1e-5, atol=1e-6)


def test_where_the_positive_is_excluded_it_stays():
    query = repeated(0, 1, 3, k=2, model=MODEL, stream=Stream(0))
    sampler = Uniform(GRAPH)
    given = correction(sampler, query, sampler(query))
    assert given["positive_log_prob"].tolist() == [-torch.inf] * 3


def test_only_a_marginal_density_corrects():
    query = repeated(0, 1, 2, k=2, model=MODEL, stream=Stream(0))
    for sampler, density in ((Hardest(Uniform(GRAPH)), "none"), (Tempered(Uniform(GRAPH)), "given-pool")):
        with pytest.raises(ValueError, match=f"density '{density}'; a correction needs 'marginal'"):
            correction(sampler, query, sampler(query))
    negatives = Uniform(GRAPH)(query)
    assert require_density(Uniform(GRAPH), negatives) is negatives.log_prob


def test_a_density_over_pairs_cannot_correct():
    sampler = GlobalEdges(GRAPH)
    negatives = sampler(Query(torch.tensor([0, 1]), torch.tensor([1, 2]), k=2, stream=Stream(0)))
    with pytest.raises(ValueError, match="density is over pairs"):
        require_density(sampler, negatives)
