"""Common neighbours of pairs against sets."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.graph.graph import Graph
from graphns.kernels import common_neighbors as kernel
from tests.kernels.plain import run_as_python
from tests.kernels.test_walks import hub_graph

EDGES = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=60)
PAIRS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=12)


def by_sets(graph: Graph, left: torch.Tensor, right: torch.Tensor) -> list[list[int]]:
    rows = [set(graph.neighbors(node).tolist()) for node in range(graph.num_src)]
    return [sorted(rows[u] & rows[v]) for u, v in zip(left.tolist(), right.tolist(), strict=True)]


def cut(starts: torch.Tensor, ids: torch.Tensor) -> list[list[int]]:
    return [ids[a:b].tolist() for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)]


@given(EDGES, PAIRS)
def test_they_are_the_intersections(edges: list[tuple[int, int]], pairs: list[tuple[int, int]]) -> None:
    graph = Graph.from_edge_index(torch.tensor(edges, dtype=torch.int64).view(-1, 2).T, 12)
    left, right = torch.tensor(pairs, dtype=torch.int64).view(-1, 2).T.contiguous()
    found = kernel.common_neighbors(graph.indptr, graph.indices, left, right)
    assert cut(*found) == by_sets(graph, left, right)
    assert found[1].dtype == graph.indices.dtype
    plain = kernel.common_neighbors_torch(graph.indptr, graph.indices, left, right)
    assert all(torch.equal(a, b) for a, b in zip(found, plain, strict=True))


def test_a_hub_and_a_leaf_in_either_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of very different lengths are searched, not walked."""
    graph = hub_graph()
    every = torch.arange(graph.num_src)
    left, right = torch.cat([torch.zeros_like(every), every, every]), torch.cat([every, torch.zeros_like(every), every])
    found = kernel.common_neighbors(graph.indptr, graph.indices, left, right)
    assert cut(*found) == by_sets(graph, left, right)
    many = kernel.common_neighbors(graph.indptr, graph.indices, left.repeat(12), right.repeat(12))  # on threads
    assert cut(*many) == by_sets(graph, left, right) * 12
    run_as_python(monkeypatch, kernel)
    plain = kernel.common_neighbors(graph.indptr, graph.indices, left, right)
    assert all(torch.equal(a, b) for a, b in zip(found, plain, strict=True))
