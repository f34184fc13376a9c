"""PinSage's recipe: what is shared, what is hard, and how many of each in an epoch."""

from __future__ import annotations

import pytest
import torch

from graphns.base import Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.dynamic.random_walk import RandomWalk
from graphns.samplers.dynamic.walk_curriculum import WalkCurriculum
from graphns.streams import Stream
from tests.samplers.distribution import ALPHA, SEEDS, chi_square, hub_graph, hub_query


def ring(size: int = 40) -> Graph:
    nodes = torch.arange(size)
    return Graph.from_edge_index(torch.stack([nodes, (nodes + 1) % size]))


def query_of(k: int, epoch: int = 0, seed: int = 0) -> Query:
    anchor = torch.arange(0, 32, 4)  # no walk passes the end of the ring, where ties by id would differ
    return Query(anchor, (anchor + 1) % 40, k, stream=Stream(seed), epoch=epoch)


def test_the_curriculum() -> None:
    sampler = WalkCurriculum(ring())
    assert [sampler.num_hard(epoch, 6) for epoch in (0, 1, 2, 3, 9)] == [0, 1, 2, 3, 3]
    fast = WalkCurriculum(ring(), growth=2, max_hard=5)
    assert [fast.num_hard(epoch, 100) for epoch in (0, 1, 2, 3)] == [0, 2, 4, 5] and fast.num_hard(3, 4) == 4
    assert WalkCurriculum(ring(), growth=0).num_hard(50, 8) == 0


def test_shared_first_and_hard_last() -> None:
    sampler = WalkCurriculum(ring(), window=(2, 4), length=8, restart=0.0, num_walks=200)
    early, later = sampler(query_of(6)), sampler(query_of(6, epoch=2))
    assert early.ids.shape == (1, 6) and later.ids.shape == (8, 6)
    assert bool((later.ids[:, :4] == early.ids[:, :4]).all())
    gap = (later.ids[:, 4:] - query_of(1).anchor[:, None]) % 40
    assert set(gap.flatten().tolist()) == {3, 4, 5} and bool(later.mask[:, 4:].all())
    assert early.log_prob is None and later.log_prob is None and sampler.density == "none"


def test_all_hard_is_random_walk_without_uniform_slots() -> None:
    sampler = WalkCurriculum(hub_graph(), max_hard=5, growth=5, window=(1, 4), seed=3)
    walk = RandomWalk(hub_graph(), share=1.0, window=(1, 4), seed=3)
    query = hub_query(5).child(9, epoch=1)
    drawn, same = sampler(query), walk(query.child(1))
    assert torch.equal(drawn.ids, same.ids) and torch.equal(drawn.mask, same.mask)


def test_shared_ones_are_masked_where_they_are_known() -> None:
    graph = hub_graph()
    for exclude in ("neighbors", "self"):
        query = hub_query(30)
        drawn = WalkCurriculum(graph, exclude=exclude)(query)
        ids = drawn.ids.expand(drawn.mask.shape)
        bad = (ids == query.anchor[:, None]) | (ids == query.positive[:, None])
        if exclude == "neighbors":
            bad |= graph.has_edge(query.anchor, ids)
        assert torch.equal(drawn.mask, ~bad)


@pytest.mark.parametrize("seed", SEEDS)
def test_shared_ones_are_uniform(seed: int) -> None:
    ids = WalkCurriculum(ring())(query_of(20_000, seed=seed)).ids
    assert chi_square(torch.bincount(ids[0], minlength=40), torch.full((40,), 1 / 40)) > ALPHA / len(SEEDS)


def test_refuses() -> None:
    with pytest.raises(ValueError, match="growth must be at least 0, got -1"):
        WalkCurriculum(ring(), growth=-1)
    with pytest.raises(ValueError, match="max_hard must be at least 0, got -2"):
        WalkCurriculum(ring(), max_hard=-2)
    with pytest.raises(ValueError, match="window"):
        WalkCurriculum(ring(), window=(0, 4))
    with pytest.raises(ValueError, match="EdgeSet"):
        WalkCurriculum(EdgeSet.from_pairs(torch.tensor([0]), torch.tensor([1]), 3))
