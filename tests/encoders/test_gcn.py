"""The sparse GCN against PyG's layers, and its sparse product against the dense one."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor

from graphns.encoders.gcn import GCN, gcn_adjacency
from graphns.encoders.sparse import Sparse

EDGES = torch.tensor([[0, 1, 1, 2, 3, 0, 2], [1, 0, 2, 1, 0, 4, 2]])  # directed, one self-loop, node 5 alone


def features(num_nodes: int = 6, width: int = 5) -> Tensor:
    x = torch.rand(num_nodes, width, generator=torch.Generator().manual_seed(0))
    return x * (x > 0.4)


@pytest.mark.parametrize("activation", ["relu", "prelu", "rrelu", "elu"])
@pytest.mark.parametrize("num_layers", [2, 3])
def test_equals_pyg(activation: str, num_layers: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.nn import GCNConv

    encoder = GCN(5, 4, num_layers, activation)
    for bias in encoder.biases:
        torch.nn.init.normal_(bias, generator=torch.Generator().manual_seed(1))
    x = features()
    hidden = x
    for weight, bias in zip(encoder.weights, encoder.biases, strict=True):
        layer = GCNConv(*weight.shape)
        layer.lin.weight.data, layer.bias.data = weight.data.T, bias.data
        hidden = encoder.activation(layer(hidden, EDGES))
    torch.testing.assert_close(encoder(x, EDGES), hidden)
    torch.testing.assert_close(encoder(Sparse.from_dense(x), gcn_adjacency(EDGES, 6)), hidden)


def test_keep_drops_columns() -> None:
    encoder, x, keep = GCN(5, 4), features(), torch.tensor([True, False, True, True, False])
    expected = encoder(x * keep, EDGES)
    torch.testing.assert_close(encoder(x, EDGES, keep), expected)
    torch.testing.assert_close(encoder(Sparse.from_dense(x), EDGES, keep), expected)


def test_gradients_are_those_of_dense_algebra() -> None:
    encoder, x = GCN(5, 4), features()
    adjacency = gcn_adjacency(EDGES, 6)
    dense = adjacency.matrix.to_dense()
    first, second = encoder.weights
    wanted = torch.autograd.grad(((dense @ ((dense @ (x @ first)).relu() @ second)).relu() ** 2).sum(), [first, second])
    found = torch.autograd.grad((encoder(Sparse.from_dense(x), adjacency) ** 2).sum(), [first, second])
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_init_follows_torch_seed() -> None:
    torch.manual_seed(3)
    first = GCN(5, 4).weights[0]
    torch.manual_seed(3)
    assert torch.equal(GCN(5, 4).weights[0], first)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="num_layers must be at least 2, got 1"):
        GCN(5, 4, num_layers=1)
    with pytest.raises(ValueError, match="no activation is called 'tanh'; there are: relu"):
        GCN(5, 4, activation="tanh")
