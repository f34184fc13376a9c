"""Splits: no edge, in either direction and in any copy, is in two parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.graph.split import split_edges

pairs = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=12, max_size=60)


def as_set(edges: Tensor, both: bool) -> set[tuple[int, int]]:
    return {(min(a, b), max(a, b)) if both else (a, b) for a, b in edges.T.tolist()}


@given(pairs, st.sampled_from([None, True, False]), st.booleans(), st.integers(0, 3))
def test_nothing_leaks(edges: list[tuple[int, int]], undirected: bool | None, mirrored: bool, seed: int) -> None:
    edge_index = torch.tensor(edges).T
    if mirrored:
        edge_index = torch.cat([edge_index, edge_index.flip(0)], 1)
    all_edges = {*map(tuple, edge_index.T.tolist())}
    both = undirected if undirected is not None else all(pair[::-1] in all_edges for pair in all_edges)
    parts = split_edges(edge_index, 0.2, 0.3, seed=seed, undirected=undirected, num_nodes=9)
    train, val, test = (as_set(part, both) for part in parts[1:])
    whole = as_set(edge_index, both)
    assert train | val | test == whole and len(train) + len(val) + len(test) == len(whole)
    assert (len(val), len(test)) == (round(0.2 * len(whole)), round(0.3 * len(whole)))
    assert as_set(parts.train.edge_index, both) == train
    assert {*map(tuple, parts.train.edge_index.T.tolist())} <= all_edges
    assert sum(part.shape[1] for part in parts[1:]) == len(whole)  # each pair is listed once
    assert parts.train.num_nodes == 9


def test_order_does_not_matter_and_the_seed_does() -> None:
    edges = torch.cartesian_prod(torch.arange(10), torch.arange(10)).T
    one = split_edges(edges, 10, 20)
    again = split_edges(edges.flip(1), 10, 20)
    other = split_edges(edges, 10, 20, seed=1)
    assert torch.equal(one.test_edges, again.test_edges) and torch.equal(one.val_edges, again.val_edges)
    assert not torch.equal(one.test_edges, other.test_edges)


def test_every_edge_is_held_out_equally_often() -> None:
    edges = torch.stack([torch.arange(20), (torch.arange(20) * 7 + 3) % 20])
    counts = torch.zeros(20)
    for seed in range(200):
        counts[split_edges(edges, 0, 0.25, seed=seed, undirected=False).test_edges[0]] += 1
    statistic = float(((counts - 50) ** 2 / 50).sum())
    assert statistic < 19 * 2.3  # of 19 degrees of freedom, at less than 0.1 %


def test_bipartite_and_weighted() -> None:
    words = torch.arange(30)
    graph = Graph.from_edge_index(torch.stack([words % 5, words % 7]), (5, 7), words.double())
    parts = split_edges(graph, 3, 4)
    assert parts.train.bipartite and parts.train.num_edges == 23 and parts.train.weight is not None
    source, destination = parts.train.edge_index
    position = {pair: w for pair, w in zip(map(tuple, graph.edge_index.T.tolist()), graph.weight.tolist(), strict=True)}  # type: ignore[union-attr]
    assert [position[pair] for pair in zip(source.tolist(), destination.tolist(), strict=True)] == (
        parts.train.weight.tolist())


@pytest.mark.parametrize(("options", "message"), [
    ({"val": 1.0}, r"val must be a share in \[0, 1\) or a number of edges, got 1.0"),
    ({"test": -0.1}, "test must be a share"),
    ({"test": -3}, "test must be a share"),
    ({"val": True}, "val must be a share"),
    ({"val": 0.5, "test": 0.5}, "leave no training edge of 2; lower them"),
    ({"source": Graph.empty((2, 2)), "undirected": True}, "edges go one way"),
    ({"source": torch.tensor([[0.5], [1.0]])}, "must hold integers"),
])
def test_wrong_use(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_edges(**{"source": torch.tensor([[0, 1], [1, 2]]), **options})
