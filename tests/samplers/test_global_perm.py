"""GlobalPerm: one draw, permuted; every pair alike in every slot; every permutation alike."""

import math
from itertools import permutations

import pytest
import torch

from graphns.base import InfeasibleError, Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.dynamic.global_perm import GlobalPerm
from graphns.samplers.static.global_edges import GlobalEdges
from graphns.streams import Stream
from tests.samplers.distribution import ALPHA, NUM_NODES, SEEDS, chi_square, hub_graph


def everyone(k=3, seed=0, step=0):
    anchor = torch.arange(NUM_NODES)
    return Query(anchor, (anchor + 3) % NUM_NODES, k=k, stream=Stream(seed, step))


def test_every_slot_holds_the_same_pairs_in_another_order():
    query = everyone()
    drawn = GlobalPerm(hub_graph())(query)
    pairs = drawn.anchor * NUM_NODES + drawn.ids
    first = pairs[:, 0].sort().values
    assert len(first.unique()) == NUM_NODES and drawn.mask.all()
    for slot in (1, 2):
        assert torch.equal(pairs[:, slot].sort().values, first) and not torch.equal(pairs[:, slot], pairs[:, 0])
    assert not hub_graph().has_edge(drawn.anchor.flatten(), drawn.ids.flatten()).any()


def test_with_k_1_it_is_global_edges():
    query = everyone(1)
    ours, theirs = GlobalPerm(hub_graph())(query), GlobalEdges(hub_graph())(query.child(0))
    assert torch.equal(ours.ids, theirs.ids) and torch.equal(ours.anchor, theirs.anchor)
    assert torch.equal(ours.log_prob, theirs.log_prob)
    every = torch.arange(NUM_NODES)[None]
    assert torch.equal(GlobalPerm(hub_graph()).log_prob(query, every), GlobalEdges(hub_graph()).log_prob(query, every))


@pytest.mark.parametrize("slot", [0, 2])
def test_pairs_of_a_slot_are_uniform(slot):
    sampler = GlobalPerm(hub_graph())
    log_prob = sampler.log_prob(everyone(), torch.arange(NUM_NODES)[None])
    allowed = log_prob.isfinite()
    n = int(allowed.sum())
    for seed in SEEDS:
        seen = []
        for step in range(1500):
            drawn = sampler(everyone(3, seed, step))
            seen.append(int(drawn.anchor[5, slot]) * NUM_NODES + int(drawn.ids[5, slot]))
            assert float(drawn.log_prob[5, slot]) == pytest.approx(-math.log(n))
        counts = torch.bincount(torch.tensor(seen), minlength=NUM_NODES**2)[allowed.flatten()]
        assert int(counts.sum()) == 1500
        assert chi_square(counts, torch.full((n,), 1 / n)) > ALPHA / (2 * len(SEEDS))


@pytest.mark.parametrize("seed", SEEDS)
def test_permutations_are_alike(seed):
    sampler = GlobalPerm(Graph.empty(50))
    orders = {order: at for at, order in enumerate(permutations(range(3)))}
    counts = torch.zeros(6)
    for step in range(3000):
        drawn = sampler(Query(torch.arange(3), torch.arange(3) + 1, 2, stream=Stream(seed, step)))
        pairs = (drawn.anchor * 50 + drawn.ids).tolist()
        first = [pair[0] for pair in pairs]
        counts[orders[tuple(first.index(pair[1]) for pair in pairs)]] += 1
    assert chi_square(counts, torch.full((6,), 1 / 6)) > ALPHA / len(SEEDS)


def test_too_few_pairs_leave_masked_slots_in_every_column():
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 1, 1], [1, 2, 0, 2]]), num_nodes=3)
    query = Query(torch.tensor([0, 0, 1]), torch.tensor([1, 2, 2]), k=4, stream=Stream(0))
    drawn = GlobalPerm(graph)(query)
    assert drawn.mask.sum(0).tolist() == [2, 2, 2, 2]
    assert set(map(tuple, drawn.pairs(query).T.tolist())) == {(2, 0), (2, 1)}
    with pytest.raises(InfeasibleError, match="has 2 candidates, 3 are needed"):
        GlobalPerm(graph, infeasible="raise")(query)


def test_refuses():
    with pytest.raises(ValueError, match="unordered pairs need one set of nodes"):
        GlobalPerm(Graph.empty((2, 3)), directed=False)
    with pytest.raises(ValueError, match="3"):
        GlobalPerm(Graph.empty(3))(Query(torch.tensor([3]), torch.tensor([0]), 1, stream=Stream(0)))


def test_refuses_an_edge_set_whose_rows_are_no_nodes():
    known = EdgeSet.from_pairs(torch.tensor([[7, 1]]), torch.tensor([2]), 5)
    with pytest.raises(ValueError, match="rows of an EdgeSet are no nodes"):
        GlobalPerm(known)
