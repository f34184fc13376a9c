"""`negative_sampling` and `structured_negative_sampling` with PyG's signatures, over exact kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from graphns.base import InfeasibleError
from graphns.graph.graph import Graph, check_edge_index
from graphns.kernels.csr import build_csr
from graphns.kernels.edges import PairSpace, non_edges, pair_space
from graphns.kernels.guide import build_guide
from graphns.kernels.structured import one_per_edge
from graphns.streams import Stream

# the numbering of a prepared graph's non-edges, per direction; it goes when the graph goes
_spaces: WeakKeyDictionary[Graph, dict[bool, PairSpace]] = WeakKeyDictionary()


def negative_sampling(
    edge_index: Tensor | Graph,
    num_nodes: int | tuple[int, int] | None = None,
    num_neg_samples: int | float | None = None,
    method: str = "sparse",
    force_undirected: bool = False,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw distinct pairs that are no edges, every set of them equally likely, in random order.

    Of the M pairs that are no edges, and no self-loops unless bipartite, exactly min(num_neg_samples, M) are drawn.

    Args:
        edge_index: [2, E] integers; or a `Graph`, whose index and numbering of non-edges are then reused.
        num_nodes: N, or (num_src, num_dst) for a bipartite graph. None: the largest id plus one; a `Graph` knows.
        num_neg_samples: how many; a float is a ratio of E, rounded down. None: E. For a `Graph`, E counts distinct
            edges.
        method: "sparse" or "dense", as PyG has it; both do the same here.
        force_undirected: each pair in both directions: num_neg_samples // 2 unordered pairs, then the same reversed,
            none of them an edge in either direction. Without effect on a bipartite graph.
        generator: the randomness: one key is taken from it. None: from torch's default generator.

    Returns:
        [2, n] int64, on the device of `edge_index`.

    Raises:
        ValueError: shape, dtype, ids, count or method are wrong; the message names the value.

    Example:
        >>> edge_index = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]])
        >>> negative_sampling(edge_index, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([2, 4])
    """
    check_method(method)
    size = _size(edge_index, num_nodes)
    num_edges = edge_index.num_edges if isinstance(edge_index, Graph) else edge_index.shape[1]
    num = sample_count(num_neg_samples, num_edges)
    stream = Stream.from_torch(generator)
    if size is None:  # no nodes, so no pairs
        return torch.empty((2, 0), dtype=torch.int64, device=edge_index.device)
    if force_undirected and isinstance(size, int):
        space = _kept_space(edge_index, True) if isinstance(edge_index, Graph) else _upper_space(edge_index, size)
        pairs, _ = non_edges(space.indptr, space.indices, size, size, num // 2, stream, space=space)
        return torch.cat([pairs, pairs.flip(0)], 1)
    graph = edge_index if isinstance(edge_index, Graph) else Graph.from_edge_index(plain(edge_index), size)
    space = _kept_space(graph, False)
    # a table for this call alone costs as much as looking for a pair in every eighth edge's row
    worth = isinstance(edge_index, Graph) or graph.num_edges < 8 * num
    return non_edges(graph.indptr, graph.indices, graph.num_src, graph.num_dst, num, stream, space=space,
                     edge_filter=graph.edge_filter if worth else None)[0]


def structured_negative_sampling(
    edge_index: Tensor | Graph,
    num_nodes: int | tuple[int, int] | None = None,
    contains_neg_self_loops: bool = True,
    *,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """For every edge (i, j), one k such that (i, k) is no edge, uniform over all such k.

    Args:
        edge_index: [2, E] integers; or a `Graph`: then (i, j) are its distinct edges, sorted.
        num_nodes: N, or, beyond PyG, (num_src, num_dst) for a bipartite graph. None: the largest id plus one.
        contains_neg_self_loops: False: k differs from i too. Without effect on a bipartite graph.
        generator: the randomness: one key is taken from it. None: from torch's default generator.

    Returns:
        i, j and k, each [E]; i and j are the rows of `edge_index`, k is int64.

    Raises:
        InfeasibleError: some i has an edge to every candidate; `structured_negative_sampling_feasible` tells before.
        ValueError: shape, dtype or ids are wrong.

    Example:
        >>> i, j, k = structured_negative_sampling(torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]]))
        >>> i.tolist(), j.tolist(), bool((k[:2] >= 2).all())
        ([0, 0, 1, 2], [0, 1, 2, 3], True)
    """
    graph = _as_graph(edge_index, num_nodes)
    stream = Stream.from_torch(generator)
    if graph is None:  # no nodes, so no edges
        assert isinstance(edge_index, Tensor)
        return edge_index[0], edge_index[1], torch.empty(0, dtype=torch.int64, device=edge_index.device)
    exclude_self = not contains_neg_self_loops and not graph.bipartite
    source = None if isinstance(edge_index, Graph) else plain(edge_index)[0]
    edges, ids = one_per_edge(graph.indptr, graph.indices, graph.num_dst, stream, source=source,
                              exclude_self=exclude_self, edge_filter=graph.edge_filter)
    if not _all_have_candidates(graph, exclude_self, only_sources=True):
        source = edges[0] if edges is not None else source
        assert source is not None
        node = int(source[int((ids < 0).nonzero()[0])])
        raise InfeasibleError(
            f"node {node} is connected to all {graph.num_dst} nodes{' but itself' if exclude_self else ''}, so no "
            "negative exists for its edges; drop its edges, or ask structured_negative_sampling_feasible first"
        )
    if edges is not None:
        return edges[0], edges[1], ids
    assert isinstance(edge_index, Tensor)
    return edge_index[0], edge_index[1], ids


def structured_negative_sampling_feasible(
    edge_index: Tensor | Graph,
    num_nodes: int | tuple[int, int] | None = None,
    contains_neg_self_loops: bool = True,
) -> bool:
    """Whether no node is connected to all others, so that `structured_negative_sampling` has a negative for each edge.

    Args:
        edge_index, num_nodes, contains_neg_self_loops: as for `structured_negative_sampling`.

    Raises:
        ValueError: shape, dtype or ids are wrong.

    Example:
        >>> edge_index = torch.tensor([[0, 0, 1, 1, 2, 2, 2], [1, 2, 0, 2, 0, 1, 1]])
        >>> structured_negative_sampling_feasible(edge_index, 3, contains_neg_self_loops=False)
        False
        >>> structured_negative_sampling_feasible(edge_index, 3)
        True
    """
    graph = _as_graph(edge_index, num_nodes)
    return graph is None or _all_have_candidates(graph, not contains_neg_self_loops and not graph.bipartite)


def _all_have_candidates(graph: Graph, exclude_self: bool, only_sources: bool = False) -> bool:
    degree = graph.degree
    if int(degree.max()) < graph.num_dst - int(exclude_self):
        return True
    left = graph.num_dst - degree
    if exclude_self:
        nodes = torch.arange(graph.num_src, device=graph.device)
        left = left - (~graph.has_edge(nodes, nodes)).long()
    if only_sources:
        left = left[degree > 0]
    return bool((left > 0).all())


def _kept_space(graph: Graph, undirected: bool) -> PairSpace:
    known = _spaces.setdefault(graph, {})
    if undirected not in known:
        known[undirected] = pair_space(graph.indptr, graph.indices, graph.num_src, graph.num_dst,
                                       self_loops=graph.bipartite, directed=not undirected)
    return known[undirected]


def _upper_space(edge_index: Tensor, num_nodes: int) -> PairSpace:
    """The unordered non-edges, straight from the edges: rows in one direction alone would have to be built again."""
    row, col = check_edge_index(plain(edge_index))
    low, high = torch.minimum(row, col), torch.maximum(row, col)
    if len(low) and (int(low.min()) < 0 or int(high.max()) >= num_nodes):
        Graph.from_edge_index(edge_index, num_nodes)  # says which edge it is
    apart = low != high
    if not bool(apart.all()):
        low, high = low[apart], high[apart]
    indptr, indices, _ = build_csr(low, high, num_nodes, num_nodes)
    above = torch.arange(num_nodes - 1, -1, -1, device=indptr.device)
    first = torch.zeros(num_nodes + 1, dtype=torch.int64, device=indptr.device)
    torch.cumsum(above - indptr.diff(), 0, out=first[1:])
    return PairSpace(indptr, indices, first, build_guide(first), num_nodes, False, False)


def plain(edge_index: Tensor) -> Tensor:
    """A plain tensor: PyG's `EdgeIndex` is a subclass that carries caches of its own."""
    if hasattr(edge_index, "as_tensor"):  # PyG before 2.7 wraps its tensor, and torch cannot unwrap it
        tensor: Tensor = edge_index.as_tensor()
        return tensor
    return edge_index.as_subclass(Tensor) if type(edge_index) is not Tensor else edge_index


def _size(edge_index: Tensor | Graph, num_nodes: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
    """N or (num_src, num_dst), the largest id plus one where not given; None if there are neither nodes nor edges."""
    if num_nodes is not None:  # also NumPy's integers, lists and torch.Size
        num_nodes = (int(num_nodes[0]), int(num_nodes[1])) if isinstance(num_nodes, Sequence) else int(num_nodes)
    if isinstance(edge_index, Graph):
        size = (edge_index.num_src, edge_index.num_dst) if edge_index.bipartite else edge_index.num_src
        if num_nodes is not None and num_nodes != size:
            raise ValueError(f"the graph has num_nodes={size}, got {num_nodes}; leave num_nodes out")
        return size
    row, _ = check_edge_index(edge_index)
    if len(row) == 0:
        return None if not num_nodes or (isinstance(num_nodes, tuple) and 0 in num_nodes) else num_nodes
    return int(plain(edge_index).max()) + 1 if num_nodes is None else num_nodes


def _as_graph(edge_index: Tensor | Graph, num_nodes: int | tuple[int, int] | None) -> Graph | None:
    """The graph of `edge_index`; a `Graph` as it is; None if there are neither nodes nor edges."""
    size = _size(edge_index, num_nodes)
    if isinstance(edge_index, Graph) or size is None:
        return edge_index if isinstance(edge_index, Graph) else None
    return Graph.from_edge_index(plain(edge_index), size)


def check_method(method: str) -> None:
    """Raise a `ValueError` unless PyG knows the method."""
    if method not in ("sparse", "dense"):
        raise ValueError(f"method must be 'sparse' or 'dense', got {method!r}")


def sample_count(num_neg_samples: int | float | None, num_edges: int) -> int:
    """How many negatives are asked for: a count, a ratio of the edges rounded down, or one per edge."""
    if num_neg_samples is None:
        return num_edges
    if not math.isfinite(num_neg_samples) or num_neg_samples < 0:
        raise ValueError(f"num_neg_samples must be at least 0, got {num_neg_samples}")
    return int(num_neg_samples) if isinstance(num_neg_samples, Integral) else int(num_neg_samples * num_edges)
