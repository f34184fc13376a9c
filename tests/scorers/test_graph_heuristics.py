"""Heuristics of the graph against networkx and dense algebra, and what they promise about ties."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from graphns.base import Model
from graphns.graph.build import from_networkx
from graphns.graph.graph import Graph
from graphns.scorers import katz
from graphns.scorers.from_graph import Heuristic
from graphns.scorers.heuristics import HEURISTICS
from graphns.scorers.katz import Katz
from graphns.scorers.overlap import AdamicAdar, CommonNeighbors, ResourceAllocation
from graphns.scorers.pagerank import PersonalizedPageRank

SIZE = 60


def plain_graph() -> nx.Graph:
    """Hubs, a path, and one node alone."""
    plain = nx.barabasi_albert_graph(SIZE - 6, 3, seed=2)
    plain.add_edges_from([(SIZE - 6, SIZE - 5), (SIZE - 5, SIZE - 4), (SIZE - 4, SIZE - 3), (SIZE - 3, SIZE - 2)])
    plain.add_node(SIZE - 1)
    return plain


def pairs() -> tuple[Tensor, Tensor]:
    return torch.triu_indices(SIZE, SIZE, 1).unbind()


@pytest.mark.parametrize("kind, reference", [(AdamicAdar, nx.adamic_adar_index),
                                             (ResourceAllocation, nx.resource_allocation_index),
                                             (CommonNeighbors, None)])
def test_common_neighbors_against_networkx(kind: type[Heuristic], reference: object) -> None:
    plain = plain_graph()
    source, target = pairs()
    ends = list(zip(source.tolist(), target.tolist(), strict=True))
    if callable(reference):
        wanted = [value for _, _, value in reference(plain, ends)]
    else:
        # alpha = 1 leaves common neighbours alone; networkx asks for a connected pair all the same
        wanted = [len(list(nx.common_neighbors(plain, *pair))) for pair in ends]
        joined = [pair for pair in ends if nx.has_path(plain, *pair)][:200]
        central = nx.common_neighbor_centrality(plain, joined, alpha=1)
        assert [value for _, _, value in central] == [len(list(nx.common_neighbors(plain, *pair))) for pair in joined]
    model = kind(from_networkx(plain))
    found = model.pairs(source, target)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-14, atol=1e-15)
    assert torch.equal(model.pairs(target, source), found), "a pair has no first end"
    assert torch.equal(model.rows(torch.arange(SIZE))[source, target], found)
    assert torch.equal(model.score(torch.arange(SIZE), torch.arange(SIZE)[None])[source, target], found)


@pytest.mark.parametrize("symmetric", [False, True])
def test_pagerank_against_networkx(symmetric: bool) -> None:
    plain = plain_graph()
    plain.remove_node(SIZE - 1)  # networkx sends a walk that cannot move back to its source: the same
    tolerance = 1e-6
    graph = from_networkx(plain)
    model = PersonalizedPageRank(graph, restart=0.2, tolerance=tolerance, symmetric=symmetric)
    anchors = torch.tensor([0, 7, SIZE - 6, 7, SIZE - 4])
    size = SIZE - 1
    exact = np.array([list(nx.pagerank(plain, alpha=0.8, personalization={node: 1}, tol=1e-12, max_iter=2000).values())
                      for node in range(size)])
    wanted = exact + exact.T if symmetric else exact
    degree = graph.degree.double().numpy()
    bound = tolerance * (degree[anchors][:, None] + degree[None])
    found = model.rows(anchors).numpy()
    error = wanted[anchors] - found
    assert (error > -1e-9).all() and (error < bound + 1e-9).all() and (found > 0).mean() > 0.5
    assert torch.equal(model.score(anchors, torch.arange(size)[None]), torch.from_numpy(found))
    chosen = torch.tensor([3, 9, SIZE - 6, 50, 11])
    assert torch.equal(model.pairs(anchors, chosen), torch.from_numpy(found)[torch.arange(5), chosen])


def test_blocks_of_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = from_networkx(plain_graph())
    anchors = torch.tensor([9, 3, 59, 3, 14, 0, 9])
    ids = torch.arange(7)[:, None] + torch.arange(4)
    for model, place in ((PersonalizedPageRank(graph), "graphns.scorers.pagerank._SOURCES"),
                         (Katz(graph), "graphns.scorers.katz._NUMBERS")):
        whole = model.score(anchors, ids)
        assert torch.equal(whole, model.rows(anchors).gather(1, ids))
        monkeypatch.setattr(place, 2 if "pagerank" in place else 2 * SIZE)
        assert torch.equal(model.score(anchors, ids), whole)
        assert model.score(anchors[:0], ids[:0]).shape == (0, 4)


@pytest.mark.parametrize("dense", [64, 8])
def test_katz_against_dense_algebra(dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(katz, "_DENSE", dense)
    plain = plain_graph()
    matrix = nx.to_numpy_array(plain, nodelist=range(SIZE))
    graph, source, target = from_networkx(plain), *pairs()
    short = sum(np.linalg.matrix_power(0.05 * matrix, length) for length in (1, 2, 3))
    np.testing.assert_allclose(Katz(graph, 0.05).pairs(source, target).numpy(), short[source, target], rtol=1e-12)
    radius = np.linalg.eigvalsh(matrix).max()
    for share in (0.3, 0.95):
        whole = np.linalg.inv(np.eye(SIZE) - share / radius * matrix) - np.eye(SIZE)
        found = Katz(graph, share / radius, length=None).rows(torch.arange(SIZE)).numpy()
        np.testing.assert_allclose(found, whole, rtol=1e-9, atol=1e-11)
    with pytest.raises(ValueError, match="is not below 1 / "):
        Katz(graph, 1.001 / radius, length=None)


def test_directions_loops_and_weights_are_not_read() -> None:
    plain = plain_graph()
    graph = from_networkx(plain)
    once = graph.edge_index[:, graph.edge_index[0] < graph.edge_index[1]]
    loops = torch.arange(0, SIZE, 2).repeat(2, 1)
    other = Graph.from_edge_index(torch.cat([once, loops], 1), SIZE, torch.rand(once.shape[1] + loops.shape[1]))
    source, target = pairs()
    for kind in HEURISTICS.values():
        assert torch.equal(kind(other).pairs(source, target), kind(graph).pairs(source, target))


def test_equal_degrees_tie_whatever_the_order() -> None:
    """Two pairs with common neighbours of degrees 2 … 12, met in rising and in falling order of ids."""
    degrees = list(range(2, 13))
    edges = []
    for pair, order in enumerate((degrees, degrees[::-1])):
        for place, degree in enumerate(order):
            middle = 4 + 11 * pair + place
            edges += [(2 * pair, middle), (2 * pair + 1, middle)]
            edges += [(middle, 26 + 200 * pair + 12 * place + leaf) for leaf in range(degree - 2)]
    graph = Graph.from_edge_index(torch.tensor(edges).T)
    for kind, term in ((AdamicAdar, lambda d: 1 / math.log(d)), (ResourceAllocation, lambda d: 1 / d)):
        first, second = kind(graph).pairs(torch.tensor([0, 2]), torch.tensor([1, 3])).tolist()
        assert first == second == pytest.approx(sum(map(term, degrees)), rel=1e-14)


@pytest.mark.parametrize("name", HEURISTICS)
def test_the_contract_and_refusals(name: str) -> None:
    graph = from_networkx(plain_graph())
    model = HEURISTICS[name](graph)
    assert isinstance(model, Model)
    found = model.score(torch.tensor([1, 2], dtype=torch.int32), torch.tensor([[3, 4, 5]]))
    assert found.dtype == torch.float64 and found.shape == (2, 3)
    with pytest.raises(ValueError, match=r"ids must be \[B\|1, m\] for 2 anchors, got \(3, 1\)"):
        model.score(torch.tensor([1, 2]), torch.zeros(3, 1).long())
    with pytest.raises(ValueError, match=r"60 is outside \[0, 60\)"):
        model.pairs(torch.tensor([1]), torch.tensor([60]))
    with pytest.raises(ValueError, match=r"-1 is outside"):
        model.rows(torch.tensor([-1]))
    with pytest.raises(ValueError, match=r"source and a target, got \(2,\) and \(1,\)"):
        model.pairs(torch.tensor([1, 2]), torch.tensor([1]))
    with pytest.raises(ValueError, match=r"nodes are integer ids, got torch\.float32"):
        model.pairs(torch.tensor([1.5]), torch.tensor([2]))
    with pytest.raises(ValueError, match="no vectors"):
        model.score_vectors(torch.tensor([1]), torch.zeros(1, 1, 4))
    with pytest.raises(ValueError, match="no embeddings"):
        model.embed(torch.tensor([1]))
    with pytest.raises(ValueError, match=r"bipartite.*joined"):
        HEURISTICS[name](Graph.from_edge_index(torch.tensor([[0], [1]]), (2, 2)))


def test_pagerank_sees_past_the_neighbours_of_a_dense_graph() -> None:
    """With HeaRT's tolerance no push leaves a source of some hundred neighbours, and every pair would score 0."""
    pairs = torch.rand(400, 400, generator=torch.Generator().manual_seed(0)).triu(1).gt(0.6).nonzero().T
    graph = Graph.from_edge_index(pairs, 400)
    source, target = torch.triu_indices(400, 400, 1)
    apart = torch.stack([source, target])[:, ~graph.has_edge(source, target)]
    assert not PersonalizedPageRank(graph, tolerance=5e-5).pairs(*apart).any()
    assert PersonalizedPageRank(graph).pairs(*apart).gt(0).all()
    sparse = Graph.from_edge_index(torch.tensor([[0, 1, 2], [1, 2, 3]]))
    assert PersonalizedPageRank(sparse).tolerance == 5e-5


def test_arguments_out_of_range() -> None:
    graph = from_networkx(plain_graph())
    with pytest.raises(ValueError, match=r"restart must be in \(0, 1\], got 0"):
        PersonalizedPageRank(graph, restart=0)
    with pytest.raises(ValueError, match="damping must be a finite number above 0, got -1"):
        Katz(graph, damping=-1)
    with pytest.raises(ValueError, match=r"length must be at least 1, or None.*got 0"):
        Katz(graph, length=0)
    empty = Graph.empty(4)
    for kind in (*HEURISTICS.values(), lambda graph: Katz(graph, length=None)):
        assert not kind(empty).pairs(torch.tensor([0, 1]), torch.tensor([1, 3])).any()
