"""Rings against networkx's breadth-first distances."""

from __future__ import annotations

import networkx
import pytest
import torch

from graphns.graph.build import from_networkx, joined
from graphns.graph.graph import Graph
from graphns.graph.hops import hop_rings, ring_graph
from graphns.kernels import hops
from tests.kernels.plain import run_as_python
from tests.kernels.test_walks import hub_graph

RANGES = [(0, 0), (0, 2), (1, 1), (2, 2), (2, 3), (3, 9)]


def by_networkx(graph: Graph, anchor: int, low: int, high: int) -> list[int]:
    other = networkx.DiGraph(graph.edge_index.T.tolist())
    other.add_nodes_from(range(graph.num_src))
    distance = networkx.single_source_shortest_path_length(other, anchor)
    return sorted(node for node, steps in distance.items() if low <= steps <= high)


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_rings_are_those_of_networkx(low: int, high: int) -> None:
    graph = hub_graph()
    directed = Graph.from_edge_index(graph.edge_index[:, graph.edge_index[0] != 0], 62)
    for each in (graph, directed, from_networkx(networkx.path_graph(7))):
        anchors = torch.arange(each.num_src).flip(0)
        indptr, ids = hop_rings(each, anchors, low, high)
        for b, anchor in enumerate(anchors.tolist()):
            assert ids[indptr[b] : indptr[b + 1]].tolist() == by_networkx(each, anchor, low, high)


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_versions_agree(low: int, high: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = hub_graph()
    anchors = torch.tensor([0, 61, 5, 5, 17])
    found = hops.rings(graph.indptr, graph.indices, anchors, low, high, 3)
    assert found[1].dtype == graph.indices.dtype
    expected = hops.rings_torch(graph.indptr, graph.indices, anchors, low, high, 3)
    run_as_python(monkeypatch, hops)
    plain = hops.rings(graph.indptr, graph.indices, anchors, low, high, 3)
    for a, b, c in zip(found, expected, plain, strict=True):
        assert torch.equal(a, b) and torch.equal(a, c)


def test_no_anchors() -> None:
    graph = hub_graph()
    for version in (hops.rings, hops.rings_torch):
        indptr, ids = version(graph.indptr, graph.indices, torch.arange(0), 1, 2)
        assert indptr.tolist() == [0] and len(ids) == 0


def test_a_graph_of_rings() -> None:
    rings = ring_graph(from_networkx(networkx.cycle_graph(6)), 2, 2)
    assert not rings.bipartite
    assert [rings.neighbors(node).tolist() for node in range(3)] == [[2, 4], [3, 5], [0, 4]]


def test_bipartite_rings_hold_candidates_at_odd_distances() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 1, 1, 2], [0, 1, 1, 2, 3]]), (3, 5))
    assert ring_graph(graph, 1, 1).edge_index.tolist() == graph.edge_index.tolist()
    far = ring_graph(graph, 2, 3)
    assert (far.num_src, far.num_dst, far.edge_index.tolist()) == (3, 5, [[0, 1], [2, 0]])
    assert by_networkx(joined(graph), 0, 3, 3) == [3 + 2]


@pytest.mark.parametrize(("low", "high"), [(-1, 2), (3, 2)])
def test_wrong_distances(low: int, high: int) -> None:
    with pytest.raises(ValueError, match="0 <= low <= high"):
        hop_rings(hub_graph(), torch.tensor([0]), low, high)
    with pytest.raises(ValueError, match=r"anchor 99 is outside"):
        hop_rings(hub_graph(), torch.tensor([99]), 1, 2)
