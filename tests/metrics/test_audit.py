"""Distances, ranks and spread against plain loops, and by hand."""

import math

import networkx as nx
import pytest
import torch

from graphns import Graph, Stream
from graphns.metrics import audit
from graphns.metrics.audit import coverage, hop_distances, rank_share
from graphns.streams import bounded


def random_graph(seed, size=60, edges=110):
    ends = bounded(Stream(seed).words(torch.arange(edges), 2), size)
    return Graph.from_edge_index(ends.T, num_nodes=size)


@pytest.mark.parametrize("most", [0, 1, 3, 5])
@pytest.mark.parametrize("ids", [1 << 24, 200])
def test_distances_against_networkx(most, ids, monkeypatch):
    monkeypatch.setattr(audit, "_IDS", ids)
    graph = random_graph(1)
    other = nx.DiGraph()
    other.add_nodes_from(range(60))
    other.add_edges_from(graph.edge_index.T.tolist())
    source, drawn = (each.flatten() for each in torch.meshgrid(torch.arange(60), torch.arange(60), indexing="ij"))
    lengths = dict(nx.all_pairs_shortest_path_length(other))
    expected = [min(lengths[int(s)].get(int(d), most + 1), most + 1) for s, d in zip(source, drawn, strict=True)]
    assert hop_distances(graph, source, drawn, most).tolist() == expected


def test_distances_between_users_and_items_are_odd():
    # 0 - a - 1 - b - 2 - c, and item d alone
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 1, 2, 2], [0, 0, 1, 1, 2]]), num_nodes=(3, 4))
    found = hop_distances(graph, torch.zeros(4, dtype=torch.int64), torch.arange(4), 3)
    assert found.tolist() == [1, 3, 4, 4]
    assert hop_distances(graph, torch.zeros(4, dtype=torch.int64), torch.arange(4), 6).tolist() == [1, 3, 5, 7]


def test_distances_of_nothing_and_refusals():
    graph = random_graph(0)
    nothing = torch.empty(0, dtype=torch.int64)
    assert hop_distances(graph, nothing, nothing).tolist() == []
    with pytest.raises(ValueError, match="most must be at least 0, got -1"):
        hop_distances(graph, nothing, nothing, -1)
    with pytest.raises(ValueError, match="60"):
        hop_distances(graph, torch.tensor([60]), torch.tensor([0]))


def test_rank_share_against_a_loop():
    words = Stream(3).words(torch.arange(7), 30)
    scores = bounded(words, 5).double()  # many ties
    competitors = bounded(Stream(4).words(torch.arange(7), 30), 3) > 0
    competitors[6] = False
    ids = bounded(Stream(5).words(torch.arange(7), 9), 30)
    found = rank_share(scores, ids, competitors)
    for b in range(7):
        rivals = scores[b][competitors[b]]
        for s in range(9):
            mine = scores[b, ids[b, s]]
            expected = float((rivals < mine).sum() + 0.5 * (rivals == mine).sum()) / max(len(rivals), 1)
            assert float(found[b, s]) == pytest.approx(expected)


def test_uniform_draws_from_the_competitors_rank_at_a_half():
    scores = bounded(Stream(3).words(torch.arange(4), 30), 5).double()
    competitors = bounded(Stream(4).words(torch.arange(4), 30), 3) > 0
    every = torch.arange(30).expand(4, 30)
    share = rank_share(scores, every, competitors)
    means = [float(share[b][competitors[b]].mean()) for b in range(4)]
    assert means == pytest.approx([0.5] * 4)


def test_coverage_by_hand():
    assert coverage(torch.tensor([1, 1, 1, 1])) == pytest.approx((1.0, 1.0))
    assert coverage(torch.tensor([7, 0, 0, 0])) == (0.25, 0.0)
    half = -(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25)) / math.log(3)
    assert coverage(torch.tensor([2, 1, 1])) == pytest.approx((1.0, half))
    assert all(math.isnan(each) for each in coverage(torch.zeros(3, dtype=torch.int64)))
    assert coverage(torch.tensor([5]))[0] == 1 and math.isnan(coverage(torch.tensor([5]))[1])
