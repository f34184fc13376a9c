"""Encoders for links: equal to PyG's layers, over sparse and dense adjacencies, with features or a learned table."""

from __future__ import annotations

from itertools import accumulate, combinations

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import GATConv, GCNConv, SAGEConv

from graphns.encoders.gcn import gcn_adjacency
from graphns.encoders.message_passing import ENCODERS, NodeEncoder, mean_adjacency, sampled_gcn_adjacency
from graphns.encoders.sparse import Sparse
from graphns.graph.graph import Graph
from graphns.graph.neighbors import sample_neighbors
from graphns.streams import Stream

EDGES = torch.tensor([[0, 1, 1, 2, 3, 0, 4], [1, 0, 2, 1, 0, 3, 4]])  # both directions, a loop; node 5 has no edge
N = 6


def features(sparse: bool = False) -> Tensor | Sparse:
    x = torch.rand(N, 5, generator=torch.Generator().manual_seed(1))
    return Sparse.from_dense(x * (x > 0.5)) if sparse else x


def made(kind: str, num_features: int | None = 5, **options: float) -> NodeEncoder:
    torch.manual_seed(0)
    return NodeEncoder(kind, N, num_features, hidden_size=4, size=3, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("kind", ["gcn", "sage"])
def test_layers_are_those_of_pyg(kind: str, dense: bool) -> None:
    encoder = made(kind)
    x = features()
    assert isinstance(x, Tensor)
    hidden = x
    for number, layer in enumerate(encoder.layers):
        n, m = hidden.shape[1], layer.bias.shape[0]
        theirs = GCNConv(n, m) if kind == "gcn" else SAGEConv(n, m)
        with torch.no_grad():
            if kind == "gcn":
                theirs.lin.weight.copy_(layer.spread.T)
                theirs.bias.copy_(layer.bias)
            else:
                theirs.lin_l.weight.copy_(layer.spread.T)
                theirs.lin_r.weight.copy_(layer.own.T)
                theirs.lin_l.bias.copy_(layer.bias)
        hidden = theirs(hidden.relu() if number else hidden, EDGES)
    ours = encoder(x, encoder.adjacency(EDGES, dense=dense))
    torch.testing.assert_close(ours, hidden, rtol=1e-5, atol=1e-6)


def test_gat_is_pygs() -> None:
    encoder = made("gat")
    assert [type(layer) for layer in encoder.layers] == [GATConv, GATConv]
    x = features()
    expected = encoder.layers[1](encoder.layers[0](x, EDGES).relu(), EDGES)
    assert torch.equal(encoder(x, encoder.adjacency(EDGES)), expected)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("given", ["dense", "sparse", "none"])
def test_every_encoder_takes_every_kind_of_features(kind: str, given: str) -> None:
    x = None if given == "none" else features(sparse=given == "sparse")
    encoder = made(kind, None if x is None else 5, num_layers=3)
    out = encoder(x, encoder.adjacency(EDGES))
    assert out.shape == (N, 3) and bool(torch.isfinite(out).all())
    out.square().sum().backward()
    # a first bias that ReLU leaves dark may have no gradient; every weight has one
    assert all(weight.grad is not None for weight in encoder.parameters())
    if x is not None and kind not in ("embedding", "gat"):
        plain = x.to_dense() if isinstance(x, Sparse) else x
        torch.testing.assert_close(encoder(plain, encoder.adjacency(EDGES)), out)


def test_a_perceptron_and_a_table_see_no_edge() -> None:
    for kind in ("mlp", "embedding"):
        encoder = made(kind)
        x, none = features(), torch.empty(2, 0, dtype=torch.int64)
        assert torch.equal(encoder(x, encoder.adjacency(EDGES)), encoder(x, encoder.adjacency(none)))


def test_dropout_is_for_training_alone() -> None:
    encoder, x = made("gcn", dropout=0.5), features()
    adjacency = encoder.adjacency(EDGES)
    torch.manual_seed(0)
    assert not torch.equal(encoder(x, adjacency), encoder(x, adjacency))
    encoder.eval()
    assert torch.equal(encoder(x, adjacency), encoder(x, adjacency))


def test_dense_where_the_graph_is() -> None:
    encoder = made("gcn")
    assert isinstance(encoder.adjacency(EDGES), Tensor)
    wide = NodeEncoder("gcn", 1000, None, 4, 4)
    assert isinstance(wide.adjacency(EDGES), Sparse) and isinstance(wide.adjacency(EDGES, dense=True), Tensor)


def test_means_count_copies_and_skip_lonely_nodes() -> None:
    twice = torch.tensor([[0, 0, 1], [2, 2, 2]])
    assert mean_adjacency(twice, 4).to_dense()[2].tolist() == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert not mean_adjacency(twice, 4).to_dense()[[0, 1, 3]].any()


@pytest.mark.parametrize(("kind", "options", "message"), [
    ("gnc", {}, "no encoder is called 'gnc'; there are: gcn"),
    ("gcn", {"num_layers": 0}, "must be at least 1"),
    ("gcn", {"dropout": 1.0}, "dropout must be in"),
])
def test_refusals(kind: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(kind, **options)


def test_features_that_are_missing_are_asked_for() -> None:
    encoder = made("mlp")
    with pytest.raises(ValueError, match="this encoder reads features"):
        encoder(None, EDGES)


def test_rows_of_sampled_neighbours_are_unbiased() -> None:
    """Over all subsets of a node's neighbours, the mean of its row is its row of the whole graph."""
    star = torch.tensor([[1, 2, 3, 4, 5, 0], [0, 0, 0, 0, 0, 1]])
    degree = torch.tensor([5, 1, 0, 0, 0, 0])
    whole = gcn_adjacency(star, 6).to_dense()
    for size in (1, 2, 5):
        rows = [sampled_gcn_adjacency(torch.tensor([drawn, [0] * size]), degree).to_dense()[0]
                for drawn in combinations(range(1, 6), size)]
        torch.testing.assert_close(torch.stack(rows).mean(0), whole[0])
    part = sampled_gcn_adjacency(star[:, :5], degree, num_targets=1)
    assert part.shape == (1, 6)
    torch.testing.assert_close(part.to_dense()[0], whole[0])


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", ["gcn", "sage", "gat"])
def test_layers_of_sampled_neighbours_embed_the_seeds_as_the_whole_graph_does(kind: str, sparse: bool) -> None:
    edges = EDGES[:, EDGES[0] != EDGES[1]]
    graph = Graph.from_edge_index(edges, N)
    encoder, x = made(kind), features(sparse)
    whole = encoder(x, encoder.adjacency(edges))
    for seeds in (torch.tensor([3]), torch.tensor([1, 5])):
        found = sample_neighbors(graph, seeds, [-1, -1], Stream(0))
        sizes = (list(accumulate(each)) for each in (found.num_sampled_nodes, found.num_sampled_edges))
        along = encoder.part_adjacency(torch.stack([found.row, found.col]), graph.degree[found.node], *sizes)
        rows = x[found.node] if isinstance(x, Tensor) else x.rows(found.node)
        out = encoder(rows, along, found.node)
        torch.testing.assert_close(out[: len(seeds)], whole[seeds])
        assert kind == "gat" or len(out) == len(seeds)
