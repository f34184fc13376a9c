"""Graphs from what other libraries make."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx
import numpy as np
import pytest
import scipy.sparse
import torch
from torch_geometric.data import Data, HeteroData

from graphns.graph.build import as_graph, from_data, from_dgl, from_networkx, from_numpy, from_scipy, joined
from graphns.graph.graph import Graph
from graphns.graph.store import save

EDGES = torch.tensor([[0, 0, 1], [1, 2, 2]])


def hetero() -> HeteroData:
    data = HeteroData()
    data["user"].num_nodes = 2
    data["item"].num_nodes = 4
    data["user", "buys", "item"].edge_index = torch.tensor([[0, 1], [3, 0]])
    data["user", "knows", "user"].edge_index = torch.tensor([[0], [1]])
    data["user", "knows", "user"].edge_weight = torch.tensor([2.5])
    return data


class FakeDGL:
    """The part of a `DGLGraph` that is read: DGL itself has no wheel beside the pinned torch on every Python."""

    def __init__(self, *triples: tuple[str, str, str]) -> None:
        self.canonical_etypes = list(triples)
        self.edges = _FakeEdges()

    def num_nodes(self, kind: str) -> int:
        return {"user": 2, "item": 4}[kind]


class _FakeEdges:
    def __call__(self, etype: tuple[str, str, str], order: str) -> tuple[torch.Tensor, torch.Tensor]:
        assert order == "eid"
        return torch.tensor([0, 1]), torch.tensor([1, 0])

    def __getitem__(self, etype: tuple[str, str, str]) -> SimpleNamespace:
        return SimpleNamespace(data={"w": torch.tensor([1.0, 3.0])})


def test_data() -> None:
    graph = from_data(Data(edge_index=EDGES, edge_weight=torch.tensor([1.0, 2.0, 3.0]), num_nodes=5))
    assert graph.num_nodes == 5 and graph.weight is not None and graph.weight.tolist() == [1.0, 2.0, 3.0]
    assert from_data(Data(edge_index=EDGES, edge_weight=torch.ones(3), num_nodes=5), weight=None).weight is None
    with pytest.raises(ValueError, match="Data has no edge_index"):
        from_data(Data(x=torch.ones(3, 1)))
    with pytest.raises(ValueError, match="is for HeteroData, got Data"):
        from_data(Data(edge_index=EDGES, num_nodes=3), ("a", "b", "c"))
    with pytest.raises(ValueError, match=r"edge 1 has destination id 2, outside \[0, 2\)"):
        from_data(Data(edge_index=EDGES, num_nodes=2))


def test_hetero_data() -> None:
    buys = from_data(hetero(), ("user", "buys", "item"))
    assert (buys.bipartite, buys.num_src, buys.num_dst, buys.edge_index.tolist()) == (True, 2, 4, [[0, 1], [3, 0]])
    knows = from_data(hetero(), ("user", "knows", "user"))
    assert not knows.bipartite and knows.weight is not None and knows.weight.tolist() == [2.5]
    with pytest.raises(ValueError, match=r"HeteroData needs edge_type, one of"):
        from_data(hetero())
    with pytest.raises(ValueError, match=r"has no edge type .*sells"):
        from_data(hetero(), ("user", "sells", "item"))
    unsized = HeteroData()
    unsized["a", "to", "b"].edge_attr = torch.ones(1)
    with pytest.raises(ValueError, match="does not know how many nodes"), pytest.warns(UserWarning):
        from_data(unsized)


def test_dgl() -> None:
    graph = from_dgl(FakeDGL(("user", "buys", "item")), weight="w")
    assert graph.bipartite and graph.num_dst == 4
    assert graph.weight is not None and graph.weight.tolist() == [1.0, 3.0]
    two = FakeDGL(("user", "buys", "item"), ("user", "knows", "user"))
    assert not from_dgl(two, "knows").bipartite
    with pytest.raises(ValueError, match="the DGL graph needs edge_type"):
        from_dgl(two)
    with pytest.raises(ValueError, match="has no edge type"):
        from_dgl(two, "sells")
    with pytest.raises(ValueError, match="have no data 'v'; they have"):
        from_dgl(two, "knows", weight="v")


def test_networkx() -> None:
    other = networkx.Graph()
    other.add_edge("b", "a", weight=2.0)
    other.add_edge("a", "a")
    graph = from_networkx(other)
    assert graph.edge_index.tolist() == [[0, 1, 1], [1, 0, 1]]
    assert graph.weight is not None and graph.weight.tolist() == [2.0, 2.0, 1.0]
    parallel = networkx.MultiDiGraph([(0, 1), (0, 1)])
    assert from_networkx(parallel).edge_index.tolist() == [[0], [1]]
    assert from_networkx(other, weight=None).weight is None
    with pytest.raises(ValueError, match="at least one node"):
        from_networkx(networkx.Graph())
    other["a"]["b"]["weight"] = -1.0
    with pytest.raises(ValueError, match=r"weight -1.0 of edge"):
        from_networkx(other)


def test_scipy() -> None:
    square = scipy.sparse.csr_array(np.array([[0, 2.0], [0, 0]]))
    graph = from_scipy(square)
    assert not graph.bipartite and graph.weight is not None and graph.weight.tolist() == [2.0]
    assert from_scipy(square, bipartite=True).bipartite
    assert from_scipy(scipy.sparse.coo_matrix(([True], ([0], [2])), (2, 3))).num_dst == 3
    stored = scipy.sparse.coo_array(([0.0, 1.0, 1.0], ([0, 1, 1], [1, 0, 0])), (2, 2))
    added = from_scipy(stored)  # equal entries are added, also where each is 1
    assert added.edge_index.tolist() == [[1], [0]] and added.weight is not None and added.weight.tolist() == [2.0]
    assert stored.nnz == 3
    with pytest.raises(ValueError, match="pass bipartite=True"):
        from_scipy(scipy.sparse.csr_array((2, 3)), bipartite=False)
    with pytest.raises(ValueError, match="weight nan of edge 0"):
        from_scipy(scipy.sparse.csr_array(np.array([[0, np.nan], [0, 0]])))
    with pytest.raises(ValueError, match="real numbers"):
        from_scipy(scipy.sparse.csr_array(np.array([[0, 1j], [0, 0]])))
    with pytest.raises(ValueError, match="at least one node"):
        from_scipy(scipy.sparse.csr_array((0, 0)))


def test_numpy() -> None:
    wide, tall = np.array([[0, 0, 1], [1, 2, 2]]), np.array([[0, 1], [0, 2], [1, 2]], dtype=np.uint16)
    assert from_numpy(wide).edge_index.tolist() == from_numpy(tall).edge_index.tolist() == EDGES.tolist()
    assert from_numpy(np.array([[0, 1], [2, 3]])).edge_index.tolist() == [[0, 1], [2, 3]]
    assert from_numpy(np.empty((2, 0), dtype=int), 3).num_nodes == 3
    weighted = from_numpy(tall, 4, np.array([1, 2, 3]))
    assert weighted.weight is not None and weighted.weight.tolist() == [1, 2, 3]


@pytest.mark.parametrize(("edges", "message"), [
    (np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]), r"got \(3, 3\); for a dense adjacency matrix use from_scipy"),
    (np.array([0, 1]), r"must be an array \[2, E\] or \[E, 2\], got \(2,\)"),
    (np.array([[0.5, 1.0], [1.0, 0.0]]), "must hold integers, got float64"),
    (np.array([[0, 1], [2]], dtype=object), "edges are ragged"),
    (np.array([[0, -1], [1, 2]]), "source id -1"),
    (np.array([[0, 2**63], [1, 2]], dtype=np.uint64), "node id 9223372036854775808 is above"),
])
def test_bad_arrays(edges: np.ndarray[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_numpy(edges, 4)


def test_anything(tmp_path: Path) -> None:
    graph = Graph.from_edge_index(EDGES, 3)
    assert as_graph(graph) is graph
    dense = np.array([[0, 1, 1], [0, 0, 1], [0, 0, 0]])
    sparse = torch.sparse_coo_tensor(EDGES, torch.tensor([1.0, 1.0, 1.0]), (3, 3), check_invariants=False)
    sources: list[Any] = [
        EDGES, EDGES.numpy(), scipy.sparse.csr_matrix(dense), networkx.DiGraph(EDGES.T.tolist()),
        Data(edge_index=EDGES, num_nodes=3), save(graph, tmp_path / "graph"), str(tmp_path / "graph"), sparse,
    ]
    for source in sources:
        assert as_graph(source).edge_index.tolist() == EDGES.tolist(), type(source)
    assert as_graph(EDGES, 7).num_nodes == as_graph(Data(edge_index=EDGES, num_nodes=7), 7).num_nodes == 7
    assert as_graph(FakeDGL(("user", "buys", "item")), (2, 4)).bipartite
    with pytest.raises(ValueError, match="num_nodes=9 says otherwise"):
        as_graph(graph, 9)
    with pytest.raises(ValueError, match="cannot make a graph of dict"):
        as_graph({})


def test_joined() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 1], [2, 0]]), (2, 3), torch.tensor([1.0, 5.0]))
    both = joined(graph)
    assert (both.num_nodes, both.edge_index.tolist()) == (5, [[0, 1, 2, 4], [4, 2, 1, 0]])
    assert both.weight is not None and both.weight.tolist() == [1.0, 5.0, 5.0, 1.0]
    assert joined(both) is both
