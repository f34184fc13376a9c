"""GDCL: other clusters only, the density by counting, and clusters that follow the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.base import InfeasibleError, Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.dynamic.gdcl import GDCL
from graphns.samplers.efficient.clustered import Clustered
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query

N = NUM_NODES
LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 1, 1, 0, 2, 3, 0])


class Places:
    """A model whose embedding is a table."""

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        raise NotImplementedError

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        raise NotImplementedError

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        return self.table[ids]


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
@pytest.mark.parametrize("labels", [LABELS, LABELS.clamp(max=1), torch.arange(N)])
def test_draws_follow_the_density(exclude: Any, labels: Tensor) -> None:
    check_distribution(GDCL(hub_graph(), labels, exclude=exclude), hub_query(), N)


def test_users_and_items() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 1, 1, 2, 2, 3], [0, 1, 1, 2, 2, 3, 0]]), (5, 7))
    sampler = GDCL(graph, (torch.tensor([0, 1, 2, 0, 5]), torch.tensor([0, 0, 1, 1, 2, 2, 2])))
    query = Query(torch.arange(5), torch.tensor([0, 1, 2, 0, 6]), 1, stream=Stream(0))
    check_distribution(sampler, query, 7, k=3000)


def test_support_is_what_uniform_has_and_clustered_has_not() -> None:
    graph, query = hub_graph(), hub_query()
    every = torch.arange(N)[None]
    outside, inside, whole = (sampler.log_prob(query, every).isfinite() for sampler in (
        GDCL(graph, LABELS), Clustered(graph, LABELS), Uniform(graph)))
    assert torch.equal(outside | inside, whole) and not bool((outside & inside).any())


def test_clusters_of_one_node_each_are_uniform() -> None:
    query = hub_query()
    every = torch.arange(N)[None]
    assert torch.equal(GDCL(hub_graph(), torch.arange(N)).log_prob(query, every),
                       Uniform(hub_graph()).log_prob(query, every))


def test_one_cluster_leaves_nothing() -> None:
    one = torch.zeros(N, dtype=torch.int64)
    assert not GDCL(hub_graph(), one)(hub_query(4)).mask.any()
    with pytest.raises(InfeasibleError, match="has 0 candidates"):
        GDCL(hub_graph(), one, infeasible="raise")(hub_query())


def test_clusters_follow_the_model() -> None:
    graph = Graph.empty(12)
    places = torch.zeros(12, 2)
    places[:6, 0], places[6:, 0] = torch.linspace(4, 5, 6), torch.linspace(-5, -4, 6)
    first = torch.tensor([0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1])  # 5 and 6 stand on the wrong side
    sampler = GDCL(graph, first, every=3)
    query = Query(torch.arange(12), (torch.arange(12) + 1) % 12, 30, model=Places(places), stream=Stream(0))
    for step in range(3):
        assert sampler.label.tolist() == first.tolist(), f"moved at step {step}"
        sampler.update(query, sampler(query))
    assert sampler.label.tolist() == [0] * 6 + [1] * 6
    drawn = sampler(query)
    assert bool(((drawn.ids < 6) != (query.anchor < 6)[:, None]).all())
    check_distribution(sampler, query, 12, k=3000)
    # what is loaded is what was saved: labels, and the tables that follow from them
    again = GDCL(graph, first, every=3)
    again.load_state_dict(sampler.state_dict())
    assert torch.equal(again(query).ids, drawn.ids)


def test_the_assignment_is_k_means() -> None:
    """Against a plain loop; a cluster that no node is nearest to keeps its mean, one that had none gets none."""
    table = torch.randn(40, 3, generator=torch.Generator().manual_seed(2))
    start = torch.arange(40) % 4
    start[start == 3] = 4  # cluster 3 has no node
    sampler = GDCL(Graph.empty(40), start, every=1, iterations=7)
    query = Query(torch.tensor([0]), torch.tensor([1]), 1, model=Places(table), stream=Stream(0))
    sampler.update(query, sampler(query))
    label, means = start.clone(), {}
    for _ in range(7):
        for c in range(5):
            if bool((label == c).any()):
                means[c] = table[label == c].double().mean(0)
        distance = torch.stack([
            ((table.double() - means[c]) ** 2).sum(1) if c in means else torch.full((40,), torch.inf).double()
            for c in range(5)], 1)
        label = distance.argmin(1)
    assert sampler.label.tolist() == label.tolist() and 3 not in label.tolist()


def test_without_every_no_model_is_asked() -> None:
    sampler = GDCL(hub_graph(), LABELS)
    query = hub_query()
    before = {name: value.clone() for name, value in sampler.state_dict().items()}
    sampler.update(query, sampler(query))
    assert all(torch.equal(before[name], value) for name, value in sampler.state_dict().items())
    follows = GDCL(hub_graph(), LABELS, every=1)
    with pytest.raises(ValueError, match="model=model"):
        follows.update(query, follows(query))
    with pytest.raises(ValueError, match="embeds a node as NaN or infinite"):
        follows.update(replace(query, model=Places(torch.full((N, 2), torch.nan))), follows(query))


def test_labels_are_copied_and_found_where_none_are_given() -> None:
    labels = LABELS.clone()
    sampler = GDCL(hub_graph(), labels, every=1)
    sampler.update(replace(hub_query(), model=Places(torch.randn(N, 2, generator=torch.Generator().manual_seed(0)))),
                   sampler(hub_query()))
    assert torch.equal(labels, LABELS)
    found = GDCL(hub_graph(), num_clusters=3)
    assert len(found.first) == 4


def test_refuses() -> None:
    graph = hub_graph()
    for options, match in (
        ({"every": -1}, "every must be at least 0, got -1"), ({"iterations": 0}, "iterations must be at least 1"),
        ({"labels": LABELS[1:]}, r"one cluster >= 0 per source, integers \[14\], got torch.int64 \(13,\)"),
        ({"labels": LABELS - 1}, "one cluster >= 0 per source"), ({"labels": LABELS.float()}, "got torch.float32"),
    ):
        with pytest.raises(ValueError, match=match):
            GDCL(graph, **options)
    with pytest.raises(ValueError, match="clusters of a bipartite graph must be given"):
        GDCL(Graph.empty((3, 4)))
    with pytest.raises(ValueError, match=r"bipartite.*every=0"):
        GDCL(Graph.empty((3, 4)), (torch.zeros(3).long(), torch.zeros(4).long()), every=5)
    with pytest.raises(ValueError, match="EdgeSet"):
        GDCL(EdgeSet.from_pairs(torch.tensor([0]), torch.tensor([1]), 3))
