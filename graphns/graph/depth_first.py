"""Depth-first order: near nodes in near places."""

from __future__ import annotations

from torch import Tensor

from graphns.graph.graph import Graph
from graphns.kernels.depth_first import preorder


def depth_first_order(graph: Graph, root: int = 0) -> Tensor:
    """The nodes in the order in which a depth-first search meets them.

    Neighbours are tried by rising id, edges are followed as they are directed, and where the search ends it begins
    anew at the next id that it has not met. Nothing is random.

    Args:
        graph: homogeneous; a bipartite graph as `joined(graph)`.
        root: the first node.

    Returns:
        [N] int64, every node once.

    Raises:
        ValueError: the graph is bipartite, or root is no node.

    Example:
        >>> import torch
        >>> path = Graph.from_edge_index(torch.tensor([[0, 2, 0, 3], [2, 0, 3, 1]]))
        >>> depth_first_order(path)
        tensor([0, 2, 3, 1])
    """
    if graph.bipartite:
        raise ValueError("a depth-first order needs one kind of node; take joined(graph) of graphns.graph.build, where "
                         "candidate j is node num_src + j")
    if not 0 <= root < graph.num_nodes:
        raise ValueError(f"root must be a node in [0, {graph.num_nodes}), got {root}")
    return preorder(graph.indptr, graph.indices, root)


def joined_order(graph: Graph, root: int = 0) -> tuple[Tensor, Tensor]:
    """Sources and candidates, each in depth-first order, of a graph of either kind: [num_src] and [num_dst] int64.

    Raises:
        ValueError: root is no source.

    Example:
        >>> import torch
        >>> joined_order(Graph.from_edge_index(torch.tensor([[0, 1, 1], [2, 2, 0]]), (2, 3)))
        (tensor([0, 1]), tensor([2, 0, 1]))
    """
    from graphns.graph.build import joined

    if not 0 <= root < graph.num_src:
        raise ValueError(f"root must be a source in [0, {graph.num_src}), got {root}")
    order = depth_first_order(joined(graph), root)
    if not graph.bipartite:
        return order, order
    return order[order < graph.num_src], order[order >= graph.num_src] - graph.num_src
