"""Depth-first order: against a recursion written down."""

from __future__ import annotations

import pytest
import torch

from graphns.graph.depth_first import depth_first_order, joined_order
from graphns.graph.graph import Graph
from graphns.kernels.depth_first import _preorder


def recursion(rows: list[list[int]], root: int) -> list[int]:
    found: list[int] = []

    def visit(node: int) -> None:
        if node not in found:
            found.append(node)
            for other in rows[node]:
                visit(other)

    for shift in range(len(rows)):
        visit((root + shift) % len(rows))
    return found


@pytest.mark.parametrize("root", [0, 3, 29])
def test_is_the_recursion(root: int) -> None:
    edges = torch.tensor([[i * 7 % 30, i * 11 % 30 * (i % 3) % 30] for i in range(45)]).T
    graph = Graph.from_edge_index(edges, num_nodes=30)
    rows = [graph.neighbors(u).tolist() for u in range(30)]
    assert depth_first_order(graph, root).tolist() == recursion(rows, root)


def test_a_long_path_needs_no_recursion() -> None:
    n = 20_000
    path = Graph.from_edge_index(torch.stack([torch.arange(n - 1), torch.arange(1, n)]), num_nodes=n)
    assert torch.equal(depth_first_order(path), torch.arange(n))
    assert depth_first_order(path, 5).tolist()[-5:] == [0, 1, 2, 3, 4]


def test_edges_without_edges_and_bipartite_graphs() -> None:
    assert depth_first_order(Graph.empty(4)).tolist() == [0, 1, 2, 3]
    graph = Graph.from_edge_index(torch.tensor([[0, 2, 2], [1, 1, 0]]), num_nodes=(3, 4))
    sources, candidates = joined_order(graph)
    assert sources.tolist() == [0, 2, 1] and candidates.tolist() == [1, 0, 2, 3]
    assert joined_order(graph, root=1)[0].tolist() == [1, 2, 0]


def test_refuses() -> None:
    with pytest.raises(ValueError, match="joined"):
        depth_first_order(Graph.empty((2, 3)))
    with pytest.raises(ValueError, match=r"root must be a node in \[0, 4\), got 4"):
        depth_first_order(Graph.empty(4), 4)
    with pytest.raises(ValueError, match=r"root must be a source in \[0, 2\), got 2"):
        joined_order(Graph.empty((2, 3)), 2)


def test_the_compiled_loop_is_its_python_source() -> None:
    graph = Graph.from_edge_index(torch.tensor([[i * 7 % 30, i * 13 % 30] for i in range(60)]).T, num_nodes=30)
    order = torch.empty(30, dtype=torch.int64)
    _preorder.py_func(graph.indptr.numpy(), graph.indices.numpy(), 4, order.numpy())
    assert torch.equal(order, depth_first_order(graph, 4))
