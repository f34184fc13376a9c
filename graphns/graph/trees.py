"""Breadth-first trees of a graph: from each root, the first way found to every node that can be reached."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from graphns.graph.graph import Graph


class Trees(NamedTuple):
    """The trees of R roots as one list, each level after the one above it; the roots come first.

    Attributes:
        root: [n] int64, which of the roots each entry's tree is of.
        node: [n] int64, the entry's node.
        up: [n] int64, the entry of its parent; its own for a root.
        first: where each level begins, and n at the end.
    """

    root: Tensor
    node: Tensor
    up: Tensor
    first: list[int]


def breadth_first_trees(graph: Graph, roots: Tensor) -> Trees:
    """The breadth-first tree along the edges from each root; each node hangs on the first parent that comes to it.

    Parents come in the order of the list: level by level, and within one by root, then by their own parent, then by id.
    Work and memory are as R (N + E): ask for a few roots at a time.

    Args:
        graph: homogeneous; a bipartite one as `joined(graph)`.
        roots: [R] int64.

    Raises:
        ValueError: the graph is bipartite, or a root is none of its nodes.

    Example:
        >>> square = Graph.from_edge_index(torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]]))
        >>> trees = breadth_first_trees(square, torch.tensor([0]))
        >>> trees.node.tolist(), trees.up.tolist(), trees.first
        ([0, 1, 2, 3], [0, 0, 0, 1], [0, 1, 3, 4])
    """
    if graph.bipartite:
        raise ValueError("trees need one kind of node; take joined(graph) of graphns.graph.build, where candidate j is "
                         "node num_src + j")
    node = graph.rows(roots.long())
    size, none = graph.num_src, torch.iinfo(torch.int64).max
    place = torch.arange(len(node), device=node.device)
    # the entry that found each (root, node): the lowest wins
    finder = torch.full((len(node) * size,), none, device=node.device)
    finder[place * size + node] = -1
    found = [(place, node, place)]
    first, begin = [0, len(node)], 0
    while len(found[-1][1]):
        root, node, _ = found[-1]
        start = graph.indptr[node]
        degree = graph.indptr[node + 1] - start
        parent = torch.repeat_interleave(torch.arange(len(node), device=node.device), degree)
        within = torch.arange(len(parent), device=node.device) - (degree.cumsum(0) - degree)[parent]
        child = graph.indices[start[parent] + within].long()
        key = root[parent] * size + child
        entry = parent + begin
        fresh = finder[key] == none
        key, child, parent, entry = key[fresh], child[fresh], parent[fresh], entry[fresh]
        finder.scatter_reduce_(0, key, entry, "amin")
        kept = finder[key] == entry  # a parent has a child once, so one entry is left of each
        begin = first[-1]
        found.append((root[parent[kept]], child[kept], entry[kept]))
        first.append(begin + int(kept.sum()))
    root, node, up = (torch.cat(each) for each in zip(*found, strict=True))
    return Trees(root, node, up, first[:-1])
