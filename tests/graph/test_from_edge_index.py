"""What a list of edges may hold, and what is refused at the door."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch

from graphns.graph.graph import Graph


def test_duplicates_count_once_and_add_their_weights() -> None:
    edges = torch.tensor([[1, 0, 1, 1], [0, 2, 0, 1]])
    graph = Graph.from_edge_index(edges, 3, torch.tensor([1.0, 2.0, 0.5, 4.0]))
    assert graph.edge_index.tolist() == [[0, 1, 1], [2, 0, 1]]
    assert graph.weight is not None and graph.weight.tolist() == [2.0, 1.5, 4.0]
    assert graph.has_self_loops and graph.degree.tolist() == [1, 2, 0] and graph.in_degree.tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_any_integer_width(dtype: torch.dtype) -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]], dtype=dtype))
    assert (graph.num_nodes, graph.indices.dtype, graph.indptr.dtype) == (3, torch.int32, torch.int64)


def test_nodes_without_edges() -> None:
    graph = Graph.from_edge_index(torch.empty((2, 0), dtype=torch.int64), 4)
    assert (graph.num_nodes, graph.num_edges, graph.neighbors(3).tolist()) == (4, 0, [])
    assert not bool(graph.has_edge(torch.arange(4), torch.zeros(4, dtype=torch.int64)).any())


@pytest.mark.parametrize(("edges", "size", "weight", "message"), [
    (torch.tensor([[0, 5], [1, 2]]), 3, None, r"edge 1 has source id 5, outside \[0, 3\)"),
    (torch.tensor([[0, 1], [1, -2]]), 3, None, r"edge 1 has destination id -2, outside \[0, 3\)"),
    (torch.tensor([[0, 1], [1, 2]]), (2, 2), None, r"edge 1 has destination id 2, outside \[0, 2\)"),
    (torch.tensor([[0.0, 1.0], [1.0, 2.0]]), None, None, r"must hold integers, got torch.float32"),
    (torch.tensor([[True], [False]]), None, None, r"must hold integers, got torch.bool"),
    (torch.tensor([[0, 1], [1, 2], [2, 0]]), None, None, r"must be \[2, E\], got \(3, 2\); transpose it"),
    (torch.tensor([0, 1]), None, None, r"must be \[2, E\], got \(2,\)"),
    ([[0], [1]], None, None, r"must be a tensor \[2, E\], got list"),
    (torch.empty((2, 0), dtype=torch.int64), None, None, r"at least one node, got num_nodes=0"),
    (torch.tensor([[0], [1]]), 0, None, r"at least one node"),
    (torch.tensor([[0, 1], [1, 2]]), None, torch.tensor([1.0]), r"one weight per edge \[2\], got \(1,\)"),
    (torch.tensor([[0, 1], [1, 2]]), None, torch.tensor([1.0, float("nan")]), r"weight nan of edge 1"),
    (torch.tensor([[0, 1], [1, 2]]), None, torch.tensor([float("inf"), 1.0]), r"weight inf of edge 0"),
    (torch.tensor([[0, 1], [1, 2]]), None, torch.tensor([1.0, -0.5]), r"weight -0.5 of edge 1"),
])
def test_bad_edges(edges: Any, size: Any, weight: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Graph.from_edge_index(edges, size, weight)


def test_bipartite_has_no_num_nodes() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0], [4]]), (2, 5))
    assert repr(graph) == "Graph(num_src=2, num_dst=5, num_edges=1)" and not graph.has_self_loops
    assert graph.transposed.edge_index.tolist() == [[4], [0]]
    with pytest.raises(ValueError, match="num_src=2 and num_dst=5"):
        _ = graph.num_nodes


def test_anchors_must_be_rows() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0], [1]]))
    with pytest.raises(ValueError, match=r"anchor -1 is outside \[0, 2\)"):
        graph.rows(torch.tensor([0, -1]))
    with pytest.raises(ValueError, match="one id per anchor"):
        graph.rows(torch.tensor([[0, 1]]))


def test_a_pickle_leaves_derived_tables_behind() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 1], [1, 2, 2]]), 3)
    assert graph.edge_filter is not None and graph.degree.tolist() == [2, 1, 0]
    again = pickle.loads(pickle.dumps(graph))
    assert not {"edge_filter", "degree"} & set(vars(again))
    assert torch.equal(again.edge_filter, graph.edge_filter) and torch.equal(again.indices, graph.indices)
