"""Clusters: they follow planted ones, are even, and depend on the seed alone."""

from __future__ import annotations

import networkx
import pytest
import torch

from graphns.graph.build import from_networkx
from graphns.graph.clusters import clusters
from graphns.graph.graph import Graph
from tests.kernels.test_walks import hub_graph


def test_planted_clusters_are_found() -> None:
    sizes = [60, 60, 60, 60]
    chances = [[0.3 if a == b else 0.005 for b in range(4)] for a in range(4)]
    graph = from_networkx(networkx.stochastic_block_model(sizes, chances, seed=0))
    labels = clusters(graph, 4, seed=1)
    planted = torch.arange(240) // 60
    for label in range(4):
        share = torch.bincount(planted[labels == label], minlength=4).max() / (labels == label).sum()
        assert share > 0.9


@pytest.mark.parametrize("num_clusters", [1, 2, 7, 31, 62])
@pytest.mark.parametrize("imbalance", [1.0, 1.5])
def test_labels_are_even_and_none_is_empty(num_clusters: int, imbalance: float) -> None:
    labels = clusters(hub_graph(), num_clusters, imbalance=imbalance)
    count = torch.bincount(labels)
    assert labels.dtype == torch.int64 and labels.shape == (62,)
    assert len(count) <= num_clusters and bool((count > 0).all())
    assert int(count.max()) <= -(-imbalance * 62 // num_clusters)


def test_the_seed_decides() -> None:
    before = torch.get_rng_state()
    one, again, other = (clusters(hub_graph(), 8, seed=seed) for seed in (0, 0, 5))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_graph_without_edges() -> None:
    assert int(torch.bincount(clusters(Graph.empty(10), 3)).max()) <= 5
    assert clusters(Graph.empty(2), 2).sort().values.tolist() in ([0, 1], [0, 0])


def test_wrong_use() -> None:
    for number in (0, 63):
        with pytest.raises(ValueError, match=rf"num_clusters must be in \[1, 62\].*got {number}"):
            clusters(hub_graph(), number)
    with pytest.raises(ValueError, match=r"imbalance must be at least 1, got 0.5"):
        clusters(hub_graph(), 2, imbalance=0.5)
    with pytest.raises(ValueError, match="one kind of node"):
        clusters(Graph.empty((2, 2)), 1)
