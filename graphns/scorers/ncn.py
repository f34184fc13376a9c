"""The decoder of Neural Common Neighbor: two nodes' vectors, and the sum of those of their common neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.kernels.common_neighbors import common_neighbors
from graphns.scorers.decoders import HadamardMLP, places


class CommonNeighborMLP(HadamardMLP):
    r"""A perceptron of the element-wise product and of the vectors of the common neighbours.

    .. math:: s(u, v) = \mathrm{MLP}\Big(z_u \odot z_v \,\Big\|\, \sum_{w \in N(u) \cap N(v)} z_w\Big)

    Neighbours are those of the graph given: the training edges, both ways where messages pass both ways. A pair that is
    itself an edge of it gains no common neighbour by that, for nodes are no neighbours of themselves here. The paper's
    bookkeeping of missing neighbours (NCNC) is left out.

    Args:
        graph: homogeneous; its edges decide who is a neighbour. Self-loops in it count as neighbours: leave them out.
        size: d.
        hidden_size: width of the hidden layers.
        num_layers: linear layers, at least 1.
        dropout: in [0, 1), drawn from torch's default generator.

    Shape:
        anchors [B, d], table [N, d], ids [B|1, m] int64, anchor_ids [B] int64 -> [B, m]. With nodes [n] int64, rising,
        the table [n, d] is of these alone, ids are places in it, and `common` of the pairs must be among them.

    Raises:
        ValueError: the graph is bipartite; what `HadamardMLP` refuses; the anchors' ids are missing, or a common
            neighbour is not among the nodes.

    Example:
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 2, 1, 2], [2, 0, 2, 1]]), 3)
        >>> decoder, table = CommonNeighborMLP(graph, 4, hidden_size=8), torch.rand(3, 4)
        >>> decoder(table[:1], table, torch.tensor([[1, 2]]), torch.tensor([0])).shape
        torch.Size([1, 2])

    References:
        Wang, Yang, Zhang: Neural Common Neighbor with Completion for Link Prediction. ICLR 2024.
    """

    indptr: Tensor
    indices: Tensor

    def __init__(self, graph: Graph, size: int, hidden_size: int = 256, num_layers: int = 2,
                 dropout: float = 0.0) -> None:
        if graph.bipartite:
            raise ValueError("common neighbours need a homogeneous graph: make the two kinds of nodes one range of ids")
        super().__init__(size, hidden_size, num_layers, dropout, extra=size)
        # of the data, not learned: they move with the module and stay out of its state
        self.register_buffer("indptr", graph.indptr, persistent=False)
        self.register_buffer("indices", graph.indices, persistent=False)

    def common(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """The common neighbours of pairs of nodes [P], [P]: starts [P + 1] and ids [c], both int64."""
        starts, ids = common_neighbors(self.indptr, self.indices, left, right)
        return starts, ids.long()

    @contextmanager
    def among(self, graph: Graph) -> Iterator[None]:
        """Within the block the neighbours are those of another graph of the same nodes.

        Raises:
            ValueError: it has other nodes, or stands on another device.
        """
        if graph.bipartite or len(graph.indptr) != len(self.indptr):
            raise ValueError(f"common neighbours are those of {len(self.indptr) - 1} nodes, got a graph of "
                             f"{graph.num_src} and {graph.num_dst}: give one of the same nodes")
        if graph.indptr.device != self.indptr.device:
            raise ValueError(f"the graph is on {graph.indptr.device} and the decoder on {self.indptr.device}: move it")
        kept = self.indptr, self.indices
        self.indptr, self.indices = graph.indptr, graph.indices
        try:
            yield
        finally:
            self.indptr, self.indices = kept

    def _block(self, anchors: Tensor, table: Tensor, ids: Tensor, anchor_ids: Tensor | None = None,
               nodes: Tensor | None = None) -> Tensor:
        if anchor_ids is None:
            raise ValueError("common neighbours are those of nodes: give anchor_ids")
        wide = ids.expand(len(anchors), -1)
        right = wide.flatten() if nodes is None else nodes[wide.flatten()]
        starts, common = self.common(anchor_ids.repeat_interleave(ids.shape[1]), right)
        if nodes is not None:
            common = places(nodes, common)
        product = (anchors[:, None] * F.embedding(wide, table)).flatten(0, 1)
        shared = F.embedding_bag(common, table, starts, mode="sum", include_last_offset=True)
        return self.score_pairs(torch.cat([product, shared], 1)).view(wide.shape)
