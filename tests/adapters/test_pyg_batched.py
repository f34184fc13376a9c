"""Negatives within each graph of a batch: exact per graph, in any order of edges and nodes."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.pyg import batched_negative_sampling


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pairs(tensor: Tensor) -> list[tuple[int, int]]:
    return list(map(tuple, tensor.T.tolist()))


@given(st.data())
def test_each_graph_gets_its_exact_count(data: st.DataObject) -> None:
    """Edges in any order, nodes in any order, graphs without edges or nodes, and every kind of count."""
    bipartite, undirected = data.draw(st.booleans()), data.draw(st.booleans())
    batch = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=14))
    target = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=14)) if bipartite else batch
    possible = [(u, v) for u, v in product(range(len(batch)), range(len(target))) if batch[u] == target[v]]
    edges = data.draw(st.lists(st.sampled_from(possible), max_size=40)) if possible else []
    edge_index = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T
    num = data.draw(st.one_of(st.none(), st.integers(0, 30), st.sampled_from([0.0, 0.5, 1.5])))
    both = (torch.tensor(batch), torch.tensor(target)) if bipartite else torch.tensor(batch)
    negative = pairs(batched_negative_sampling(edge_index, both, num, force_undirected=undirected,
                                               generator=seeded(data.draw(st.integers(0, 99)))))
    undirected = undirected and not bipartite
    known = set(edges) | ({(v, u) for u, v in edges} if undirected else set())
    seen = []
    for graph in range(4):
        free = {(u, v) for u, v in possible if batch[u] == graph and (bipartite or u != v)} - known
        own = sum(batch[u] == graph for u, _ in edges)
        wanted = own if num is None else int(num * own) if isinstance(num, float) else num
        wanted = wanted // 2 * 2 if undirected else wanted
        drawn = [pair for pair in negative if batch[pair[0]] == graph]
        assert set(drawn) <= free
        assert len(set(drawn)) == len(drawn) == min(wanted, len(free))
        if undirected:
            half = len(drawn) // 2
            assert drawn[half:] == [(v, u) for u, v in drawn[:half]]
        seen += drawn
    assert seen == negative  # graph by graph


def test_unsorted_edges_are_grouped() -> None:
    """PyG cuts the columns of edge_index into runs, so shuffled edges fall to the wrong graph."""
    blocks = [torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]]) + 4 * graph for graph in range(3)]
    edge_index = torch.cat(blocks, 1)
    batch = torch.arange(3).repeat_interleave(4)
    known = set(pairs(edge_index))
    for seed in range(100):
        shuffled = edge_index[:, torch.randperm(12, generator=seeded(seed))]
        negative = batched_negative_sampling(shuffled, batch, generator=seeded(seed))
        assert negative.shape == (2, 12)
        assert torch.equal(batch[negative[0]], batch[negative[1]])
        assert not known & set(pairs(negative))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_uniform_within_each_graph(seed: int) -> None:
    """Graphs of several densities in one draw: sparse, more than half wanted, a hub."""
    edge_index = torch.tensor([[0, 1, 2, 4, 4, 4, 5], [1, 2, 0, 5, 6, 7, 4]])
    batch = torch.tensor([0, 0, 0, 1, 1, 1, 1, 1])
    generator = seeded(seed)
    drawn = [pairs(batched_negative_sampling(edge_index, batch, 2, generator=generator)) for _ in range(1500)]
    for graph in (0, 1):
        free = [(u, v) for u, v in product(range(8), repeat=2)
                if u != v and batch[u] == batch[v] == graph and (u, v) not in pairs(edge_index)]
        for place in (2 * graph, 2 * graph + 1):
            at = [each[place] for each in drawn]
            assert chisquare([at.count(p) for p in free]).pvalue > 1e-3 / 12


def test_prepared_graph_and_narrow_integers() -> None:
    edge_index = torch.tensor([[0, 1, 3], [1, 2, 4]])
    batch = torch.tensor([0, 0, 0, 1, 1])
    expected = batched_negative_sampling(edge_index, batch, 2, generator=seeded(1))
    graph = Graph.from_edge_index(edge_index, 5)
    assert torch.equal(batched_negative_sampling(graph, batch, 2, generator=seeded(1)), expected)
    narrow = batched_negative_sampling(edge_index.int(), batch.int(), 2, generator=seeded(1))
    assert torch.equal(narrow, expected)
    assert narrow.dtype == torch.int64


def test_nothing_gives_nothing() -> None:
    none = torch.empty((2, 0), dtype=torch.int64)
    for batch in (torch.empty(0, dtype=torch.int64), torch.tensor([0]), torch.tensor([0, 1, 2])):
        assert batched_negative_sampling(none, batch, 5).shape == (2, 0)
    assert batched_negative_sampling(none, torch.tensor([1, 1]), 5).tolist() in ([[0, 1], [1, 0]], [[1, 0], [0, 1]])
    assert batched_negative_sampling(none, (torch.tensor([0]), torch.empty(0, dtype=torch.int64)), 5).shape == (2, 0)


@pytest.mark.parametrize(("arguments", "message"), [
    (dict(batch=torch.tensor([0, 1, 1])), "edge 0 joins node 0 of graph 0 and node 1 of graph 1"),
    (dict(batch=torch.tensor([0, 0])), r"destination id 2 is outside \[0, 2\)"),
    (dict(edge_index=torch.tensor([[-1], [0]])), r"source id -1 is outside \[0, 3\)"),
    (dict(batch=torch.tensor([0, 0, -1])), "batch holds -1; graphs are numbered from 0"),
    (dict(batch=torch.zeros(3)), r"one integer per node \[N\], got torch.float32"),
    (dict(num_neg_samples=-1.5), "at least 0, got -1.5"),
    (dict(num_neg_samples=-2), "at least 0, got -2"),
    (dict(method="wild"), "got 'wild'"),
])
def test_bad_input_is_refused(arguments: dict[str, object], message: str) -> None:
    good = {"edge_index": torch.tensor([[0, 1], [1, 2]]), "batch": torch.tensor([0, 0, 0])}
    with pytest.raises(ValueError, match=message):
        batched_negative_sampling(**{**good, **arguments})  # type: ignore[arg-type]
