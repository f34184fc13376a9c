"""GlobalEdges: distinct pairs, an exact count, every pair alike."""

import pytest
import torch

from graphns.base import InfeasibleError, Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.static.global_edges import GlobalEdges
from graphns.streams import Stream
from tests.samplers.distribution import ALPHA, NUM_NODES, SEEDS, chi_square, hub_graph, hub_query


def everyone(stream: int = 0) -> Query:
    return Query(torch.arange(NUM_NODES), (torch.arange(NUM_NODES) + 3) % NUM_NODES, k=2, stream=Stream(stream))


@pytest.mark.parametrize("options", [{}, {"exclude": "self"}, {"directed": False}])
def test_pairs_are_uniform_and_their_log_prob_sums_to_one(options):
    graph = hub_graph()
    sampler = GlobalEdges(graph, **options)
    query = everyone()
    log_prob = sampler.log_prob(query, torch.arange(NUM_NODES)[None])
    allowed = torch.isfinite(log_prob)
    # an unordered pair has one probability, whichever end is asked first
    assert float(log_prob.double().exp().sum()) == pytest.approx(1 if options.get("directed", True) else 2, abs=1e-5)
    known = torch.zeros(NUM_NODES, NUM_NODES, dtype=torch.bool)
    if "exclude" not in options:
        known[tuple(graph.edge_index)] = True
    known |= torch.eye(NUM_NODES, dtype=torch.bool)
    known[query.anchor, query.positive] = True
    if not options.get("directed", True):
        known = known | known.T
    assert torch.equal(allowed, ~known)
    support = allowed if options.get("directed", True) else allowed.triu()
    for seed in SEEDS:
        counts = torch.zeros(NUM_NODES, NUM_NODES, dtype=torch.int64)
        for step in range(600):
            drawn = sampler(Query(query.anchor, query.positive, k=2, stream=Stream(seed, step)))
            flat = drawn.anchor * NUM_NODES + drawn.ids
            assert drawn.mask.all() and len(flat.unique()) == flat.numel()
            assert torch.equal(drawn.log_prob, log_prob[support][:1].expand_as(drawn.log_prob))
            counts += torch.bincount(flat.flatten(), minlength=NUM_NODES**2).view(NUM_NODES, NUM_NODES)
        assert int(counts[~support].sum()) == 0
        n = int(support.sum())
        # pairs of a batch differ, so these counts vary a little less than the test allows; below, slots one by one
        p_value = chi_square(counts[support], torch.full((n,), 1 / n))
        assert p_value > ALPHA / len(SEEDS), f"seed {seed}: p = {p_value}"


def test_first_slot_alone_is_uniform():
    # slots of different batches are independent: here the chi-square is exact
    sampler, query = GlobalEdges(hub_graph()), everyone()
    allowed = torch.isfinite(sampler.log_prob(query, torch.arange(NUM_NODES)[None]))
    n = int(allowed.sum())
    for seed in SEEDS:
        first, last = [], []
        for step in range(1500):
            drawn = sampler(Query(query.anchor, query.positive, k=2, stream=Stream(seed, step)))
            flat = (drawn.anchor * NUM_NODES + drawn.ids).flatten()
            first.append(int(flat[0]))
            last.append(int(flat[-1]))
        for slot in (first, last):
            counts = torch.bincount(torch.tensor(slot), minlength=NUM_NODES**2)[allowed.flatten()]
            assert chi_square(counts, torch.full((n,), 1 / n)) > ALPHA / (2 * len(SEEDS))


def test_a_full_graph_gives_what_is_left_then_masks():
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 1, 1, 2], [1, 2, 0, 2, 0]]), num_nodes=3)
    query = Query(torch.tensor([0, 1]), torch.tensor([1, 0]), k=2, stream=Stream(0))
    drawn = GlobalEdges(graph)(query)
    assert drawn.pairs(query).tolist() == [[2], [1]] and int(drawn.mask.sum()) == 1
    assert drawn.log_prob.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    with pytest.raises(InfeasibleError, match="has 1 candidates, 4 are needed"):
        GlobalEdges(graph, infeasible="raise")(query)
    # the only non-edge is the batch's own pair: nothing is left
    assert not GlobalEdges(graph)(Query(torch.tensor([2]), torch.tensor([1]), k=2, stream=Stream(0))).mask.any()


def test_bipartite_pairs_may_share_a_number():
    graph = Graph.from_edge_index(torch.tensor([[0, 1], [1, 1]]), num_nodes=(2, 3))
    query = Query(torch.tensor([0]), torch.tensor([1]), k=9, stream=Stream(0))
    drawn = GlobalEdges(graph)(query)
    assert sorted(drawn.pairs(query).T.tolist()) == [[0, 0], [0, 2], [1, 0], [1, 2]]
    with pytest.raises(ValueError, match="unordered pairs need one set of nodes, got 2 sources and 3 destinations"):
        GlobalEdges(graph, directed=False)


def test_ids_outside_the_graph_have_no_probability():
    query = hub_query()
    log_prob = GlobalEdges(hub_graph()).log_prob(query, torch.tensor([[-1, NUM_NODES, 10**6]]))
    assert not torch.isfinite(log_prob).any()


def test_refuses_an_edge_set_whose_rows_are_no_nodes():
    known = EdgeSet.from_pairs(torch.tensor([[7, 1]]), torch.tensor([2]), 5)
    with pytest.raises(ValueError, match="rows of an EdgeSet are no nodes"):
        GlobalEdges(known)


def test_batches_of_one_stream_draw_apart_whatever_the_order_of_their_rows():
    sampler, size = GlobalEdges(Graph.empty(500)), 64

    def drawn(rows):
        query = Query(rows, (rows + 250) % 500, k=1, stream=Stream(0), row=rows)
        negatives = sampler(query)
        return set((negatives.anchor * 500 + negatives.ids).flatten().tolist())

    first, second = drawn(torch.arange(size)), drawn(torch.arange(size, 2 * size))
    assert len(first & second) <= 2, "64 of a quarter million pairs, twice: an epoch's batches had all the same"
    assert len(first ^ drawn(torch.arange(size).flip(0))) <= 2  # the lowest row keys the batch
