"""Negatives by walk ranks: the window, the curriculum, and the density by counting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from graphns.base import InfeasibleError, Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.graph.walks import visit_counts
from graphns.registry import load
from graphns.samplers.dynamic.random_walk import RandomWalk
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
@pytest.mark.parametrize("options", [
    {"window": (1, 3)}, {"window": (2, 5), "share": 1.0}, {"window": (1, 20), "share": 0.8},
    {"window": (6, 9), "ramp": 8, "advance": 1},
])
def test_draws_follow_the_density(exclude: Any, options: dict[str, Any]) -> None:
    sampler = RandomWalk(hub_graph(), num_walks=20, length=5, exclude=exclude, **options)
    for epoch in (0, 3):
        check_distribution(sampler, replace(hub_query(), epoch=epoch), NUM_NODES, k=3000)


def test_bipartite_draws_follow_the_density() -> None:
    edges = torch.tensor([[0, 0, 1, 1, 2, 2, 3], [0, 1, 1, 2, 2, 3, 0]])
    graph = Graph.from_edge_index(edges, (5, 7))
    sampler = RandomWalk(graph, window=(1, 3), length=6)
    anchor = torch.arange(5)
    check_distribution(sampler, Query(anchor, torch.tensor([0, 1, 2, 0, 6]), 1, stream=Stream(0)), 7, k=3000)
    ids = sampler.ranks[0]
    assert set(ids.tolist()) - {-1} <= {2, 3}  # two steps further than what user 0 has; items 4 to 6 are out of reach
    assert sampler.ranks[4].tolist() == [-1, -1, -1]


def test_the_table_holds_visit_ranks() -> None:
    graph = hub_graph()
    sampler = RandomWalk(graph, window=(2, 4), num_walks=30, length=4, restart=0.2, seed=7)
    every = torch.arange(NUM_NODES)
    ids, _ = visit_counts(graph, every, Stream(7), num_walks=30, length=4, restart=0.2, top=4, exclude_neighbors=True)
    assert torch.equal(sampler.ranks.long(), ids)
    assert sampler.state_dict() == {}  # a table of the data and the seed, not state
    near = graph.has_edge(every, ids.clamp(min=0)) & (ids >= 0)
    assert not bool(near.any()) and not bool((ids == every[:, None]).any())


def test_hard_slots_come_from_the_window() -> None:
    ring = torch.arange(40)
    graph = Graph.from_edge_index(torch.stack([ring, (ring + 1) % 40]))
    sampler = RandomWalk(graph, window=(2, 4), num_walks=200, length=8, restart=0.0, share=1.0)
    # walks along the ring visit each of the next 8 nodes alike: ties go by id, the neighbour is out of the ranking
    drawn = sampler(Query(torch.tensor([0, 0]), torch.tensor([1, 4]), 64, stream=Stream(0)))
    assert set(drawn.ids[0].tolist()) == {3, 4, 5} and set(drawn.ids[1].tolist()) == {3, 5}
    assert drawn.log_prob is not None
    assert torch.allclose(drawn.log_prob.exp().unique(), torch.tensor([1 / 3, 1 / 2]))
    # without a window every slot is uniform
    lonely = Graph.from_edge_index(torch.tensor([[0], [1]]), 5)
    query = Query(torch.tensor([3]), torch.tensor([0]), 50, stream=Stream(0))
    alone = RandomWalk(lonely, share=1.0)(query)
    assert set(alone.ids[0].tolist()) == {1, 2, 4} and bool(alone.mask.all())


def test_the_curriculum() -> None:
    graph = hub_graph()
    sampler = RandomWalk(graph, window=(3, 6), share=0.8, ramp=4, advance=1)
    assert [sampler.hard_share(epoch) for epoch in (0, 1, 4, 9)] == [0.0, 0.2, 0.8, 0.8]
    assert RandomWalk(graph, share=0.3).hard_share(0) == 0.3
    query = replace(hub_query(), k=50)
    first = sampler(query)
    uniform = Uniform(graph)(query.child(2))
    assert torch.equal(first.ids, uniform.ids)  # epoch 0: no hard slot
    fixed = RandomWalk(graph, window=(1, 4), share=0.8)
    later = replace(query, epoch=9)
    assert torch.equal(sampler(later).ids, fixed(later).ids)  # the window stops at rank 1, its width kept
    moved = RandomWalk(graph, window=(2, 5), share=0.2)
    assert torch.equal(sampler(replace(query, epoch=1)).ids, moved(query).ids)


def test_the_seed_makes_the_table_and_blocks_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = hub_graph()
    one, other = RandomWalk(graph, num_walks=3, length=3), RandomWalk(graph, num_walks=3, length=3, seed=1)
    assert not torch.equal(one.ranks, other.ranks)
    monkeypatch.setattr("graphns.samplers.dynamic.random_walk._BLOCK", 1)
    assert torch.equal(one.ranks, RandomWalk(graph, num_walks=3, length=3).ranks)


def test_registered_and_built_from_a_graph() -> None:
    sampler = load("pinsage").from_graph(hub_graph(), exclude="self", window=(1, 2))
    assert isinstance(sampler, RandomWalk) and sampler.uniform.exclude == "self"


@pytest.mark.parametrize(("options", "message"), [
    ({"window": (0, 3)}, r"window must be ranks 1 <= low <= high, got \(0, 3\)"),
    ({"window": (5, 3)}, "window must be ranks"),
    ({"share": 1.2}, "share must be a probability in .0, 1., got 1.2"),
    ({"ramp": -1}, "ramp must be at least 0, got -1"),
    ({"advance": -1}, "advance must be at least 0, got -1"),
    ({"num_walks": 0}, "num_walks must be at least 1"),
    ({"exclude": "all"}, "exclude must be one of"),
    ({"graph": EdgeSet.from_pairs(torch.tensor([0]), torch.tensor([0]), 2)}, "an EdgeSet cannot be walked"),
])
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomWalk(**{"graph": hub_graph(), **options})


def test_anchors_without_candidates() -> None:
    full = Graph.from_edge_index(torch.tensor([[0, 1], [1, 0]]))
    query = Query(torch.tensor([0]), torch.tensor([1]), 3, stream=Stream(0))
    drawn = RandomWalk(full)(query)
    assert not bool(drawn.mask.any()) and drawn.log_prob is not None and drawn.log_prob.tolist() == [[0.0] * 3]
    with pytest.raises(InfeasibleError, match=r"anchor 0 has 0 candidates"):
        RandomWalk(full, infeasible="raise")(query)
