"""What PyG's own tests check of what samples negatives in PyG, in our words, with ours in PyG's place."""

from __future__ import annotations

import copy
import warnings
from itertools import product

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.nn import GAE, VGAE, GCNConv, SignedGCN, SuperGATConv
from torch_geometric.transforms import RandomLinkSplit
from torch_geometric.utils import add_random_edge, coalesce, is_undirected, to_undirected

from tests.adapters.pyg_ours import as_set, is_negative, ours

pytestmark = pytest.mark.usefixtures(ours.__name__)


def random_graph(num_nodes: int = 100, num_edges: int = 500) -> Data:
    edge_index = to_undirected(coalesce(torch.randint(num_nodes, (2, num_edges))))
    edge_index = edge_index[:, edge_index[0] != edge_index[1]]
    return Data(edge_index=edge_index, edge_attr=torch.randn(edge_index.shape[1]), num_nodes=num_nodes)


@pytest.mark.parametrize("undirected", [True, False])
def test_random_link_split(undirected: bool) -> None:
    data = random_graph()
    num_edges = data.num_edges // 2 if undirected else data.num_edges
    transform = RandomLinkSplit(num_val=2, num_test=5, is_undirected=undirected, neg_sampling_ratio=2.0)
    train, val, test = transform(data)
    assert train.num_edges == val.num_edges == (num_edges - 7) * (2 if undirected else 1)
    assert test.num_edges == (num_edges - 5) * (2 if undirected else 1)
    known = as_set(data.edge_index)
    for part, positives in ((train, num_edges - 7), (val, 2), (test, 5)):
        assert part.edge_label.tolist() == [1.0] * positives + [0.0] * (2 * positives)
        assert as_set(part.edge_label_index[:, :positives]) <= known
        assert not as_set(part.edge_label_index[:, positives:]) & known
    negatives = [as_set(part.edge_label_index[:, part.edge_label == 0]) for part in (train, val, test)]
    assert sum(map(len, negatives)) == len(set.union(*negatives)) == 2 * num_edges


def test_random_link_split_without_train_negatives_and_with_labels_split() -> None:
    data = random_graph()
    transform = RandomLinkSplit(0.2, 0.2, is_undirected=True, split_labels=True, add_negative_train_samples=False)
    train, val, test = transform(data)
    assert "neg_edge_label" not in train
    for part in (val, test):
        assert part.pos_edge_label_index.shape == part.neg_edge_label_index.shape
        assert not as_set(part.neg_edge_label_index) & as_set(data.edge_index)


def test_random_link_split_warns_when_negatives_run_out() -> None:
    """A nearly full graph: the split takes all the non-edges there are, and says so."""
    full = torch.tensor([(u, v) for u, v in product(range(10), repeat=2) if u != v]).T
    data = Data(edge_index=full[:, 6:], num_nodes=10)
    with pytest.warns(UserWarning, match="not enough negative edges"):
        train, val, test = RandomLinkSplit(num_val=20, num_test=20)(data)
    negatives = [part.edge_label_index[:, part.edge_label == 0] for part in (train, val, test)]
    assert as_set(torch.cat(negatives, 1)) == as_set(full[:, :6])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train, _, _ = RandomLinkSplit(num_val=2, num_test=2)(Data(edge_index=full, num_nodes=10))
    assert int((train.edge_label == 0).sum()) == 0


def test_random_link_split_on_hetero_data() -> None:
    data = HeteroData()
    data["paper"].x = torch.arange(60)
    data["author"].x = torch.arange(20)
    data["paper", "paper"].edge_index = random_graph(60).edge_index
    writes = coalesce(torch.stack([torch.randint(20, (200,)), torch.randint(60, (200,))]))
    data["author", "paper"].edge_index = writes
    data["paper", "author"].edge_index = writes.flip(0)
    transform = RandomLinkSplit(0.2, 0.2, edge_types=[("paper", "paper"), ("author", "paper")],
                                rev_edge_types=[("paper", "paper"), ("paper", "author")], is_undirected=True)
    for part in transform(data):
        for edge_type in (("paper", "paper"), ("author", "paper")):
            store = part[edge_type]
            negative = store.edge_label_index[:, store.edge_label == 0]
            assert negative.shape[1] == store.edge_label_index.shape[1] // 2
            assert is_negative(data[edge_type].edge_index, negative, data[edge_type].size(),
                               bipartite=edge_type[0] != edge_type[1])


@pytest.mark.parametrize("variational", [False, True])
def test_graph_autoencoders(variational: bool) -> None:
    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs = torch.nn.ModuleList([GCNConv(16, 8) for _ in range(2 if variational else 1)])

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor | tuple[Tensor, Tensor]:
            out = [conv(x, edge_index) for conv in self.convs]
            return (out[0], out[1]) if variational else out[0]

    model = (VGAE if variational else GAE)(Encoder())
    data = random_graph()
    x = torch.randn(100, 16)
    z = model.encode(x, data.edge_index)
    loss = model.recon_loss(z, data.edge_index)
    assert loss.item() > 0
    loss.backward()
    assert all(p.grad is not None for p in model.encoder.convs[0].parameters())
    split = RandomLinkSplit(0.1, 0.2, is_undirected=True, split_labels=True, add_negative_train_samples=False)
    train, val, _ = split(data)
    loss = model.recon_loss(model.encode(x, train.edge_index), train.pos_edge_label_index)
    if variational:
        loss = loss + model.kl_loss() / 100
    assert torch.isfinite(loss)
    auc, precision = model.test(z, val.pos_edge_label_index, val.neg_edge_label_index)
    assert 0 <= auc <= 1 and 0 <= precision <= 1


def test_signed_gcn() -> None:
    model = SignedGCN(8, 16, num_layers=2, lamb=5)
    positive, negative = torch.randint(20, (2, 60)), torch.randint(20, (2, 40))
    x = torch.randn(20, 8)
    z = model(x, positive, negative)
    assert z.shape == (20, 16)
    loss = model.loss(z, positive, negative)
    assert loss.item() > 0
    loss.backward()
    auc, f1 = model.test(z, *model.split_edges(positive)[:1], negative)
    assert auc >= 0 and f1 >= 0
    # two classes of edge and one of non-edge: as many of each kind as there are columns
    assert torch.isfinite(model.nll_loss(z, positive, negative))


@pytest.mark.parametrize("attention", ["MX", "SD"])
def test_super_gat(attention: str) -> None:
    conv = SuperGATConv(8, 32, heads=2, attention_type=attention, neg_sample_ratio=1.0, edge_sample_ratio=1.0)
    edge_index = torch.tensor([[0, 1, 2, 3], [0, 0, 1, 1]])
    out = conv(torch.randn(4, 8), edge_index)
    assert out.shape == (4, 64)
    # four edges and four self-loops, less the loop given: 7 columns; every one of the 6 non-edges is a negative
    assert conv.att_y.sum() == 7 and len(conv.att_y) == 13
    loss = conv.get_attention_loss()
    assert loss.item() > 0
    loss.backward()
    conv.eval()
    assert conv(torch.randn(4, 8), edge_index).shape == (4, 64)
    assert conv.get_attention_loss() == 0


def test_super_gat_of_a_batch() -> None:
    graph = Data(x=torch.randn(5, 8), edge_index=torch.tensor([[0, 1, 2, 3], [0, 0, 1, 1]]))
    batch = Batch.from_data_list([graph, copy.copy(graph), graph])
    conv = SuperGATConv(8, 4, neg_sample_ratio=0.25, edge_sample_ratio=1.0)
    conv(batch.x, batch.edge_index, batch=batch.batch)
    assert torch.isfinite(conv.get_attention_loss())
    negative = conv.negative_sampling(batch.edge_index, 15, batch.batch)
    assert torch.equal(batch.batch[negative[0]], batch.batch[negative[1]])
    assert not as_set(negative) & as_set(to_undirected(batch.edge_index))


def test_add_random_edge() -> None:
    edge_index = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
    out, added = add_random_edge(edge_index, p=0.5)
    assert added.shape == (2, 3)
    assert torch.equal(out, torch.cat([edge_index, added], 1))
    assert is_negative(edge_index, added, (4, 4), bipartite=False)
    out, added = add_random_edge(edge_index, p=0.5, force_undirected=True)
    assert added.shape == (2, 2)
    assert is_undirected(out) and is_undirected(added)
    out, added = add_random_edge(torch.tensor([[0, 1, 2, 3, 4, 5], [2, 3, 1, 4, 2, 1]]), p=0.5, num_nodes=(6, 5))
    assert added.shape == (2, 3) and out.shape == (2, 9)
