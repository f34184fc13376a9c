"""Popularity: the modes of PRIS, and that one of them is Degree."""

from __future__ import annotations

import pytest
import torch

from graphns import Degree, Graph, Query, Stream, Uniform
from graphns.samplers.static.popularity import Popularity
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query

EVERY = torch.arange(NUM_NODES)[None]


def shares(weights: torch.Tensor, query: Query) -> torch.Tensor:
    """Weights [N] renormalised over what each row may draw."""
    allowed = Uniform(hub_graph()).log_prob(query, EVERY).isfinite()
    kept = weights * allowed
    return kept / kept.sum(1, keepdim=True).clamp(min=1e-30)


@pytest.mark.parametrize(("options", "weight"), [
    ({}, lambda pop: (pop + 1).log()),
    ({"floor": 1e-6}, lambda pop: (pop + 1).log() + 1e-6),
    ({"mode": "power"}, lambda pop: pop**0.75),
    ({"mode": "power", "power": 2.0, "floor": 0.5}, lambda pop: pop**2 + 0.5),
])
def test_weights_are_the_papers(options, weight) -> None:
    query = hub_query()
    got = Popularity(hub_graph(), **options).log_prob(query, EVERY).double().exp()
    torch.testing.assert_close(got, shares(weight(hub_graph().in_degree.double()), query), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"mode": "power", "floor": 0.1}, {"exclude": "self"}])
def test_counts_follow_the_density(options) -> None:
    check_distribution(Popularity(hub_graph(), **options), hub_query(), NUM_NODES)


def test_a_power_is_degree_bit_for_bit() -> None:
    query = hub_query(k=50)
    one, other = Popularity(hub_graph(), "power", power=0.75)(query), Degree(hub_graph())(query)
    assert torch.equal(one.ids, other.ids) and torch.equal(one.log_prob, other.log_prob)


def test_counts_that_are_given_take_the_place_of_degrees() -> None:
    query = Query(torch.tensor([0]), torch.tensor([1]), 50, stream=Stream(0))
    sampler = Popularity(Graph.empty(5), counts=torch.tensor([7, 7, 0, 1, 3]))
    torch.testing.assert_close(sampler.log_prob(query, torch.arange(5)[None]).exp(),
                               torch.tensor([[0, 0, 0, 1 / 3, 2 / 3]]))
    assert set(sampler(query).ids[0].tolist()) == {3, 4}
    with_floor = Popularity(Graph.empty(5), counts=torch.zeros(5), floor=1.0)
    torch.testing.assert_close(with_floor.log_prob(query, torch.arange(5)[None]).exp()[0, 2:], torch.full((3,), 1 / 3))


def test_without_replacement_the_density_is_none() -> None:
    sampler = Popularity(hub_graph(), replace=False, exclude="self")
    drawn = sampler(hub_query(k=3))
    assert sampler.density == "none" and drawn.log_prob is None
    assert bool((drawn.ids.sort(1).values.diff(dim=1) > 0)[drawn.mask.all(1)].all())


def test_refuses() -> None:
    with pytest.raises(ValueError, match="mode must be one of 'log', 'power', got 'rank'"):
        Popularity(hub_graph(), "rank")
    with pytest.raises(ValueError, match="floor must be at least 0, got -1"):
        Popularity(hub_graph(), floor=-1)
    with pytest.raises(ValueError, match=r"power=-1\.0 gives candidates of low popularity no finite weight"):
        Popularity(Graph.empty(4), "power", power=-1.0)
    with pytest.raises(ValueError, match=r"weight -2\.0 of candidate 1"):
        Popularity(Graph.empty(2), counts=torch.tensor([1.0, -2.0]))


def test_a_plain_graph_refuses_wide_anchors():
    query = Query(torch.tensor([[0, 1], [1, 0]]), torch.tensor([1, 2]), 3, stream=Stream(0))
    sampler = Popularity.from_graph(Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]]), num_nodes=4))
    with pytest.raises(ValueError, match=r"one id per anchor, got anchors \(2, 2\).*use EdgeSet"):
        sampler(query)
