"""The form that every node-classification data set takes here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from graphns.data.features import SPARSE_BELOW, check_features
from graphns.encoders.gcn import gcn_adjacency
from graphns.encoders.sparse import Sparse
from graphns.graph.graph import Graph, check_edge_index


@dataclass(eq=False)
class NodeData:
    """A graph with features and one class a node.

    Args:
        name: as the user typed it.
        x: [N, F] float32 features, finite; dense, or sparse (`Sparse`, or a sparse tensor of torch) and then never
            made dense: encoders take `features`, what cannot take sparse rows takes `dense`.
        edge_index: [2, E]; made undirected, distinct, int64, without self-loops, sorted.
        y: [N] int64 classes 0 … C-1, or -1 where unknown.
        train_mask: [N] bool, or None where the data set has no split of its own. The same for the others.
        val_mask: see train_mask.
        test_mask: see train_mask.
        num_splits: how many splits the data set has of its own; the masks are one of them.

    Raises:
        ValueError: shapes, dtypes or ids do not fit; the message names the value.

    Example:
        >>> data = NodeData("tiny", torch.eye(3), torch.tensor([[0], [1]]), torch.tensor([0, 1, 1]))
        >>> data.num_classes, data.edge_index.tolist()
        (2, [[0, 1], [1, 0]])
    """

    name: str
    x: Tensor | Sparse
    edge_index: Tensor
    y: Tensor
    train_mask: Tensor | None = None
    val_mask: Tensor | None = None
    test_mask: Tensor | None = None
    num_splits: int = 1
    num_classes: int = field(init=False)

    def __post_init__(self) -> None:
        """Check everything once, at the door."""
        self.x = check_features(self.x)
        num_nodes = self.num_nodes
        if self.y.shape != (num_nodes,) or self.y.is_floating_point() or self.y.dtype == torch.bool:
            raise ValueError(f"y must be integer classes [{num_nodes}], got {self.y.dtype} {tuple(self.y.shape)}")
        for name in ("train_mask", "val_mask", "test_mask"):
            mask = getattr(self, name)
            if mask is not None and (mask.shape != (num_nodes,) or mask.dtype != torch.bool):
                raise ValueError(f"{name} must be bool [{num_nodes}], got {mask.dtype} {tuple(mask.shape)}")
        self.y = self.y.long()
        self.num_classes = int(self.y.max()) + 1
        source, target = check_edge_index(self.edge_index)
        other = source != target
        both = torch.cat([torch.stack([source, target])[:, other], torch.stack([target, source])[:, other]], 1)
        self.edge_index = Graph.from_edge_index(both, num_nodes).edge_index

    @property
    def num_nodes(self) -> int:
        """N."""
        return self.x.shape[0]

    @property
    def num_features(self) -> int:
        """F."""
        return self.x.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the data live."""
        return self.x.device

    @cached_property
    def graph(self) -> Graph:
        """The edges as a `Graph`: what samplers take."""
        return Graph.from_edge_index(self.edge_index, self.num_nodes)

    @cached_property
    def features(self) -> Tensor | Sparse:
        """`x` in the form in which an encoder multiplies it fastest: sparse where few entries are nonzero."""
        if isinstance(self.x, Sparse):
            return self.x
        share = float(self.x.count_nonzero()) / max(self.x.numel(), 1)
        return Sparse.from_dense(self.x) if share < SPARSE_BELOW else self.x

    @property
    def dense(self) -> Tensor:
        """`x` as one dense tensor [N, F], made anew if it is sparse: N x F x 4 bytes, 1.16 GB for Physics."""
        return self.x.to_dense() if isinstance(self.x, Sparse) else self.x

    @cached_property
    def adjacency(self) -> Sparse:
        """The propagation matrix of the whole graph, for a GCN."""
        return gcn_adjacency(self.edge_index, self.num_nodes)

    def to(self, device: torch.device | str) -> NodeData:
        """The data on another device; itself if it is there already."""
        if torch.device(device) == self.device:
            return self
        train, val, test = (None if mask is None else mask.to(device)
                            for mask in (self.train_mask, self.val_mask, self.test_mask))
        return NodeData(self.name, self.x.to(device), self.edge_index.to(device), self.y.to(device), train, val, test,
                        self.num_splits)
