"""What PyG's own tests check of these functions and of what uses them, in our words, with ours in PyG's place.

`benchmarks/pyg_upstream.py` runs PyG's test files themselves, where a checkout of PyG is at hand.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from itertools import product

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.nn import GAE, VGAE, GCNConv, SignedGCN, SuperGATConv
from torch_geometric.transforms import RandomLinkSplit
from torch_geometric.utils import add_random_edge, coalesce, erdos_renyi_graph, is_undirected, to_undirected

from graphns import pyg


@pytest.fixture(autouse=True)
def ours() -> Iterator[None]:
    torch.manual_seed(12345)
    with pyg.patched():
        yield


def as_set(edge_index: Tensor) -> set[tuple[int, int]]:
    return set(map(tuple, edge_index.T.tolist()))


def is_negative(edge_index: Tensor, negative: Tensor, size: tuple[int, int], bipartite: bool) -> bool:
    inside = bool((negative[0] < size[0]).all()) and bool((negative[1] < size[1]).all())
    loops = not bipartite and bool((negative[0] == negative[1]).any())
    return inside and not loops and not as_set(edge_index) & as_set(negative)


# ---- the functions, called by PyG's names


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_negative_sampling(method: str) -> None:
    from torch_geometric.utils import negative_sampling

    edge_index = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]])
    negative = negative_sampling(edge_index, method=method)
    assert negative.shape == edge_index.shape
    assert is_negative(edge_index, negative, (4, 4), bipartite=False)
    negative = negative_sampling(edge_index, num_neg_samples=2, method=method)
    assert negative.shape == (2, 2)
    assert is_negative(edge_index, negative, (4, 4), bipartite=False)
    negative = negative_sampling(edge_index, num_neg_samples=0.5, method=method)
    assert negative.shape == (2, 2)
    negative = negative_sampling(edge_index, num_neg_samples=1.5, method=method)
    assert negative.shape == (2, 6)


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_negative_sampling_undirected(method: str) -> None:
    from torch_geometric.utils import negative_sampling

    edge_index = to_undirected(torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]]))
    negative = negative_sampling(edge_index, force_undirected=True, method=method)
    # 7 columns ask for 3 unordered pairs, and three are free
    assert negative.shape == (2, 6)
    assert is_undirected(negative)
    assert is_negative(edge_index, negative, (4, 4), bipartite=False)
    assert negative_sampling(edge_index, num_neg_samples=2, force_undirected=True, method=method).shape == (2, 2)


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_bipartite_negative_sampling(method: str) -> None:
    from torch_geometric.utils import negative_sampling

    edge_index = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]])
    for num, expected in ((None, 4), (2, 2), (0.5, 2)):
        negative = negative_sampling(edge_index, num_nodes=(3, 4), num_neg_samples=num, method=method)
        assert negative.shape == (2, expected)
        assert is_negative(edge_index, negative, (3, 4), bipartite=True)


@pytest.mark.parametrize("density", [0.1, 0.2, 0.5, 0.8])
def test_negative_sampling_with_different_edge_density(density: float) -> None:
    from torch_geometric.utils import negative_sampling

    for num_nodes in (10, 100):
        edge_index = erdos_renyi_graph(num_nodes, density, directed=True)
        negative = negative_sampling(edge_index, num_nodes)
        assert is_negative(edge_index, negative, (num_nodes, num_nodes), bipartite=False)
        both = to_undirected(edge_index, num_nodes=num_nodes)
        negative = negative_sampling(both, num_nodes, force_undirected=True)
        assert is_undirected(negative, num_nodes=num_nodes)
        assert is_negative(both, negative, (num_nodes, num_nodes), bipartite=False)


@pytest.mark.parametrize("density", [0.1, 0.2, 0.5, 0.8])
def test_bipartite_negative_sampling_with_different_edge_density(density: float) -> None:
    from torch_geometric.utils import negative_sampling

    for size in ((10, 10), (100, 10), (10, 100)):
        edge_index = (torch.rand(size) < density).nonzero().T
        negative = negative_sampling(edge_index, size)
        assert is_negative(edge_index, negative, size, bipartite=True)


@pytest.mark.parametrize("num", [None, 2, 0.5, 1.5])
def test_batched_negative_sampling(num: float | None) -> None:
    from torch_geometric.utils import batched_negative_sampling

    one = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]])
    edge_index = torch.cat([one, one + 4, one + 8], dim=1)
    batch = torch.tensor([0] * 4 + [1] * 4 + [2] * 4)
    negative = batched_negative_sampling(edge_index, batch, num)
    each = 4 if num is None else num if isinstance(num, int) else int(4 * num)
    assert negative.shape == (2, 3 * each)
    assert negative[0].min() >= 0 and negative[0].max() < 12
    assert torch.equal(batch[negative[0]], torch.arange(3).repeat_interleave(each))
    assert torch.equal(batch[negative[0]], batch[negative[1]])
    assert is_negative(edge_index, negative, (12, 12), bipartite=False)


@pytest.mark.parametrize("num", [None, 2, 0.5])
def test_bipartite_batched_negative_sampling(num: float | None) -> None:
    from torch_geometric.utils import batched_negative_sampling

    one = torch.tensor([[0, 0, 1, 1], [0, 1, 2, 3]])
    edge_index = torch.cat([one, one + torch.tensor([[2], [4]]), one + torch.tensor([[4], [8]])], dim=1)
    batches = torch.arange(3).repeat_interleave(2), torch.arange(3).repeat_interleave(4)
    negative = batched_negative_sampling(edge_index, batches, num)
    assert negative.shape == (2, 3 * (4 if num is None else 2))
    assert torch.equal(batches[0][negative[0]], batches[1][negative[1]])
    assert is_negative(edge_index, negative, (6, 12), bipartite=True)


@pytest.mark.parametrize("num_nodes", [None, 4])
@pytest.mark.parametrize("self_loops", [True, False])
def test_structured_negative_sampling(num_nodes: int | None, self_loops: bool) -> None:
    from torch_geometric.utils import structured_negative_sampling

    edge_index = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]])
    for _ in range(20):
        i, j, k = structured_negative_sampling(edge_index, num_nodes, self_loops)
        assert i.shape == j.shape == k.shape == (4,)
        assert torch.equal(torch.stack([i, j]), edge_index)
        dense = torch.zeros(4, 4)
        dense[i, j] = 1.0
        assert dense[i, k].sum() == 0
        assert self_loops or not (i == k).any()


def test_structured_negative_sampling_sparse_graph() -> None:
    from torch_geometric.utils import structured_negative_sampling

    edge_index = torch.tensor([[0, 0, 1, 1, 2], [0, 1, 1, 2, 3]])
    i, j, k = structured_negative_sampling(edge_index, num_nodes=50, contains_neg_self_loops=False)
    assert torch.equal(torch.stack([i, j]), edge_index)
    assert not (set(zip(i.tolist(), k.tolist(), strict=True)) & as_set(edge_index))
    assert not (i == k).any()


def test_structured_negative_sampling_feasible() -> None:
    from torch_geometric.utils import structured_negative_sampling_feasible as feasible

    triangle = torch.tensor([[0, 0, 1, 1, 2, 2, 2], [1, 2, 0, 2, 0, 1, 1]])
    assert not feasible(triangle, 3, False)
    assert feasible(triangle, 3, True)
    assert feasible(triangle, 4, False)
    with_loops = torch.tensor([[0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 2, 0, 1, 2]])
    assert not feasible(with_loops)
    assert not feasible(with_loops, 3, False)
    assert feasible(with_loops, 4)


def test_private_index_functions_stay() -> None:
    """PyG's tests of the numbering of pairs touch private functions, which are not replaced."""
    from torch_geometric.utils._negative_sampling import edge_index_to_vector, vector_to_edge_index

    everything = torch.tensor(list(product(range(4), range(3)))).T
    index, population = edge_index_to_vector(everything, (4, 3), bipartite=True)
    assert index.tolist() == list(range(population)) == list(range(12))
    assert torch.equal(vector_to_edge_index(index, (4, 3), bipartite=True), everything)


def test_same_seed_same_negatives() -> None:
    from torch_geometric import seed_everything
    from torch_geometric.utils import negative_sampling

    edge_index = erdos_renyi_graph(30, 0.2)
    draws = []
    for _ in range(2):
        seed_everything(7)
        draws.append(negative_sampling(edge_index))
    assert torch.equal(*draws)


# ---- what uses them


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
