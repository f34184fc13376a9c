"""Neighbourhoods of mini-batches."""

from __future__ import annotations

import pytest
import torch

from graphns.graph.graph import Graph
from graphns.graph.neighbors import sample_neighbors
from graphns.streams import Stream
from tests.kernels.test_walks import hub_graph

SEEDS = torch.tensor([7, 0, 7, 33])


@pytest.mark.parametrize("fanouts", [[3], [4, 2], [-1, 2], [2, -1, 1]])
@pytest.mark.parametrize("options", [{}, {"replace": True}, {"weighted": True}])
def test_the_subgraph_is_one_of_the_graph(fanouts: list[int], options: dict[str, bool]) -> None:
    graph = hub_graph()
    found = sample_neighbors(graph, SEEDS, fanouts, Stream(0), **options)
    assert found.node[:3].tolist() == [7, 0, 33] and found.num_sampled_nodes[0] == 3
    assert len(found.node.unique()) == len(found.node) == sum(found.num_sampled_nodes)
    assert len(found.row) == len(found.col) == len(found.edge) == sum(found.num_sampled_edges)
    assert len(found.num_sampled_edges) == len(fanouts) == len(found.num_sampled_nodes) - 1
    ends = graph.edge_index[:, found.edge]
    assert torch.equal(ends[0], found.node[found.col]) and torch.equal(ends[1], found.node[found.row])
    start = 0
    for hop, fanout in enumerate(fanouts):
        stop = start + found.num_sampled_edges[hop]
        per_node = torch.bincount(found.col[start:stop], minlength=len(found.node))
        if fanout > 0:
            assert int(per_node.max()) <= fanout
        else:
            new = slice(sum(found.num_sampled_nodes[:hop]), sum(found.num_sampled_nodes[: hop + 1]))
            assert torch.equal(per_node[new], graph.degree[found.node[new]])
        if not options.get("replace"):
            assert len(found.edge[start:stop].unique()) == stop - start
        if options.get("weighted"):  # a row that is not taken whole gives no edge of weight 0
            chosen = (fanout > 0) & (graph.degree[found.node[found.col[start:stop]]] > fanout)
            assert graph.weight is not None and bool((graph.weight[found.edge[start:stop][chosen]] > 0).all())
        start = stop


def test_a_node_keeps_its_neighbours_in_any_batch() -> None:
    graph = hub_graph()
    alone = sample_neighbors(graph, torch.tensor([0]), [5], Stream(2))
    among = sample_neighbors(graph, torch.tensor([9, 0, 4]), [5], Stream(2))
    assert alone.edge.tolist() == among.edge[among.col == 1].tolist()


def test_no_seeds_and_no_edges() -> None:
    found = sample_neighbors(Graph.empty(3), torch.tensor([1]), [2, -1], Stream(0))
    assert found.node.tolist() == [1] and found.edge.tolist() == [] and found.num_sampled_edges == [0, 0]
    assert len(sample_neighbors(hub_graph(), torch.arange(0), [2], Stream(0)).node) == 0


def test_wrong_use() -> None:
    with pytest.raises(ValueError, match="at least 1, or -1 for all neighbours, got 0"):
        sample_neighbors(hub_graph(), SEEDS, [0], Stream(0))
    with pytest.raises(ValueError, match="one kind of node"):
        sample_neighbors(Graph.empty((2, 3)), SEEDS, [1], Stream(0))
    with pytest.raises(ValueError, match="needs a graph with weights"):
        sample_neighbors(Graph.empty(40), SEEDS, [1], Stream(0), weighted=True)
