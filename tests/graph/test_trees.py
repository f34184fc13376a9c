"""Breadth-first trees: distances are the shortest, parents are neighbours one level up, the first that come."""

import networkx
import pytest
import torch

from graphns import Graph
from graphns.graph.trees import breadth_first_trees


def random_graph(nodes=30, edges=70):
    generator = torch.Generator().manual_seed(3)
    return Graph.from_edge_index(torch.randint(nodes, (2, edges), generator=generator), num_nodes=nodes)


def test_levels_are_distances_and_parents_neighbours():
    graph = random_graph()
    roots = torch.tensor([3, 0, 3, 17])
    trees = breadth_first_trees(graph, roots)
    plain = networkx.DiGraph(graph.edge_index.T.tolist())
    plain.add_nodes_from(range(30))
    level = torch.repeat_interleave(torch.arange(len(trees.first) - 1), torch.tensor(trees.first).diff())
    assert len(level) == len(trees.node)
    for r, root in enumerate(roots.tolist()):
        mine = trees.root == r
        found = dict(zip(trees.node[mine].tolist(), level[mine].tolist(), strict=True))
        assert found == networkx.single_source_shortest_path_length(plain, root)
    below = level > 0
    up = trees.up[below]
    assert torch.equal(level[up] + 1, level[below]) and torch.equal(trees.root[up], trees.root[below])
    assert graph.has_edge(trees.node[up], trees.node[below]).all()
    assert torch.equal(trees.up[: len(roots)], torch.arange(len(roots)))


def test_the_first_parent_that_comes_is_taken():
    graph = random_graph()
    trees = breadth_first_trees(graph, torch.tensor([3]))
    entry = {node: i for i, node in enumerate(trees.node.tolist())}
    level = torch.repeat_interleave(torch.arange(len(trees.first) - 1), torch.tensor(trees.first).diff())
    for i in range(1, len(trees.node)):
        above = [p for p in range(len(trees.node)) if level[p] + 1 == level[i]
                 and graph.has_edge(trees.node[p : p + 1], trees.node[i : i + 1])]
        assert int(trees.up[i]) == min(above)
    assert len(entry) == len(trees.node), "a node is in a tree once"


def test_a_tree_does_not_depend_on_the_other_roots():
    graph = random_graph()
    alone = breadth_first_trees(graph, torch.tensor([17]))
    both = breadth_first_trees(graph, torch.tensor([4, 17]))
    mine = both.root == 1
    assert torch.equal(both.node[mine], alone.node)
    assert torch.equal(both.node[both.up[mine]], alone.node[alone.up])


def test_roots_without_edges_loops_and_no_roots():
    graph = Graph.from_edge_index(torch.tensor([[0, 1], [0, 0]]), num_nodes=3)
    trees = breadth_first_trees(graph, torch.tensor([0, 2]))
    assert trees.node.tolist() == [0, 2] and trees.first == [0, 2]
    empty = breadth_first_trees(graph, torch.tensor([], dtype=torch.int64))
    assert len(empty.node) == 0 and empty.first == [0]


def test_refuses():
    with pytest.raises(ValueError, match="joined"):
        breadth_first_trees(Graph.empty((2, 3)), torch.tensor([0]))
    with pytest.raises(ValueError, match="anchor 3 is outside"):
        breadth_first_trees(Graph.empty(3), torch.tensor([3]))
