"""Scores of pairs from the graph alone, against plain loops."""

import numpy as np
import pytest
import torch

from graphns import Graph, Stream
from graphns.compare import pair_scores
from graphns.compare.pair_scores import spectral_model
from graphns.streams import bounded


def random_graph(size=40, edges=120, other=None):
    ends = torch.stack([bounded(Stream(1).words(torch.arange(edges), 1)[:, 0], size),
                        bounded(Stream(2).words(torch.arange(edges), 1)[:, 0], other or size)])
    return Graph.from_edge_index(ends, num_nodes=(size, other) if other else size)


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
