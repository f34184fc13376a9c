"""Mixed negatives: what the batch gives, what is uniform, one density for both, and the two limits."""

import pytest
import torch

from graphns import Graph, InBatch, Mixture, Query, Stream, Uniform
from graphns.objectives.correction import correction
from graphns.objectives.infonce import infonce
from graphns.registry import find
from graphns.samplers.efficient.mixed import Mixed
from tests.samplers.distribution import ALPHA, SEEDS, chi_square

EDGES = torch.tensor([[0, 0, 1, 2, 3, 4, 5, 5], [3, 4, 3, 3, 4, 0, 3, 1]])
GRAPH = Graph.from_edge_index(EDGES, num_nodes=6)


def query_of(at, k, **options):
    anchor, positive = EDGES[:, at]
    return Query(anchor, positive, k, **{"stream": Stream(0), "row": torch.tensor(at)} | options)


def test_the_batch_first_then_uniform_ids_shared_by_all():
    query = query_of([0, 2, 5], 10)
    negatives = Mixed(GRAPH, share=0.3)(query)
    assert negatives.ids.shape == (1, 10) and negatives.ids[0, :3].tolist() == [3, 3, 0]
    banned = GRAPH.has_edge(query.anchor, negatives.ids) | (negatives.ids == query.anchor[:, None])
    assert torch.equal(negatives.mask, ~(banned | (negatives.ids == query.positive[:, None])))
    # a batch of less than its share gives all it has, the rest is uniform
    wide = Mixed(GRAPH, share=0.9)(query)
    assert wide.ids[0, :3].tolist() == [3, 3, 0] and bool(wide.mask.any())


def test_one_density_for_every_slot():
    query = query_of([0, 2, 5], 10)
    sampler = Mixed(GRAPH, share=0.3)
    popularity = torch.tensor([1.0, 1, 0, 4, 2, 0]) / 8
    expected = 0.3 * popularity + 0.7 / 6
    torch.testing.assert_close(sampler.log_prob(query, torch.arange(6)[None]).exp(), expected.expand(3, 6))
    negatives = sampler(query)
    torch.testing.assert_close(negatives.log_prob.exp(), expected[negatives.ids])


def test_limits_are_in_batch_and_uniform():
    query = query_of([0, 2, 5, 4], 3)
    only = Mixed(GRAPH, share=1.0)(query)
    batch = InBatch(GRAPH)(query)
    assert torch.equal(only.ids, batch.ids) and torch.equal(only.mask, batch.mask)
    torch.testing.assert_close(only.log_prob, batch.log_prob)
    none = Mixed(GRAPH, share=0.0)
    torch.testing.assert_close(none.log_prob(query, torch.arange(6)[None]), torch.full((4, 6), 1 / 6).log())


def test_the_density_is_that_of_the_mixture_of_unfiltered_parts():
    """For a pair whose exclusions have no popularity and no uniform mass: over a bipartite graph, positive apart."""
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 2], [0, 1, 1]]), num_nodes=(3, 50))
    query = Query(torch.tensor([0, 1]), torch.tensor([0, 1]), 2, stream=Stream(0))
    mixed = Mixed(graph).log_prob(query, torch.arange(2, 50)[None]).exp()
    mixture = Mixture([InBatch(graph), Uniform(graph)]).log_prob(query, torch.arange(2, 50)[None]).exp()
    torch.testing.assert_close(mixed, mixture * 49 / 50)


@pytest.mark.parametrize("seed", SEEDS)
def test_over_the_loaders_batches_slots_follow_the_density(seed):
    sampler = Mixed(GRAPH)
    generator = torch.Generator().manual_seed(seed)
    counts = torch.zeros(6, dtype=torch.int64)
    for step in range(800):
        at = torch.randint(EDGES.shape[1], (4,), generator=generator).tolist()
        counts += torch.bincount(sampler(query_of(at, 6, stream=Stream(seed, step))).ids[0], minlength=6)
    expected = sampler.log_prob(query_of([0, 1, 2, 3], 6), torch.arange(6)[None])[0].exp()
    # fixed shares vary less than free draws, never more: the test is on the safe side
    assert chi_square(counts, expected) > ALPHA / len(SEEDS)


def test_corrected_it_estimates_the_softmax_over_all_candidates():
    """Over many batches of a large loader, the mean of the corrected sums is the sum over the candidates."""
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 2, 3, 4], [0, 0, 0, 1, 2]]), num_nodes=(5, 6))
    score = torch.tensor([0.3, -1.0, 0.7, 1.2, -0.4, 0.1])
    sampler = Mixed(graph, exclude="self")
    generator = torch.Generator().manual_seed(0)
    total, steps = torch.zeros(6), 3000
    for step in range(steps):
        at = torch.randint(5, (8,), generator=generator)
        ids = sampler(Query(at, graph.edge_index[1][at], 8, stream=Stream(0, step))).ids
        q = sampler.log_prob(Query(at, graph.edge_index[1][at], 8, stream=Stream(0, step)), ids)[0].exp()
        total.index_add_(0, ids[0], score[ids[0]].exp() / (8 * q))
    torch.testing.assert_close(total / steps, score.exp(), atol=0.05, rtol=0.03)


def test_an_objective_corrects_positive_and_negatives_alike():
    query = query_of([0, 2, 5], 6)
    sampler = Mixed(GRAPH)
    negatives = sampler(query)
    given = correction(sampler, query, negatives)
    assert bool(torch.isfinite(given["positive_log_prob"]).all())
    infonce(torch.zeros(3), torch.zeros(3, 6), negatives.mask, **given)


def test_mns_leads_here():
    assert find("mns").name == "mixed"


def test_refuses():
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"share must be in \[0, 1\], got"):
            Mixed(GRAPH, share=share)
    with pytest.raises(ValueError, match="positives from 3 to 6"):
        Mixed(GRAPH)(Query(torch.tensor([0, 1]), torch.tensor([3, 6]), 4))
    with pytest.raises(ValueError, match="popularity must be one of"):
        Mixed(GRAPH, popularity="degree")
