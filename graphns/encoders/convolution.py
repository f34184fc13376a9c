"""One graph convolution in its two steps, and convolutions of any widths one after another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from graphns.encoders.sparse import Sparse

MODULES: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "prelu": nn.PReLU, "elu": nn.ELU}
"""Names of the activations that `Convolutions` takes."""


class GraphConvolution(nn.Module):
    r"""One graph convolution, :math:`\hat A X W + b`, whose two steps may be asked for apart.

    The product X W is the larger part of the work and knows nothing of the graph, so whoever needs the convolution for
    several graphs, or for rows of X in another order, makes it once: :math:`(X_\pi) W = (X W)_\pi`.

    Args:
        num_features: F.
        size: d.
        bias: whether there is b.

    Shape:
        features [N, F] (dense or `Sparse`), adjacency [N, N] (`gcn_adjacency`), keep [F] bool -> [N, d]. Weights are
        drawn from torch's default generator (Glorot), like any module's; the bias begins at 0.

    Example:
        >>> from graphns.encoders.gcn import gcn_adjacency
        >>> layer = GraphConvolution(3, 4)
        >>> layer(torch.rand(5, 3), gcn_adjacency(torch.tensor([[0, 1], [1, 0]]), 5)).shape
        torch.Size([5, 4])

    References:
        Kipf, Welling: Semi-Supervised Classification with Graph Convolutional Networks. ICLR 2017.
    """

    def __init__(self, num_features: int, size: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_features, size))
        self.bias = nn.Parameter(torch.zeros(size)) if bias else None
        nn.init.xavier_uniform_(self.weight)

    def transform(self, features: Tensor | Sparse, keep: Tensor | None = None) -> Tensor:
        """X W [N, d]; columns of X outside `keep` count as zero."""
        # dropping columns of the features is dropping rows of the weight, which is the smaller matrix
        weight = self.weight if keep is None else self.weight * keep[:, None]
        return features @ weight

    def propagate(self, hidden: Tensor, adjacency: Sparse | None) -> Tensor:
        """What X W [N, d] becomes in a graph; without one, each node stays by itself."""
        spread = hidden if adjacency is None else adjacency @ hidden
        return spread if self.bias is None else spread + self.bias

    def forward(self, features: Tensor | Sparse, adjacency: Sparse | None, keep: Tensor | None = None) -> Tensor:
        """Both steps."""
        return self.propagate(self.transform(features, keep), adjacency)


class Convolutions(nn.Module):
    r"""Graph convolutions of given widths, :math:`h' = \sigma(\mathrm{norm}(\hat A\, h W + b))`.

    Args:
        widths: F, the width of each hidden layer, and d.
        activation: a name in `MODULES`; each layer has its own.
        normalize: a batch norm before each activation. Mean and variance are those of the nodes at hand, in training
            and after: the whole graph is there in both.
        last: whether norm and activation follow the last convolution too.
        standardized: that what comes out is standardised column by column before anything else is done with it.

    A convolution whose columns are standardised next has no bias: it would be taken away again, and its gradient is
    rounding error, which Adam would follow in full steps.

    Shape:
        features [N, F] (dense or `Sparse`), adjacency [N, N] (`gcn_adjacency`), keep [F] bool -> [N, d]. Without an
        adjacency no node sees another: then it is a perceptron of the same widths. Weights are drawn from torch's
        default generator (Glorot).

    Raises:
        ValueError: fewer than two widths, one below 1, or an unknown activation.

    Example:
        >>> from graphns.encoders.gcn import gcn_adjacency
        >>> encoder = Convolutions([3, 8, 4], normalize=True)
        >>> encoder(torch.rand(5, 3), gcn_adjacency(torch.tensor([[0, 1], [1, 0]]), 5)).shape
        torch.Size([5, 4])

    References:
        Kipf, Welling: Semi-Supervised Classification with Graph Convolutional Networks. ICLR 2017.
    """

    def __init__(self, widths: Sequence[int], activation: str = "relu", *, normalize: bool = False,
                 last: bool = True, standardized: bool = False) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1:
            raise ValueError(f"need two widths or more, each at least 1, got {list(widths)}")
        if activation not in MODULES:
            raise ValueError(f"no activation is called {activation!r}; there are: {', '.join(MODULES)}")
        inner, outer = not normalize, not (normalize if last else standardized)
        biased = [*[inner] * (len(widths) - 2), outer]
        self.layers = nn.ModuleList(GraphConvolution(n, m, bias) for (n, m), bias in zip(pairwise(widths), biased,
                                                                                        strict=True))
        self.after = nn.ModuleList(
            nn.Sequential(*[nn.BatchNorm1d(m, track_running_stats=False)] * normalize, MODULES[activation]())
            for m in (widths[1:] if last else widths[1:-1])
        )

    def forward(self, features: Tensor | Sparse, adjacency: Sparse | None, keep: Tensor | None = None) -> Tensor:
        """Embed every node; columns of the features outside `keep` count as zero."""
        hidden: Tensor | Sparse = features
        for number, layer in enumerate(self.layers):
            hidden = layer(hidden, adjacency, keep if number == 0 else None)
            if number < len(self.after):
                hidden = self.after[number](hidden)
        assert isinstance(hidden, Tensor)
        return hidden
