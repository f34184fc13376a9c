"""PyG's transform `KNNGraph` on a plain install: PyG's own needs pyg-lib or torch-cluster."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import to_undirected

from graphns.graph.knn import Backend, knn


class KNNGraph(BaseTransform):  # type: ignore[misc]
    """Join each node to the k nearest by `data.pos`, or by `data.x` where there is no `pos`.

    The arguments are PyG's. A graph of n <= k nodes gets all n-1 edges a node, as there. With `data.batch`, nodes of
    different graphs are not joined. Neighbours are exact, equal distances go by lower id; what edges were there, and
    their `edge_attr` and `edge_weight`, are replaced.

    Args:
        k: neighbours of each node; with `loop`, the node itself is one of them.
        loop: whether each node is joined to itself.
        force_undirected: add the reverse of each edge, once.
        flow: "source_to_target": k edges end at each node; "target_to_source": k edges begin there.
        cosine: nearest by cosine, not by Euclidean distance.
        num_workers: taken, as PyG does, and of no effect: the threads are torch's.
        backend: "exact", or another of `graphns.graph.knn.knn` for many nodes.

    Returns:
        On call, a shallow copy of the data with `edge_index` [2, E] int64, sorted by node, nearest first.

    Raises:
        ValueError: an argument is out of range, the data have neither pos nor x, or these hold NaN.

    Example:
        >>> from torch_geometric.data import Data
        >>> data = KNNGraph(k=1)(Data(pos=torch.tensor([[0.0], [1.0], [3.0]])))
        >>> data.edge_index.tolist()
        [[1, 0, 1], [0, 1, 2]]
    """

    def __init__(self, k: int = 6, loop: bool = False, force_undirected: bool = False, flow: str = "source_to_target",
                 cosine: bool = False, num_workers: int = 1, *, backend: Backend = "exact") -> None:
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"k must be a whole number of at least 1, got {k!r}")
        if flow not in ("source_to_target", "target_to_source"):
            raise ValueError(f"flow must be 'source_to_target' or 'target_to_source', got {flow!r}")
        self.k, self.loop, self.force_undirected = k, loop, force_undirected
        self.flow, self.cosine, self.num_workers, self.backend = flow, cosine, num_workers, backend

    def forward(self, data: Any) -> Any:
        """Replace the edges of `data`; see the class."""
        points = getattr(data, "pos", None)
        points = getattr(data, "x", None) if points is None else points
        if points is None:
            raise ValueError("the data have neither pos nor x: nothing says which nodes are near")
        points = points.view(-1, 1) if points.dim() == 1 else points
        batch = getattr(data, "batch", None)
        if batch is None:
            parts = [torch.arange(len(points), device=points.device)]
        else:  # nodes of a graph need not stand together
            order = batch.argsort(stable=True)
            parts = list(order.split(batch.bincount().tolist()))
        edges = [self._edges(points[nodes], nodes) for nodes in parts if len(nodes)]
        edge_index = torch.cat(edges, 1) if edges else torch.empty((2, 0), dtype=torch.int64)
        if self.flow == "target_to_source":
            edge_index = edge_index.flip(0)
        if self.force_undirected:
            edge_index = to_undirected(edge_index, num_nodes=len(points))
        data.edge_index = edge_index
        for stale in ("edge_attr", "edge_weight"):
            if stale in data:
                data[stale] = None
        return data

    def _edges(self, points: Tensor, nodes: Tensor) -> Tensor:
        """The edges [2, n k] of one graph, from neighbour to node."""
        others = min(self.k - self.loop, len(points) - 1)
        found = torch.empty((len(points), 0), dtype=torch.int64, device=points.device)
        if others > 0:
            found = knn(points, others, "cosine" if self.cosine else "l2", self.backend).ids
        if self.loop:
            found = torch.cat([torch.arange(len(points), device=points.device)[:, None], found], 1)
        return torch.stack([nodes[found.flatten()], nodes.repeat_interleave(found.shape[1])])

    def __repr__(self) -> str:
        """As PyG's."""
        return f"{type(self).__name__}(k={self.k})"
