"""Decoders of links against plain formulas, with gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from graphns.graph.graph import Graph
from graphns.scorers.decoders import Bilinear, Dot, HadamardMLP, places
from graphns.scorers.ncn import CommonNeighborMLP


def tables(grad: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    anchors, table = torch.rand(4, 3, generator=generator), torch.rand(6, 3, generator=generator)
    ids = torch.randint(6, (4, 5), generator=generator)
    return anchors.requires_grad_(grad), table.requires_grad_(grad), ids


def made(name: str) -> nn.Module:
    torch.manual_seed(1)
    if name == "bilinear":
        decoder = Bilinear(3)
        nn.init.normal_(decoder.weight)
        return decoder
    return Dot() if name == "dot" else HadamardMLP(3, hidden_size=4, num_layers=3)


def plain(decoder: nn.Module, u: Tensor, v: Tensor) -> Tensor:
    if isinstance(decoder, Bilinear):
        return u @ ((decoder.weight + decoder.weight.T) / 2) @ v
    if isinstance(decoder, HadamardMLP):
        first, second, third = decoder.layers
        score: Tensor = third(second(first(u * v).relu()).relu())[0]
        return score
    return (u * v).sum()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("name", ["dot", "bilinear", "mlp"])
def test_scores_and_gradients_are_the_formulas(name: str, shared: bool) -> None:
    decoder = made(name)
    found = []
    for fused in (True, False):
        anchors, table, ids = tables(grad=True)
        ids = ids[:1] if shared else ids
        wide = ids.expand(4, -1)
        scores = decoder(anchors, table, ids) if fused else torch.stack([
            torch.stack([plain(decoder, anchors[b], table[i]) for i in wide[b]]) for b in range(4)])
        assert scores.shape == (4, 5)
        decoder.zero_grad()
        (scores * torch.arange(20.0).view(4, 5)).sum().backward()
        found.append([scores.detach(), anchors.grad, table.grad,
                      *(p.grad.clone() for p in decoder.parameters() if p.grad is not None)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_a_symmetric_form_is() -> None:
    decoder = made("bilinear")
    table = torch.rand(5, 3)
    scores = decoder(table, table, torch.arange(5)[None])
    torch.testing.assert_close(scores, scores.T)
    directed = Bilinear(3, symmetric=False)
    nn.init.normal_(directed.weight)
    scores = directed(table, table, torch.arange(5)[None])
    torch.testing.assert_close(scores, table @ directed.weight @ table.T)
    assert not torch.allclose(scores, scores.T)


def test_without_gradient_a_block_at_a_time_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphns.scorers import decoders

    decoder, (anchors, table, ids) = made("mlp"), tables()
    whole = decoder(anchors, table, ids).detach()
    monkeypatch.setattr(decoders, "_CHUNK", 16)
    with torch.no_grad():
        torch.testing.assert_close(decoder(anchors, table, ids), whole)
        torch.testing.assert_close(decoder(anchors, table, ids[:1]), decoder(anchors, table, ids[:1].expand(4, -1)))
        assert decoder(anchors[:0], table, ids[:0]).shape == (0, 5)


@pytest.mark.parametrize("name", ["mlp", "ncn"])
def test_an_anchor_that_comes_again_is_scored_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among shared candidates: the same scores and gradients as one by one, from as many rows as there are anchors."""
    torch.manual_seed(2)
    edges = torch.randint(6, (2, 20))
    decoder = HadamardMLP(3, hidden_size=4) if name == "mlp" else CommonNeighborMLP(Graph.from_edge_index(edges, 6), 3)
    _, table, ids = tables(grad=True)
    anchor_ids, shared = torch.tensor([4, 1, 4, 4, 1]), ids[:1]
    rows: list[int] = []
    blocks = decoder._blocks
    monkeypatch.setattr(decoder, "_blocks", lambda anchors, *rest: rows.append(len(anchors)) or blocks(anchors, *rest))
    found = []
    for each in (shared, shared.expand(5, -1)):
        scores = decoder(table[anchor_ids], table, each, anchor_ids)
        table.grad = None
        (scores * torch.arange(25.0).view(5, 5)).sum().backward()
        assert table.grad is not None
        found.append((scores.detach(), table.grad))
    assert rows == [2, 5]
    torch.testing.assert_close(*(each[0] for each in found))
    torch.testing.assert_close(*(each[1] for each in found))
    decoder.dropout = 0.5  # each row drops by itself
    decoder(table[anchor_ids], table, shared, anchor_ids)
    assert rows[-1] == 5


def test_refusals() -> None:
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        HadamardMLP(3, num_layers=0)
    with pytest.raises(ValueError, match="dropout must be in"):
        HadamardMLP(3, dropout=-0.1)


def test_common_neighbours_stand_beside_the_product() -> None:
    edges = torch.tensor([[0, 0, 0, 1, 1, 2, 4], [1, 2, 3, 2, 3, 3, 5]])
    graph = Graph.from_edge_index(torch.cat([edges, edges.flip(0)], 1), 6)
    torch.manual_seed(1)
    decoder = CommonNeighborMLP(graph, 3, hidden_size=4)
    _, table, _ = tables(grad=True)
    anchor_ids, ids = torch.tensor([0, 1, 4]), torch.tensor([[1, 3, 5], [0, 2, 4], [5, 0, 4]])
    rows = [set(graph.neighbors(node).tolist()) for node in range(6)]
    expected = []
    for b, u in enumerate(anchor_ids.tolist()):
        for v in ids[b].tolist():
            shared = sum((table[w] for w in rows[u] & rows[v]), torch.zeros(3))
            expected.append(decoder.score_pairs(torch.cat([table[u] * table[v], shared])[None])[0])
    scores = decoder(table[anchor_ids], table, ids, anchor_ids)
    torch.testing.assert_close(scores, torch.stack(expected).view(3, 3))
    gradients = []
    for each in (scores, torch.stack(expected).view(3, 3)):
        table.grad = None
        (each * torch.arange(9.0).view(3, 3)).sum().backward(retain_graph=True)
        gradients.append(table.grad)
    torch.testing.assert_close(*gradients)
    with torch.no_grad():
        shared_ids = decoder(table[anchor_ids], table, ids[:1], anchor_ids)
        torch.testing.assert_close(shared_ids, decoder(table[anchor_ids], table, ids[:1].expand(3, -1), anchor_ids))
    with pytest.raises(ValueError, match="give anchor_ids"):
        decoder(table, table, ids)
    with pytest.raises(ValueError, match="need a homogeneous graph"):
        CommonNeighborMLP(Graph.empty((2, 3)), 3)
    assert not any(name.startswith("ind") for name in decoder.state_dict())


def test_common_neighbours_among_some_nodes_are_those_of_all() -> None:
    edges = torch.tensor([[0, 0, 0, 1, 1, 2, 4], [1, 2, 3, 2, 3, 3, 5]])
    graph = Graph.from_edge_index(torch.cat([edges, edges.flip(0)], 1), 7)
    torch.manual_seed(1)
    decoder, table = CommonNeighborMLP(graph, 3, hidden_size=4), torch.rand(7, 3)
    anchor_ids, ids = torch.tensor([1, 3]), torch.tensor([[3, 2], [1, 2]])
    nodes = torch.tensor([0, 1, 2, 3])  # the common neighbours of these pairs are among them
    expected = decoder(table[anchor_ids], table, ids, anchor_ids)
    part = table[nodes]
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            found = decoder(part[places(nodes, anchor_ids)], part, places(nodes, ids), anchor_ids, nodes)
        torch.testing.assert_close(found, expected)
    few = torch.tensor([1, 2, 3])
    with pytest.raises(ValueError, match="node 0 is not among the 3 that are embedded"):
        decoder(table[anchor_ids], table[few], places(few, ids), anchor_ids, few)
