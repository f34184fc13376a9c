"""Shuffle: every slot a cycle of all nodes, every cycle alike, its density by counting, its mask."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from graphns.base import Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.static.shuffle import Shuffle
from graphns.streams import Stream
from tests.samplers.distribution import ALPHA, NUM_NODES, SEEDS, check_distribution, chi_square, hub_graph, hub_query


def everyone(num: int, k: int = 1, seed: int = 0) -> Query:
    nodes = torch.arange(num)
    return Query(nodes, nodes, k, stream=Stream(seed))


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_draws_are_uniform_over_the_candidates(exclude: str) -> None:
    check_distribution(Shuffle(hub_graph(), exclude=exclude), hub_query(), NUM_NODES)  # type: ignore[arg-type]


@pytest.mark.parametrize("num", [2, 3, 50])
def test_every_slot_is_one_cycle_of_all_nodes(num: int) -> None:
    drawn = Shuffle(Graph.empty(num))(everyone(num, k=4))
    assert drawn.mask.all()
    for slot in range(4):
        seen, at = [], 0
        for _ in range(num):
            at = int(drawn.ids[at, slot])
            seen.append(at)
        assert sorted(seen) == list(range(num))  # one walk passes all, so nobody stays and nobody is met twice


@pytest.mark.parametrize("seed", SEEDS)
def test_every_cycle_is_alike(seed: int) -> None:
    """Of 4 nodes there are 3! cycles; slots are independent, so 6,000 slots of one draw are 6,000 draws."""
    cycles = {cycle: at for at, cycle in enumerate(
        each for each in permutations(range(4)) if each[each[each[0]]] and each[0] and each[each[0]])}
    assert len(cycles) == 6
    ids = Shuffle(Graph.empty(4))(everyone(4, 6000, seed)).ids
    found = torch.tensor([cycles[tuple(slot)] for slot in ids.T.tolist()])
    assert chi_square(found.bincount(minlength=6), torch.full((6,), 1 / 6)) > ALPHA / (2 * len(SEEDS))
    pairs = (found[:-1] * 6 + found[1:]).bincount(minlength=36)  # a slot and the next
    assert chi_square(pairs, torch.full((36,), 1 / 36)) > ALPHA / (2 * len(SEEDS))


def test_what_is_excluded_is_masked_where_it_stands() -> None:
    graph = hub_graph()
    query = everyone(NUM_NODES, 200)
    free = Shuffle(graph, exclude="self")(query)
    drawn = Shuffle(graph)(query)
    assert torch.equal(drawn.ids, free.ids) and free.mask.all()
    assert torch.equal(drawn.mask, ~graph.has_edge(query.anchor, drawn.ids))
    positive = Query(query.anchor, (query.anchor + 1) % NUM_NODES, 200, stream=Stream(0))
    assert torch.equal(Shuffle(graph, exclude="self")(positive).mask, free.ids != positive.positive[:, None])


def test_the_anchor_alone_decides() -> None:
    """Neither its row id nor its company."""
    sampler = Shuffle(hub_graph())
    whole = sampler(everyone(NUM_NODES, 3))
    at = torch.tensor([5, 2, 5])
    some = sampler(Query(at, at, 3, stream=Stream(0), row=torch.tensor([70, 80, 90])))
    assert torch.equal(some.ids, whole.ids[at]) and torch.equal(some.mask, whole.mask[at])


def test_one_node_has_no_other() -> None:
    drawn = Shuffle(Graph.empty(1))(everyone(1, 2))
    assert not drawn.mask.any() and drawn.log_prob is not None and drawn.log_prob.tolist() == [[0.0, 0.0]]


def test_refuses() -> None:
    with pytest.raises(ValueError, match="bipartite graph are no candidates"):
        Shuffle(Graph.empty((2, 3)))
    with pytest.raises(ValueError, match="bipartite"):
        Shuffle(EdgeSet.from_pairs(torch.tensor([[7, 1]]), torch.tensor([2]), 5))
    with pytest.raises(ValueError, match="exclude must be one of 'neighbors', 'self', got 'none'"):
        Shuffle(Graph.empty(3), exclude="none")  # type: ignore[arg-type]
