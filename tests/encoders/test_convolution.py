"""Convolutions against PyG's layers, against dense algebra, and without a graph."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from graphns.encoders.convolution import MODULES, Convolutions, GraphConvolution
from graphns.encoders.gcn import gcn_adjacency
from graphns.encoders.sparse import Sparse

EDGES = torch.tensor([[0, 1, 1, 2, 3, 0, 2], [1, 0, 2, 1, 0, 4, 2]])  # directed, one self-loop, node 5 alone
ADJACENCY = gcn_adjacency(EDGES, 6)


def features() -> Tensor:
    x = torch.rand(6, 5, generator=torch.Generator().manual_seed(0))
    return x * (x > 0.4)


def biased(module: nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, generator=generator)


@pytest.mark.parametrize("activation", MODULES)
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
def test_equals_pyg(activation: str, last: bool, normalize: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.nn import GCNConv

    encoder = Convolutions([5, 7, 3, 4], activation, normalize=normalize, last=last)
    biased(encoder)
    x = hidden = features()
    for number, layer in enumerate(encoder.layers):
        assert isinstance(layer, GraphConvolution)
        theirs = GCNConv(*layer.weight.shape)
        theirs.lin.weight.data = layer.weight.data.T
        assert (layer.bias is None) == (normalize and (number < 2 or last))
        if layer.bias is not None:
            theirs.bias.data = layer.bias.data
        hidden = theirs(hidden, EDGES)
        if number < 2 or last:
            parts = encoder.after[number]
            assert isinstance(parts, nn.Sequential) and isinstance(parts[-1], MODULES[activation])
            if normalize:
                norm = parts[0]
                assert isinstance(norm, nn.BatchNorm1d)
                scaled = (hidden - hidden.mean(0)) / (hidden.var(0, unbiased=False) + norm.eps).sqrt()
                hidden = scaled * norm.weight + norm.bias
            hidden = parts[-1](hidden)
    torch.testing.assert_close(encoder(x, ADJACENCY), hidden)
    torch.testing.assert_close(encoder(Sparse.from_dense(x), ADJACENCY), hidden)
    torch.testing.assert_close(encoder.eval()(x, ADJACENCY), hidden)  # the same after training


def test_columns_outside_keep_count_as_zero() -> None:
    encoder, keep = Convolutions([5, 4, 3]), torch.tensor([True, False, True, True, False])
    wanted = encoder(features() * keep, ADJACENCY)
    torch.testing.assert_close(encoder(features(), ADJACENCY, keep), wanted)
    torch.testing.assert_close(encoder(Sparse.from_dense(features()), ADJACENCY, keep), wanted)


def test_without_a_graph_no_node_sees_another() -> None:
    encoder = Convolutions([5, 4, 3], last=False)
    biased(encoder)
    x = features()
    first, second = encoder.layers
    wanted = (x @ first.weight + first.bias).relu() @ second.weight + second.bias  # type: ignore[operator]
    torch.testing.assert_close(encoder(x, None), wanted)
    changed = x.clone()
    changed[0] = 9
    assert torch.equal(encoder(changed, None)[1:], encoder(x, None)[1:])


def test_a_bias_that_would_be_taken_away_is_not_there() -> None:
    """Before a norm, and before columns are standardised outside: neither hears of it."""
    def biased_layers(**options: bool) -> list[bool]:
        return [layer.bias is not None for layer in Convolutions([5, 4, 4, 3], **options).layers]

    assert biased_layers() == biased_layers(last=False) == [True, True, True]
    assert biased_layers(normalize=True) == [False, False, False]
    assert biased_layers(normalize=True, last=False) == [False, False, True]
    assert biased_layers(last=False, standardized=True) == [True, True, False]


def test_rows_in_another_order_need_no_new_product() -> None:
    """(X_p) W = (X W)_p, and so does its gradient, with rows that come twice and rows that are left out."""
    layer, x, ids = GraphConvolution(5, 4), features(), torch.tensor([3, 3, 0, 5, 1, 1])
    dense = ADJACENCY.matrix.to_dense()
    wanted = dense @ (x[ids] @ layer.weight) + layer.bias
    found = layer.propagate(layer.transform(Sparse.from_dense(x)).index_select(0, ids), ADJACENCY)
    torch.testing.assert_close(found, wanted)
    for ours, theirs in zip(torch.autograd.grad(found.square().sum(), [layer.weight, layer.bias]),
                            torch.autograd.grad(wanted.square().sum(), [layer.weight, layer.bias]), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"two widths or more, each at least 1, got \[5\]"):
        Convolutions([5])
    with pytest.raises(ValueError, match=r"each at least 1, got \[5, 0\]"):
        Convolutions([5, 0])
    with pytest.raises(ValueError, match="no activation is called 'rrelu'; there are: relu, prelu, elu"):
        Convolutions([5, 4], "rrelu")
