"""Scores of pairs from the graph alone, against plain loops."""

import math

import networkx as nx
import numpy as np
import pytest
import torch

from graphns import Graph, Stream
from graphns.compare import pair_scores
from graphns.compare.pair_scores import AdamicAdar, spectral_model
from graphns.streams import bounded


def random_graph(size=40, edges=120, other=None):
    ends = torch.stack([bounded(Stream(1).words(torch.arange(edges), 1)[:, 0], size),
                        bounded(Stream(2).words(torch.arange(edges), 1)[:, 0], other or size)])
    return Graph.from_edge_index(ends, num_nodes=(size, other) if other else size)


def test_adamic_adar_against_networkx():
    graph = random_graph()
    plain = nx.Graph()
    plain.add_nodes_from(range(40))
    plain.add_edges_from((a, b) for a, b in graph.edge_index.T.tolist() if a != b)
    found = AdamicAdar(graph).rows(torch.tensor([3, 17, 3]))
    for at, anchor in enumerate((3, 17, 3)):
        others = [node for node in range(40) if node != anchor]
        expected = {b: value for _, b, value in nx.adamic_adar_index(plain, [(anchor, node) for node in others])}
        assert found[at, others].tolist() == pytest.approx([expected[node] for node in others])


def test_adamic_adar_by_hand():
    # 0 and 2 share 1 (3 neighbours) and 3 (2 neighbours)
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 0, 3, 1], [1, 2, 3, 2, 4]]))
    expected = 1 / math.log(3) + 1 / math.log(2)
    assert float(AdamicAdar(graph).rows(torch.tensor([0]))[0, 2]) == pytest.approx(expected)
    with pytest.raises(ValueError, match="no common neighbours"):
        AdamicAdar(Graph.from_edge_index(torch.tensor([[0], [1]]), num_nodes=(2, 2)))


@pytest.mark.parametrize("other", [None, 25])
@pytest.mark.parametrize("dense", [256, 8])
def test_the_spectral_model_is_the_best_approximation_of_its_rank(other, dense, monkeypatch):
    monkeypatch.setattr(pair_scores, "_DENSE", dense)
    graph = random_graph(other=other)
    matrix = np.zeros((graph.num_src, graph.num_dst))
    matrix[tuple(graph.edge_index.numpy())] = 1
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    best = left[:, :5] * values[:5] @ right[:5]
    model = spectral_model(graph, 5)
    assert model.anchor_table.shape == (graph.num_src, 5) and model.candidate_table.shape == (graph.num_dst, 5)
    found = model.score(torch.arange(graph.num_src), torch.arange(graph.num_dst)[None])
    np.testing.assert_allclose(found.numpy(), best, atol=1e-5)
    again = spectral_model(graph, 5)
    assert torch.equal(again.anchor_table, model.anchor_table)


def test_a_rank_above_the_graphs_is_the_graph_itself():
    graph = random_graph(size=10, edges=20)
    scores = spectral_model(graph, 99).score(torch.arange(10), torch.arange(10)[None])
    torch.testing.assert_close(scores > 0.5, graph.has_edge(torch.arange(10), torch.arange(10)[None]))
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        spectral_model(graph, 0)
