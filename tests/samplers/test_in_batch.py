"""In-batch: what is shared, what is masked, and the popularity over batches of the loader."""

import pytest
import torch

from graphns import Graph, InBatch, Query, Stream
from graphns.samplers.exclusion import accidental_hits
from tests.samplers.distribution import ALPHA, SEEDS, chi_square

EDGES = torch.tensor([[0, 0, 1, 2, 3, 4, 5, 5], [3, 4, 3, 3, 4, 0, 3, 1]])
GRAPH = Graph.from_edge_index(EDGES, num_nodes=6)


def query_of(at, k=None, **options):
    anchor, positive = EDGES[:, at]
    return Query(anchor, positive, len(at) if k is None else k, **{"stream": Stream(0), "row": torch.tensor(at)}
                 | options)


def test_own_positive_anchor_and_neighbours_are_masked():
    negatives = InBatch(GRAPH)(query_of([0, 2, 4, 5]))  # (0, 3) (1, 3) (3, 4) (4, 0)
    assert negatives.ids.tolist() == [[3, 3, 4, 0]]
    assert negatives.mask.tolist() == [
        [False, False, False, False],  # 3 is its own, twice; 4 a neighbour; 0 itself
        [False, False, True, True],
        [False, False, False, True],  # 3 is the anchor
        [True, True, False, False],
    ]
    own = InBatch(GRAPH, exclude="self")(query_of([0, 2, 4, 5]))
    assert own.mask[0].tolist() == [False, False, True, False]


def test_users_and_items_share_numbers_not_nodes():
    graph = Graph.from_edge_index(EDGES, num_nodes=(6, 6))
    assert InBatch(graph)(query_of([0, 5])).mask.tolist() == [[False, True], [True, False]]


def test_k_of_the_batch_are_shared_and_beyond_it_slots_are_empty():
    few = InBatch(GRAPH)(query_of([0, 1, 2, 3, 4, 5], k=2))
    assert few.ids.shape == (1, 2) and few.mask.shape == (6, 2)
    many = InBatch(GRAPH)(query_of([0, 1, 2], k=5))
    assert many.ids[0, :3].tolist() == [3, 4, 3] and not many.mask[:, 3:].any()
    assert many.log_prob.shape == (1, 5) and many.log_prob[0, 3:].tolist() == [0.0, 0.0]


def test_which_k_depends_on_row_ids_not_on_their_order():
    first, second = query_of([0, 4, 5, 7, 3], k=3), query_of([3, 7, 5, 4, 0], k=3)
    assert InBatch(GRAPH)(first).ids.tolist() == InBatch(GRAPH)(second).ids.tolist()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("k", [2, 4])
def test_over_the_loaders_batches_draws_follow_popularity(seed, k):
    sampler = InBatch(GRAPH)
    generator = torch.Generator().manual_seed(seed)
    counts = torch.zeros(6, dtype=torch.int64)
    for step in range(800):
        at = torch.randint(EDGES.shape[1], (4,), generator=generator).tolist()
        counts += torch.bincount(sampler(query_of(at, k, stream=Stream(seed, step))).ids[0], minlength=6)
    log_prob = sampler.log_prob(query_of([0]), torch.arange(6)[None])[0]
    assert log_prob.exp().sum().item() == pytest.approx(1)
    assert int(counts[log_prob == -torch.inf].sum()) == 0
    some = log_prob > -torch.inf
    assert chi_square(counts[some], log_prob.exp()[some]) > ALPHA / (2 * len(SEEDS))


def test_popularity_may_be_told():
    query = query_of([0, 5])
    uniform = InBatch(GRAPH, popularity="uniform")(query)
    torch.testing.assert_close(uniform.log_prob.exp(), torch.full((1, 2), 1 / 6))
    told = InBatch.from_graph(GRAPH, popularity=torch.tensor([3.0, 0, 0, 1, 0, 0]))(query)
    torch.testing.assert_close(told.log_prob.exp(), torch.tensor([[0.25, 0.75]]))
    empty = InBatch(Graph.empty(4))(Query(torch.tensor([0]), torch.tensor([1]), 1))
    torch.testing.assert_close(empty.log_prob.exp(), torch.tensor([[0.25]]))
    assert not InBatch(GRAPH).state_dict()


def test_refuses():
    with pytest.raises(ValueError, match="popularity must be one of"):
        InBatch(GRAPH, popularity="degree")
    with pytest.raises(ValueError, match=r"one weight per candidate \[6\]"):
        InBatch(GRAPH, popularity=torch.ones(5))
    with pytest.raises(ValueError, match="0 for every candidate"):
        InBatch(GRAPH, popularity=torch.zeros(6))
    with pytest.raises(ValueError, match="positives from 6 to 6"):
        InBatch(GRAPH)(Query(torch.tensor([0]), torch.tensor([6]), 1))


def test_accidental_hits_are_what_is_masked_beside_known_positives():
    """Between users and items, with nothing known, the mask is the hits and nothing else: all copies of a positive."""
    users = Graph.from_edge_index(EDGES, num_nodes=(6, 6))
    query = query_of([0, 1, 2, 3, 4, 6])
    negatives = InBatch(users, exclude="self")(query)
    hits = accidental_hits(query.positive, negatives.ids)
    assert query.positive.tolist() == [3, 4, 3, 3, 4, 3]
    assert hits.sum(1).tolist() == [4, 2, 4, 4, 2, 4]
    assert torch.equal(negatives.mask, ~hits)
    own = torch.tensor([[0, 3], [4, 4]])
    assert accidental_hits(torch.tensor([3, 4]), own).tolist() == [[False, True], [True, True]]


def test_ids_that_are_no_candidates_have_no_density():
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 2], [3, 4, 3]]), num_nodes=5)
    query = Query(torch.tensor([0, 1]), torch.tensor([3, 4]), k=2)
    assert InBatch(graph).log_prob(query, torch.tensor([[-1, 5, 0]])).isneginf().all()
