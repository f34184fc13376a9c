"""Mixtures: one density over the parts, rows where a part cannot draw, parts of another width."""

import pytest
import torch

from graphns import All, Degree, Filtered, Graph, Hardest, InBatch, Mixture, Query, Stream, Uniform
from graphns.samplers.static.global_edges import GlobalEdges
from tests.samplers.distribution import ALPHA, NUM_NODES, SEEDS, check_distribution, chi_square, hub_graph, hub_query
from tests.samplers.toys import repeated

GRAPH = hub_graph()
PATH = Graph.from_edge_index(torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]]), num_nodes=NUM_NODES)


@pytest.mark.parametrize("parts", [
    lambda: Mixture.from_graph(GRAPH),
    lambda: Mixture.from_graph(GRAPH, exclude="self", weights=(1, 3)),
    lambda: Mixture([Uniform(GRAPH), Uniform(PATH), Uniform(GRAPH, exclude="self")], [0.2, 0.5, 0.3]),
    lambda: Mixture([All(GRAPH), Uniform(PATH)]),  # a part of another width, and rows where it has nothing
    lambda: Mixture([Mixture([Uniform(GRAPH), Degree(PATH)]), Degree(GRAPH, power=1.0)], [5, 2]),
    lambda: Filtered(Mixture([Uniform(Graph.empty(NUM_NODES)), Degree(PATH, exclude="self")]), GRAPH),
], ids=["uniform-degree", "self", "three", "all", "nested", "filtered-outside"])
def test_draws_follow_the_density(parts):
    check_distribution(parts(), hub_query(), NUM_NODES, seeds=(0,), k=4000)


def test_draws_follow_the_density_at_every_seed():
    check_distribution(Mixture.from_graph(GRAPH), hub_query(), NUM_NODES, seeds=SEEDS, k=8000)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_short_rows_and_few_slots_too(k):
    """Each pair many times over with k slots, so that a part of another width, or without replacement, shows."""
    sampler = Mixture([All(GRAPH), Uniform(PATH, replace=False), Uniform(GRAPH)], [1, 1, 2])
    for anchor, positive in ((0, 1), (3, 0), (8, 1)):
        query = repeated(anchor, positive, 4000, k=k, stream=Stream(0))
        negatives = sampler(query)
        assert bool(negatives.mask.all())
        counts = torch.bincount(negatives.ids.flatten(), minlength=NUM_NODES)
        one = repeated(anchor, positive, 1, k=k, stream=Stream(0))
        expected = sampler.log_prob(one, torch.arange(NUM_NODES)[None])[0].exp()
        inside = expected > 0
        assert int(counts[~inside].sum()) == 0
        if k == 1:  # slots of a row are not independent without replacement
            assert chi_square(counts[inside], expected[inside] / expected.sum()) > ALPHA / 3
        torch.testing.assert_close(counts / counts.sum(), expected, atol=0.025, rtol=0)


def test_slots_take_their_part_by_weight_and_keep_it_in_any_batch():
    low, high = Graph.empty(4), Graph.empty(400)
    sampler = Mixture([Uniform(low), Uniform(high)], [3, 1])
    query = repeated(0, 1, 20_000, k=2, stream=Stream(0))
    ids = sampler(query).ids
    share = (ids < 4).double().mean().item()
    assert share == pytest.approx(0.75 + 0.25 * 2 / 398, abs=0.01)
    part = Query(query.anchor[7:9], query.positive[7:9], 2, stream=Stream(0), row=query.row[7:9])
    assert torch.equal(sampler(part).ids, ids[7:9])


def test_mixed_negative_sampling_is_the_batch_and_uniform():
    edges = PATH.edge_index
    sampler = Mixture([InBatch(PATH), Uniform(PATH, exclude="self")])
    query = Query(edges[0], edges[1], 3, stream=Stream(0))
    log_prob = sampler.log_prob(query, torch.arange(NUM_NODES)[None]).exp()
    popularity = torch.where((torch.arange(NUM_NODES) > 0) & (torch.arange(NUM_NODES) < 5), 0.25, 0.0)
    uniform = torch.full((4, NUM_NODES), 1 / (NUM_NODES - 2))
    uniform[torch.arange(4), edges[0]] = uniform[torch.arange(4), edges[1]] = 0
    torch.testing.assert_close(log_prob, (popularity + uniform) / 2)
    negatives = sampler(query)
    own = (negatives.ids == query.positive[:, None]) | (negatives.ids == query.anchor[:, None])
    assert negatives.ids.shape == (4, 3)
    assert not (own & negatives.mask).any()
    torch.testing.assert_close(negatives.log_prob.exp(), log_prob.gather(1, negatives.ids))


def test_with_the_batch_usable_slots_follow_the_density():
    """One pair among 59 others, which the loader draws by popularity."""
    edges = GRAPH.edge_index
    sampler = Mixture([InBatch(GRAPH), Uniform(GRAPH)])
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(NUM_NODES, dtype=torch.int64)
    for step in range(100):
        at = torch.randint(edges.shape[1], (60,), generator=generator)
        anchor, positive = edges[0, at].clone(), edges[1, at].clone()
        anchor[0], positive[0] = 3, 0  # anchor 3 knows 0 alone
        negatives = sampler(Query(anchor, positive, 60, stream=Stream(0, step)))
        counts += torch.bincount(negatives.ids[0][negatives.mask[0]], minlength=NUM_NODES)
    expected = sampler.log_prob(Query(torch.tensor([3]), torch.tensor([0]), 1), torch.arange(NUM_NODES)[None])[0].exp()
    usable = torch.tensor([i not in (0, 3) for i in range(NUM_NODES)])
    assert int(counts[~usable].sum()) == 0
    torch.testing.assert_close(counts[usable] / counts.sum(), expected[usable] / expected[usable].sum(), atol=0.02,
                               rtol=0)


def test_where_no_part_can_draw_the_row_is_masked():
    complete = Graph.from_edge_index(torch.tensor([[0, 0], [1, 2]]), num_nodes=3)
    negatives = Mixture([Uniform(complete), All(complete)])(Query(torch.tensor([0, 1]), torch.tensor([1, 2]), 2))
    assert negatives.mask.tolist() == [[False, False], [True, True]]
    assert negatives.log_prob[0].tolist() == [0.0, 0.0] and negatives.ids[1].tolist() == [0, 0]


def test_without_a_density_in_every_part_there_is_none():
    class Flat:
        def score(self, anchor, ids):
            return torch.zeros(len(anchor), ids.shape[1])

    sampler = Mixture([Uniform(GRAPH), Hardest(Uniform(GRAPH))])
    query = Query(torch.tensor([5]), torch.tensor([1]), 3, model=Flat(), stream=Stream(0))
    assert sampler.density == "none" and sampler.model_aware and sampler(query).log_prob is None
    thinned = Mixture([Filtered(Uniform(Graph.empty(NUM_NODES)), GRAPH), Uniform(GRAPH)])
    assert thinned.density == "none" and thinned(hub_query(3)).log_prob is None
    drawn = thinned(hub_query(3))
    assert not (GRAPH.has_edge(hub_query().anchor, drawn.ids) & drawn.mask).any()
    with pytest.raises(TypeError, match="density 'none'"):
        sampler.log_prob(query, torch.tensor([[1]]))


def test_refuses():
    with pytest.raises(ValueError, match="at least one part"):
        Mixture([])
    for weights in ([1.0], [1.0, 0.0], [1.0, -1.0], [1.0, float("nan")], [1.0, float("inf")]):
        with pytest.raises(ValueError, match="one finite weight above 0 for each of 2 parts"):
            Mixture([Uniform(GRAPH), Uniform(GRAPH)], weights)
    with pytest.raises(ValueError, match="GlobalEdges draws pairs or vectors"):
        Mixture([Uniform(GRAPH), GlobalEdges(GRAPH)])(hub_query())
