"""Links of any graph: its edges split at random, beside as many pairs that are no edges."""

from __future__ import annotations

from torch import Tensor

from graphns.data.link import LinkData, LinkPart
from graphns.encoders.sparse import Sparse
from graphns.graph.graph import Graph
from graphns.graph.split import split_edges
from graphns.kernels.edges import non_edges
from graphns.streams import Stream

_NEGATIVES = 301  # the stream of the negatives, apart from that of the split


def random_links(source: Graph, *, name: str = "graph", val: float | int = 0.05, test: float | int = 0.1,
                 seed: int = 0, x: Tensor | Sparse | None = None, undirected: bool | None = None) -> LinkData:
    """Hold out edges at random, and for each of them one pair that is no edge.

    All copies and both directions of an edge stay in one part, so that the training graph tells nothing of the others
    (`split_edges`). The negatives of a part are shared by its positives: distinct pairs, uniform over those that are no
    edge of any part, none in both parts. Self-loops are left out. Random, by the seed, are split and negatives.

    Args:
        source: homogeneous.
        name: of the data.
        val: share of the edges, a float in [0, 1), or their number, an integer.
        test: likewise.
        seed: where the randomness comes from.
        x: [N, F] features.
        undirected: whether (a, b) and (b, a) are one edge. None: they are if every edge has its reverse.

    Raises:
        ValueError: the graph is bipartite, a part would be empty, or there are not as many pairs without an edge.

    Example:
        >>> import torch
        >>> ring = torch.arange(40)
        >>> edges = torch.stack([ring, (ring + 1) % 40])
        >>> data = random_links(Graph.from_edge_index(torch.cat([edges, edges.flip(0)], 1)))
        >>> data.train.shape[1], data.valid.positive.shape[1], data.test.positive.shape[1], data.test.negative.shape
        (34, 2, 4, torch.Size([2, 4]))

    References:
        Kipf, Welling: Variational Graph Auto-Encoders. 2016 (5 % and 10 % held out, as many negatives).
    """
    if source.bipartite:
        raise ValueError("links are held out in a graph of one kind of node; take joined(graph) of "
                         "graphns.graph.build, where candidate j is node num_src + j")
    edges = source.edge_index
    graph = Graph.from_edge_index(edges[:, edges[0] != edges[1]], source.num_nodes)
    if undirected is None:
        first, second = graph.edge_index
        undirected = bool(graph.has_edge(second, first).all())
    parts = split_edges(graph, val, test, seed=seed, undirected=undirected)
    sizes = [parts.val_edges.shape[1], parts.test_edges.shape[1]]
    if not all(sizes):
        raise ValueError(f"val={val} and test={test} hold out {sizes[0]} and {sizes[1]} of "
                         f"{parts.train_edges.shape[1] + sum(sizes)} edges; both parts need some")
    negatives, available = non_edges(graph.indptr, graph.indices, graph.num_nodes, graph.num_nodes, sum(sizes),
                                     Stream(seed).child(_NEGATIVES), directed=not undirected)
    if available < sum(sizes):
        raise ValueError(f"{sum(sizes)} negatives are needed, and only {available} pairs are no edges; hold out less")
    valid = LinkPart(parts.val_edges, negatives[:, :sizes[0]])
    last = LinkPart(parts.test_edges, negatives[:, sizes[0]:])
    return LinkData(name, graph.num_nodes, parts.train_edges, valid, last, x, undirected, "auc", "random")
