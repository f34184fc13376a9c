"""The graph convolutional encoder of GRACE and its kin."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphns.encoders.sparse import Sparse

ACTIVATIONS: dict[str, Callable[[], nn.Module | Callable[[Tensor], Tensor]]] = {
    "relu": nn.ReLU, "prelu": nn.PReLU, "rrelu": lambda: F.rrelu, "elu": nn.ELU,
}
"""Names of activations. `rrelu` is the function, which outside training has the fixed mean slope: nothing is random."""


def gcn_adjacency(edge_index: Tensor, num_nodes: int) -> Sparse:
    r"""The propagation matrix of a GCN, :math:`\hat D^{-1/2} (A + I)^T \hat D^{-1/2}` with in-degrees.

    Args:
        edge_index: [2, E] int64, source over target; self-loops are replaced by exactly one a node, duplicates add up.
        num_nodes: N.

    Returns:
        [N, N]; row t gathers from the sources of t. Equal to what PyG's `GCNConv` does.
    """
    source, target = edge_index[:, edge_index[0] != edge_index[1]]
    loops = torch.arange(num_nodes, device=edge_index.device)
    source, target = torch.cat([source, loops]), torch.cat([target, loops])
    scale = torch.bincount(target, minlength=num_nodes).float().rsqrt()
    return Sparse.from_entries(target, source, scale[source] * scale[target], (num_nodes, num_nodes))


class GCN(nn.Module):
    r"""Graph convolutions :math:`h' = \sigma(\hat A\, h W + b)`, an activation after each, the last included.

    As in GRACE's code, every layer but the last is twice as wide as the embeddings. Propagation and, where the
    features are sparse, the first product are sparse: on Cora 20 times less work than a dense first layer.

    Args:
        num_features: F.
        size: width d of the embeddings.
        num_layers: at least 2.
        activation: a name in `ACTIVATIONS`.

    Shape:
        features [N, F] (dense or `Sparse`), adjacency [N, N] (`gcn_adjacency`) or an `edge_index`, keep [F] bool ->
        [N, d] float32. Weights are drawn from torch's default generator (Glorot), like any module's.

    Raises:
        ValueError: fewer than 2 layers, or an unknown activation.

    Example:
        >>> encoder = GCN(num_features=3, size=4)
        >>> encoder(torch.rand(5, 3), torch.tensor([[0, 1], [1, 0]])).shape
        torch.Size([5, 4])

    References:
        Kipf, Welling: Semi-Supervised Classification with Graph Convolutional Networks. ICLR 2017.
    """

    def __init__(self, num_features: int, size: int, num_layers: int = 2, activation: str = "relu") -> None:
        super().__init__()
        if num_layers < 2:
            raise ValueError(f"num_layers must be at least 2, got {num_layers}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"no activation is called {activation!r}; there are: {', '.join(ACTIVATIONS)}")
        widths = [num_features, *[2 * size] * (num_layers - 1), size]
        self.weights = nn.ParameterList(torch.empty(n, m) for n, m in pairwise(widths))
        self.biases = nn.ParameterList(torch.zeros(m) for m in widths[1:])
        self.activation = ACTIVATIONS[activation]()
        for weight in self.weights:
            nn.init.xavier_uniform_(weight)

    def forward(self, features: Tensor | Sparse, adjacency: Sparse | Tensor, keep: Tensor | None = None) -> Tensor:
        """Embed every node; columns of the features outside `keep` count as zero."""
        if isinstance(adjacency, Tensor):
            adjacency = gcn_adjacency(adjacency, features.shape[0])
        hidden: Tensor | Sparse = features
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if layer == 0 and keep is not None:
                # dropping columns of the features is dropping rows of the weight, which is the smaller matrix
                weight = weight * keep[:, None]
            hidden = self.activation(adjacency @ (hidden @ weight) + bias)
        assert isinstance(hidden, Tensor)
        return hidden
