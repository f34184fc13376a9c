"""Decoders of links: what two nodes' vectors say about an edge between them."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphns.kernels.gather_dot import gather_dot

DECODERS = ("dot", "bilinear", "mlp", "ncn")
"""Names that `graphns.pipelines.link_model` builds; each is called with the anchors' vectors, the table and the ids.
Two more arguments are for those that look into a graph: `anchor_ids` [B], and `nodes` [n] where the table holds the
vectors of some nodes alone, in rising order of their ids; `ids` are places in it."""
_CHUNK = 1 << 22  # numbers of the [pairs, d] tensors made at once where there is no gradient


def places(nodes: Tensor, ids: Tensor) -> Tensor:
    """Where ids stand among `nodes` [n], which rise.

    Raises:
        ValueError: one is not among them.

    Example:
        >>> places(torch.tensor([2, 5, 9]), torch.tensor([[9, 2]]))
        tensor([[2, 0]])
    """
    at = torch.searchsorted(nodes, ids.contiguous()).clamp(max=len(nodes) - 1)
    missing = nodes[at] != ids
    if bool(missing.any()):
        raise ValueError(f"node {int(ids[missing][0])} is not among the {len(nodes)} that are embedded")
    return at


class Dot(nn.Module):
    r"""The dot product :math:`s(u, v) = \langle z_u, z_v \rangle`, fused: no [B, m, d] tensor is made.

    Shape:
        anchors [B, d], table [N, d], ids [B|1, m] int64 -> [B, m].

    Example:
        >>> Dot()(torch.tensor([[1.0, 2.0]]), torch.eye(2), torch.tensor([[1, 0]]))
        tensor([[2., 1.]])
    """

    def forward(self, anchors: Tensor, table: Tensor, ids: Tensor, anchor_ids: Tensor | None = None,
                nodes: Tensor | None = None) -> Tensor:
        """Scores of the rows `ids` of the table for each anchor."""
        return gather_dot(anchors, table, ids)


class Bilinear(nn.Module):
    r"""The bilinear form :math:`s(u, v) = z_u^\top W z_v`; symmetric, W is :math:`\tfrac{1}{2}(M + M^\top)`.

    Args:
        size: d.
        symmetric: whether s(u, v) = s(v, u), as an undirected edge has it.

    Shape:
        anchors [B, d], table [N, d], ids [B|1, m] int64 -> [B, m]. W begins as the identity: the dot product.

    Example:
        >>> Bilinear(2)(torch.tensor([[1.0, 2.0]]), torch.eye(2), torch.tensor([[1, 0]])).tolist()
        [[2.0, 1.0]]
    """

    def __init__(self, size: int, symmetric: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(size))
        self.symmetric = symmetric

    def forward(self, anchors: Tensor, table: Tensor, ids: Tensor, anchor_ids: Tensor | None = None,
                nodes: Tensor | None = None) -> Tensor:
        """Scores of the rows `ids` of the table for each anchor."""
        weight = (self.weight + self.weight.T) / 2 if self.symmetric else self.weight
        return gather_dot(anchors @ weight, table, ids)


class HadamardMLP(nn.Module):
    r"""A perceptron of the element-wise product, :math:`s(u, v) = \mathrm{MLP}(z_u \odot z_v)`: OGB's LinkPredictor.

    Args:
        size: d.
        hidden_size: width of the hidden layers.
        num_layers: linear layers, at least 1; ReLU and dropout between them.
        dropout: in [0, 1), drawn from torch's default generator.
        extra: numbers that stand beside the product for each pair; see `score_pairs`.

    Shape:
        anchors [B, d], table [N, d], ids [B|1, m] int64 -> [B, m]. With gradient, tensors [B m, d] are made, of many
        ids that all anchors share [B m, hidden_size] alone; without, a part of them at a time.

    Example:
        >>> HadamardMLP(2, hidden_size=4)(torch.rand(3, 2), torch.rand(5, 2), torch.tensor([[1, 0]])).shape
        torch.Size([3, 2])

    References:
        Hu et al.: Open Graph Benchmark: Datasets for Machine Learning on Graphs. NeurIPS 2020.
    """

    def __init__(self, size: int, hidden_size: int = 256, num_layers: int = 2, dropout: float = 0.0,
                 extra: int = 0) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, got {num_layers}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        widths = [size + extra, *[hidden_size] * (num_layers - 1), 1]
        self.layers = nn.ModuleList(nn.Linear(n, m) for n, m in pairwise(widths))
        self.dropout = dropout

    def forward(self, anchors: Tensor, table: Tensor, ids: Tensor, anchor_ids: Tensor | None = None,
                nodes: Tensor | None = None) -> Tensor:
        """Scores of the rows `ids` of the table for each anchor; of equal `anchor_ids` the anchors must be equal."""
        if len(ids) == 1 and anchor_ids is not None and not (self.training and self.dropout):
            distinct, place = torch.unique(anchor_ids, return_inverse=True)
            if len(distinct) < len(place):  # among shared candidates an anchor that comes again has the same scores
                every = torch.arange(len(place), device=place.device)
                once = anchors[torch.zeros_like(distinct).scatter_(0, place, every)]
                return self._blocks(once, table, ids, distinct, nodes).index_select(0, place)
        return self._blocks(anchors, table, ids, anchor_ids, nodes)

    def _blocks(self, anchors: Tensor, table: Tensor, ids: Tensor, anchor_ids: Tensor | None,
                nodes: Tensor | None) -> Tensor:
        if torch.is_grad_enabled():
            return self._block(anchors, table, ids, anchor_ids, nodes)
        rows = max(1, _CHUNK // max(1, ids.shape[1] * anchors.shape[1]))
        parts = [self._block(anchors[at : at + rows], table, ids if len(ids) == 1 else ids[at : at + rows],
                             None if anchor_ids is None else anchor_ids[at : at + rows], nodes)
                 for at in range(0, len(anchors), rows)]
        return torch.cat(parts) if parts else anchors.new_zeros((0, ids.shape[1]))

    def _block(self, anchors: Tensor, table: Tensor, ids: Tensor, anchor_ids: Tensor | None = None,
               nodes: Tensor | None = None) -> Tensor:
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        if len(ids) == 1 and ids.shape[1] >= first.out_features:
            # (z_u * z_v) W = z_v (z_u * W): candidates times one matrix of all anchors, and no product of each pair
            scaled = (anchors[:, None] * first.weight).flatten(0, 1)
            hidden = (F.embedding(ids[0], table) @ scaled.T).view(-1, first.out_features) + first.bias
            return self._rest(hidden).view(ids.shape[1], len(anchors)).T
        product = anchors[:, None] * F.embedding(ids, table)
        return self.score_pairs(product.flatten(0, 1)).view(product.shape[:2])

    def score_pairs(self, product: Tensor) -> Tensor:
        """Scores [P] of pairs by what stands for each, [P, d + extra]."""
        return self._rest(self.layers[0](product))

    def _rest(self, hidden: Tensor) -> Tensor:
        """Scores [P] by what the first layer gave, [P, its width]."""
        for layer in self.layers[1:]:
            hidden = layer(F.dropout(F.relu(hidden), self.dropout, self.training))
        return hidden[:, 0]
