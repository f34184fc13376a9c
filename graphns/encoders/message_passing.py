"""Encoders of all nodes for link prediction: GCN, SAGE, GAT, a perceptron, or a table of vectors, behind one call."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphns.encoders.gcn import gcn_adjacency
from graphns.encoders.sparse import Sparse

ENCODERS = ("gcn", "sage", "gat", "mlp", "embedding")
DENSE_ABOVE = 0.2
"""Share of pairs that are edges above which the product with a dense adjacency wins. Measured on one core at random
edges of 2,000 and 4,267 nodes, widths 64 and 256, forward and backward: at 0.1 the sparse product is twice as fast, at
0.2 both are equal."""

Adjacency = Sparse | Tensor
"""What an encoder passes messages along: a propagation matrix [N, N], sparse or dense; for GAT an edge_index [2, E]."""


def mean_adjacency(edge_index: Tensor, num_nodes: int, num_targets: int | None = None) -> Sparse:
    r"""The matrix :math:`D^{-1} A^T` with in-degrees: row t is the mean over the sources of t, 0 where there is none.

    Args:
        edge_index: [2, E] int64, source over target; duplicates count as often as they come.
        num_nodes: N.
        num_targets: rows of the first so many nodes alone, which all targets are; None: of all.

    Example:
        >>> mean_adjacency(torch.tensor([[0, 1], [2, 2]]), 3).to_dense()
        tensor([[0.0000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.0000],
                [0.5000, 0.5000, 0.0000]])
    """
    source, target = edge_index
    rows = num_nodes if num_targets is None else num_targets
    share = torch.bincount(target, minlength=rows).float().reciprocal()
    return Sparse.from_entries(target, source, share[target], (rows, num_nodes))


def sampled_gcn_adjacency(edge_index: Tensor, degree: Tensor, num_targets: int | None = None) -> Sparse:
    r"""The propagation matrix of a GCN where only some neighbours of a node are at hand.

    .. math:: \hat A_{ts} = \frac{d_t}{r_t} \frac{1}{\sqrt{(d_t + 1)(d_s + 1)}}, \qquad \hat A_{tt} = \frac{1}{d_t + 1}

    with :math:`d` the neighbours in the whole graph and :math:`r_t` those of t at hand. If these are drawn uniformly,
    a row times the vectors is an unbiased estimate of that of `gcn_adjacency`; if they are all at hand, it is equal.

    Args:
        edge_index: [2, e] int64 places, source over target, each edge once, without self-loops.
        degree: [n] int64, d of the nodes at hand.
        num_targets: rows of the first so many nodes alone, which all targets are; None: of all.

    Example:
        >>> sampled_gcn_adjacency(torch.tensor([[1], [0]]), torch.tensor([3, 3])).to_dense()
        tensor([[0.2500, 0.7500],
                [0.0000, 0.2500]])

    References:
        Chen, Zhu, Song: Stochastic Training of Graph Convolutional Networks with Variance Reduction. ICML 2018.
    """
    source, target = edge_index
    rows = len(degree) if num_targets is None else num_targets
    scale = (degree + 1).float().rsqrt()
    share = degree[:rows].float() / torch.bincount(target, minlength=rows).clamp(min=1)
    loops = torch.arange(rows, device=degree.device)
    value = torch.cat([share[target] * scale[source] * scale[target], scale[:rows] ** 2])
    return Sparse.from_entries(torch.cat([target, loops]), torch.cat([source, loops]), value, (rows, len(degree)))


class NodeEncoder(nn.Module):
    r"""Vectors of all nodes, from their features or a learned table, over the edges of the training graph.

    .. math:: h' = \hat A\, h W + b \ (\text{gcn}), \qquad
              h' = h W_1 + D^{-1} A\, h W_2 + b \ (\text{sage}), \qquad
              h' = h W + b \ (\text{mlp})

    with ReLU and dropout between layers and nothing after the last, as in OGB's examples; "gat" is PyG's `GATConv` with
    the same shape. "embedding" is the table alone. Where there are no features the layers read a learned table of
    `hidden_size` numbers a node.

    Args:
        kind: one of `ENCODERS`.
        num_nodes: N.
        num_features: F; None: there are none.
        hidden_size: width of the hidden layers, and of the table.
        size: width d of the result.
        num_layers: at least 1.
        dropout: share of the hidden numbers dropped in training, in [0, 1), drawn from torch's default generator.

    Shape:
        features [N, F] (dense or `Sparse`) or None, adjacency (`adjacency`) -> [N, d] float32. Of a part of the graph:
        features [n, F], adjacency (`part_adjacency`), nodes [n] int64 -> [s, d] with s at least the number of seeds,
        which stand first. Weights are drawn from torch's default generator (Glorot).

    Raises:
        ValueError: an unknown kind, or a value out of range.

    Example:
        >>> encoder = NodeEncoder("sage", num_nodes=3, num_features=None, hidden_size=8, size=4)
        >>> encoder(None, encoder.adjacency(torch.tensor([[0, 1], [1, 0]]))).shape
        torch.Size([3, 4])

    References:
        Kipf, Welling: Semi-Supervised Classification with Graph Convolutional Networks. ICLR 2017. Hamilton, Ying,
        Leskovec: Inductive Representation Learning on Large Graphs. NeurIPS 2017. Velickovic et al.: Graph Attention
        Networks. ICLR 2018.
    """

    def __init__(self, kind: str, num_nodes: int, num_features: int | None, hidden_size: int = 256, size: int = 256,
                 num_layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        if kind not in ENCODERS:
            raise ValueError(f"no encoder is called {kind!r}; there are: {', '.join(ENCODERS)}")
        if min(num_nodes, hidden_size, size, num_layers) < 1:
            raise ValueError(f"num_nodes, hidden_size, size and num_layers must be at least 1, got {num_nodes}, "
                             f"{hidden_size}, {size} and {num_layers}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        self.kind, self.num_nodes, self.dropout = kind, num_nodes, dropout
        self.table: nn.Parameter | None = None
        self.layers = nn.ModuleList()
        if kind == "embedding" or num_features is None:
            self.table = nn.Parameter(torch.empty(num_nodes, size if kind == "embedding" else hidden_size))
            nn.init.xavier_uniform_(self.table)
        if kind == "embedding":
            return
        widths = [hidden_size if num_features is None else num_features, *[hidden_size] * (num_layers - 1), size]
        if kind == "gat":
            from torch_geometric.nn import GATConv

            self.layers.extend(GATConv(n, m) for n, m in pairwise(widths))
        else:
            self.layers.extend(_Layer(n, m, own=kind != "gcn", spread=kind != "mlp") for n, m in pairwise(widths))

    def adjacency(self, edge_index: Tensor, dense: bool | None = None) -> Adjacency:
        """What `forward` passes messages along, made once for a graph.

        Args:
            edge_index: [2, E] int64, source over target; of an undirected graph both directions of each edge.
            dense: whether the matrix is dense. None: where more than `DENSE_ABOVE` of all pairs are edges.
        """
        if self.kind not in ("gcn", "sage"):
            return edge_index
        build = mean_adjacency if self.kind == "sage" else gcn_adjacency
        return _form(build(edge_index, self.num_nodes), dense)

    def part_adjacency(self, edge_index: Tensor, degree: Tensor, num_nodes: Sequence[int],
                       num_edges: Sequence[int]) -> list[Adjacency]:
        """The same, for each layer, where neighbours are sampled (`graphns.graph.neighbors.sample_neighbors`).

        Of L hops, the last layer makes vectors of the seeds from those of the first hop too, and so on: "gcn" and
        "sage" embed no more nodes than the next layer reads. A mean is over the neighbours at hand, GAT's attention
        likewise; for "gcn" see `sampled_gcn_adjacency`.

        Args:
            edge_index: [2, e] int64 places in [0, n), source over target, hop by hop, each edge once, no self-loops.
            degree: [n] int64, how many neighbours each node has in the whole graph.
            num_nodes: [L + 1] those found up to each hop, the seeds first; the last is n.
            num_edges: [L] those found up to each hop.
        """
        if self.kind not in ("gcn", "sage"):
            return [edge_index] * len(self.layers)
        found: list[Adjacency] = []
        for hop in reversed(range(len(num_edges))):
            edges, rows, n = edge_index[:, : num_edges[hop]], num_nodes[hop], num_nodes[hop + 1]
            found.append(_form(sampled_gcn_adjacency(edges, degree[:n], rows) if self.kind == "gcn"
                               else mean_adjacency(edges, n, rows)))
        return found

    def forward(self, features: Tensor | Sparse | None, adjacency: Adjacency | Sequence[Adjacency],
                nodes: Tensor | None = None) -> Tensor:
        """Embed every node, or some; features are not read where there is a learned table.

        Args:
            features: of the nodes that are read.
            adjacency: among them, one for all layers or a list of one for each.
            nodes: [n] which they are, where they are not all: whose rows of the learned table.
        """
        each = [adjacency] * len(self.layers) if isinstance(adjacency, Tensor | Sparse) else adjacency
        hidden: Tensor | Sparse | None = features
        if self.table is not None:
            hidden = self.table if nodes is None else F.embedding(nodes, self.table)
        if hidden is None:
            raise ValueError("this encoder reads features: give them, or build it with num_features=None")
        for number, (layer, along) in enumerate(zip(self.layers, each, strict=True)):
            if number:
                assert isinstance(hidden, Tensor)
                hidden = F.dropout(F.relu(hidden), self.dropout, self.training)
            elif self.kind == "gat" and isinstance(hidden, Sparse):
                hidden = hidden.to_dense()
            hidden = layer(hidden, along)
        assert isinstance(hidden, Tensor)
        return hidden


def _form(matrix: Sparse, dense: bool | None = None) -> Adjacency:
    return matrix.to_dense() if (matrix.share > DENSE_ABOVE if dense is None else dense) else matrix


class _Layer(nn.Module):
    """One layer: a term of the node's own, one of its neighbours, or both."""

    def __init__(self, num_features: int, size: int, own: bool, spread: bool) -> None:
        super().__init__()
        self.own = _glorot(num_features, size) if own else None
        self.spread = _glorot(num_features, size) if spread else None
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, hidden: Tensor | Sparse, adjacency: Adjacency) -> Tensor:
        out: Tensor = self.bias
        if self.own is not None:
            # nodes that only send come after those that have a row in the matrix
            rows = hidden.shape[0] if self.spread is None else adjacency.shape[0]
            out = out + (hidden[:rows] @ self.own if isinstance(hidden, Tensor) else (hidden @ self.own)[:rows])
        if self.spread is None:
            return out
        if isinstance(hidden, Tensor) and adjacency.shape[0] < adjacency.shape[1]:
            return out + (adjacency @ hidden) @ self.spread  # fewer nodes than send: they are multiplied alone
        return out + adjacency @ (hidden @ self.spread)


def _glorot(num_features: int, size: int) -> nn.Parameter:
    weight = torch.empty(num_features, size)
    nn.init.xavier_uniform_(weight)
    return nn.Parameter(weight)
