"""The graph every sampler reads: sorted rows of known edges (CSR), homogeneous or bipartite."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from os import PathLike
from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import TensorData
from graphns.kernels.complement import complement_keys
from graphns.kernels.csr import build_csr
from graphns.kernels.edge_filter import build_edge_filter
from graphns.kernels.membership import in_rows
from graphns.kernels.walks import cumulative_weights


class Graph(TensorData):
    """Known edges as sorted rows: row u holds the distinct destinations of u, in rising order.

    Make one with `Graph.from_edge_index`, or from other libraries' objects with the functions of `graphns.graph.build`.
    Duplicate edges count once, and their weights are added. Self-loops are edges like others. An undirected graph has
    every edge in both directions. A graph may be empty of edges, not of nodes.

    Args:
        indptr: [num_src + 1] int64 row starts.
        indices: [E] int32 (int64 from 2^31 nodes), sorted within rows, distinct.
        num_dst: number of candidates. None: homogeneous, as many as sources.
        weight: [E] float64 edge weights, finite and >= 0; None: all 1.

    Example:
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 0, 1], [2, 1, 2]]), num_nodes=3)
        >>> graph.num_edges, graph.neighbors(0).tolist()
        (3, [1, 2])
    """

    mapped = False
    """Whether the arrays are mapped from a file: then what would read all of them is left undone."""

    def __init__(
        self, indptr: Tensor, indices: Tensor, num_dst: int | None = None, weight: Tensor | None = None
    ) -> None:
        self.indptr = indptr
        self.indices = indices
        self.weight = weight
        self.bipartite = num_dst is not None
        self.num_src = len(indptr) - 1
        self.num_dst = self.num_src if num_dst is None else num_dst

    @classmethod
    def from_edge_index(
        cls, edge_index: Tensor, num_nodes: int | tuple[int, int] | None = None, weight: Tensor | None = None
    ) -> Self:
        """A graph from PyG's `edge_index`.

        Args:
            edge_index: [2, E] integers, any width; duplicates and self-loops allowed.
            num_nodes: N, or (num_src, num_dst) for a bipartite graph. None: the largest id plus one.
            weight: [E] numbers, finite and >= 0.

        Raises:
            ValueError: shape, dtype, range or weights are wrong; the message names the value.
        """
        row, col = check_edge_index(edge_index)
        if num_nodes is None:
            num_nodes = int(edge_index.max()) + 1 if edge_index.numel() else 0
        num_src, num_dst = (num_nodes, num_nodes) if isinstance(num_nodes, int) else num_nodes
        if num_src < 1 or num_dst < 1:
            raise ValueError(f"a graph needs at least one node, got num_nodes={num_nodes}; pass num_nodes if the graph "
                             "has nodes but no edges")
        if weight is not None:
            weight = check_weight(weight, len(row), "edge")
        indptr, indices, merged = build_csr(row, col, num_src, num_dst, weight)
        return cls(indptr, indices, None if isinstance(num_nodes, int) else num_dst, merged)

    @classmethod
    def empty(cls, num_nodes: int | tuple[int, int], device: torch.device | str = "cpu") -> Self:
        """A graph of nodes without known edges: then only the anchor and its positive are excluded."""
        return cls.from_edge_index(torch.empty((2, 0), dtype=torch.int64, device=device), num_nodes)

    @property
    def num_nodes(self) -> int:
        """N of a homogeneous graph.

        Raises:
            ValueError: the graph is bipartite; it has num_src and num_dst.
        """
        if self.bipartite:
            raise ValueError(f"a bipartite graph has num_src={self.num_src} and num_dst={self.num_dst}, no num_nodes")
        return self.num_src

    @property
    def num_edges(self) -> int:
        """Number of distinct edges."""
        return len(self.indices)

    @property
    def device(self) -> torch.device:
        """Where the rows live."""
        return self.indptr.device

    @cached_property
    def degree(self) -> Tensor:
        """Out-degree of every source [num_src] int64."""
        return self.indptr.diff()

    @cached_property
    def in_degree(self) -> Tensor:
        """In-degree of every candidate [num_dst] int64."""
        return torch.bincount(self.indices, minlength=self.num_dst)

    @cached_property
    def complement_keys(self) -> Tensor:
        """Search keys of the rows' complements [E] int64, for accelerators; see `kernels.complement`."""
        return complement_keys(self.indptr, self.indices, self.num_dst)

    @cached_property
    def edge_filter(self) -> Tensor | None:
        """Bit table of the edges for draws on the CPU; see `kernels.edge_filter`. 4 bytes an edge."""
        return build_edge_filter(self.indptr, self.indices) if self.device.type == "cpu" else None

    @cached_property
    def cumulative_weight(self) -> Tensor:
        """Fixed-point weights added up within each row [E] int64, for weighted walks; see `kernels.walks`."""
        weight = torch.ones(self.num_edges, device=self.device) if self.weight is None else self.weight
        return cumulative_weights(self.indptr, weight)

    @cached_property
    def has_sinks(self) -> bool:
        """Whether some source has no neighbour."""
        return int(self.degree.min()) == 0

    @cached_property
    def has_self_loops(self) -> bool:
        """Whether some node of a homogeneous graph is its own neighbour."""
        if self.bipartite:
            return False
        nodes = torch.arange(self.num_src, device=self.device)
        return bool(self.has_edge(nodes, nodes).any())

    @cached_property
    def transposed(self) -> Graph:
        """The graph with every edge reversed."""
        return Graph.from_edge_index(
            self.edge_index.flip(0), (self.num_dst, self.num_src) if self.bipartite else self.num_src, self.weight
        )

    @property
    def edge_index(self) -> Tensor:
        """The distinct edges [2, E] int64, sorted by source, then destination."""
        source = torch.repeat_interleave(torch.arange(self.num_src, device=self.device), self.degree)
        return torch.stack([source, self.indices.long()])

    def rows(self, anchor: Tensor) -> Tensor:
        """The row [B] of each anchor [B].

        Raises:
            ValueError: an anchor is no row of the graph.
        """
        if anchor.dim() != 1:
            raise ValueError(f"a graph takes one id per anchor, got anchors {tuple(anchor.shape)}; for wider anchors "
                             "(head, relation) use EdgeSet")
        if anchor.numel():
            # NumPy stays on one thread: torch's would keep a core busy that the draw wants next
            values = anchor.numpy() if anchor.device.type == "cpu" else anchor
            least, most = int(values.min()), int(values.max())
            if least < 0 or most >= self.num_src:
                raise ValueError(f"anchor {least if least < 0 else most} is outside [0, {self.num_src})")
        return anchor

    def neighbors(self, node: int) -> Tensor:
        """The destinations of one source [degree] int64, in rising order."""
        return self.indices[int(self.indptr[node]) : int(self.indptr[node + 1])].long()

    def has_edge(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Whether each (anchor, id) is a known edge: ids [B] gives [B], ids [B|1, m] gives [B, m]; bool."""
        found = in_rows(self.indptr, self.indices, self.rows(anchor), ids[:, None] if ids.dim() == 1 else ids)
        return found[:, 0] if ids.dim() == 1 else found

    def map(self, function: Callable[[Tensor], Tensor]) -> Graph:
        """The graph with `function` applied to its tensors; `weight` keeps its float64."""
        weight = None if self.weight is None else function(self.weight).to(self.weight.dtype)
        return Graph(function(self.indptr), function(self.indices), self.num_dst if self.bipartite else None, weight)

    def to(self, device: torch.device | str) -> Graph:
        """The graph on another device; itself if it is there already."""
        return self if torch.device(device) == self.device else self.map(lambda tensor: tensor.to(device))

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the graph to a folder; see `graph.store.save`."""
        from graphns.graph.store import save

        save(self, path, overwrite=overwrite)

    @staticmethod
    def open(path: str | PathLike[str], *, verify: bool = False) -> Graph:
        """A saved graph, mapped and not read; see `graph.store.open_graph`."""
        from graphns.graph.store import open_graph

        return open_graph(path, verify=verify)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or another process needs: the rows, not the tables that follow from them."""
        derived = {name for cls in type(self).__mro__ for name, value in vars(cls).items()
                   if isinstance(value, cached_property)}
        return {name: value for name, value in vars(self).items() if name not in derived}

    def __repr__(self) -> str:
        """Sizes at a glance."""
        size = f"num_src={self.num_src}, num_dst={self.num_dst}" if self.bipartite else f"num_nodes={self.num_src}"
        return f"Graph({size}, num_edges={self.num_edges}{', weighted' if self.weight is not None else ''})"


def check_edge_index(edge_index: Tensor) -> tuple[Tensor, Tensor]:
    """The two rows of an `edge_index` [2, E], or a `ValueError` that says what is wrong with it."""
    if not isinstance(edge_index, Tensor):
        raise ValueError(f"edge_index must be a tensor [2, E], got {type(edge_index).__name__}")
    if edge_index.dim() != 2 or edge_index.shape[0] != 2:
        raise ValueError(f"edge_index must be [2, E], got {tuple(edge_index.shape)}"
                         + ("; transpose it" if edge_index.dim() == 2 and edge_index.shape[-1] == 2 else ""))
    if edge_index.is_floating_point() or edge_index.is_complex() or edge_index.dtype == torch.bool:
        raise ValueError(f"edge_index must hold integers, got {edge_index.dtype}; convert it with .long()")
    if edge_index.dtype not in (torch.int32, torch.int64):
        edge_index = edge_index.long()
    return edge_index[0], edge_index[1]


def check_weight(weight: Tensor, size: int, what: str) -> Tensor:
    """`weight` [size] as float64, or a `ValueError`: wrong length, NaN, infinite or negative."""
    weight = torch.as_tensor(weight)
    if weight.shape != (size,):
        raise ValueError(f"need one weight per {what} [{size}], got {tuple(weight.shape)}")
    weight = weight.to(torch.float64)
    bad = ~(torch.isfinite(weight) & (weight >= 0))
    if bool(bad.any()):
        at = int(bad.nonzero()[0])
        raise ValueError(f"weight {float(weight[at])} of {what} {at} is not a finite number >= 0")
    return weight
