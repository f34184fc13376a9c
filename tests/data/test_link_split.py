"""Random splits of links: nothing held out is seen, negatives are no edges, and nothing but the seed decides."""

from __future__ import annotations

import networkx as nx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from graphns.data.link_split import random_links
from graphns.graph.build import from_networkx
from graphns.graph.graph import Graph


def as_set(pairs: Tensor, undirected: bool) -> set[tuple[int, ...]]:
    return {tuple(sorted(pair)) if undirected else tuple(pair) for pair in pairs.T.tolist()}


@given(st.integers(0, 2**40), st.booleans(), st.floats(0.05, 0.4), st.integers(1, 20))
def test_nothing_leaks(seed: int, undirected: bool, val: float, test: int) -> None:
    plain = nx.gnm_random_graph(30, 90, seed=seed % 7, directed=not undirected)
    graph = from_networkx(plain)
    looped = Graph.from_edge_index(torch.cat([graph.edge_index, torch.arange(9).repeat(2, 1)], 1), 30)
    data = random_links(looped, val=val, test=test, seed=seed, undirected=undirected)
    wanted = as_set(graph.edge_index, undirected)
    edges = [as_set(data.positive(part), undirected) for part in ("train", "valid", "test")]
    assert [len(part) for part in edges] == [data.positive(part).shape[1] for part in ("train", "valid", "test")]
    assert len(edges[1]) == round(val * 90) and len(edges[2]) == test
    assert edges[0] | edges[1] | edges[2] == wanted and sum(map(len, edges)) == len(wanted), "each in one part"
    assert as_set(data.graph.edge_index, undirected) == edges[0], "the graph has the training edges alone"
    assert data.graph.num_edges == len(edges[0]) * (2 if undirected else 1)
    negatives = [as_set(part.negative, undirected) for part in (data.valid, data.test)]
    assert [len(part) for part in negatives] == [len(edges[1]), len(edges[2])]
    assert not (negatives[0] & negatives[1]) and not ((negatives[0] | negatives[1]) & wanted)
    assert not any(a == b for a, b in negatives[0] | negatives[1])
    assert (data.setting, data.metric, data.undirected) == ("random", "auc", undirected)


def test_the_seed_decides_and_nothing_else() -> None:
    graph = from_networkx(nx.gnm_random_graph(60, 200, seed=0))
    order = torch.randperm(graph.num_edges, generator=torch.Generator().manual_seed(0))
    turned = Graph.from_edge_index(graph.edge_index[:, order], 60)
    before = torch.get_rng_state()
    first, second = random_links(graph, seed=5), random_links(turned, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    for part in ("valid", "test"):
        for one, other in zip(first.part(part), second.part(part), strict=True):
            assert torch.equal(one, other)
    assert not torch.equal(random_links(graph, seed=6).test.positive, first.test.positive)
    assert not torch.equal(random_links(graph, seed=6).test.negative, first.test.negative)


def test_negatives_are_uniform() -> None:
    """Chi-square over the 21 pairs of a path that are no edges, 3 of them drawn by each of 1400 seeds."""
    path = from_networkx(nx.path_graph(8))
    counts = torch.zeros(8, 8)
    for seed in range(1400):
        data = random_links(path, val=1, test=2, seed=seed)
        for part in (data.valid, data.test):
            counts[part.negative.amin(0), part.negative.amax(0)] += 1
    free = torch.ones(8, 8).triu(2).bool()
    assert int(counts[~free].sum()) == 0
    expected = 1400 * 3 / 21
    # without replacement, counts vary less than a multinomial's: by (21 - 3) / 20
    statistic = float(((counts[free] - expected) ** 2 / expected).sum()) / (18 / 20)
    assert 6 < statistic < 43, "20 degrees of freedom: outside with a chance of 0.3 %"


def test_refusals() -> None:
    triangle = from_networkx(nx.complete_graph(5))
    with pytest.raises(ValueError, match="3 negatives are needed, and only 0 pairs are no edges"):
        random_links(triangle, val=1, test=2)
    with pytest.raises(ValueError, match="val=0 and test=2 hold out 0 and 2 of 10 edges; both parts need some"):
        random_links(triangle, val=0, test=2)
    with pytest.raises(ValueError, match="leave no training edge"):
        random_links(triangle, val=5, test=5)
    with pytest.raises(ValueError, match="one kind of node"):
        random_links(Graph.from_edge_index(torch.tensor([[0], [1]]), (2, 2)))
