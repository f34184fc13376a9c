"""The loaders on several kinds of nodes and edges, bipartite seeds and PyG's stores."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.nn import HeteroConv, SAGEConv
from torch_geometric.sampler import NegativeSampling
from torch_geometric.testing import MyFeatureStore, MyGraphStore

from graphns.graph.graph import Graph
from graphns.pyg import LinkNeighborLoader, NeighborLoader
from graphns.samplers.static.uniform import Uniform
from tests.adapters.pyg_data import BACK, TO_AUTHOR, TO_PAPER, assert_same, heterogeneous

DATA = heterogeneous()
KINDS = (TO_PAPER, TO_AUTHOR, BACK)


def graph_of(kind: tuple[str, str, str]) -> Graph:
    nodes = DATA[kind[0]].num_nodes, DATA[kind[-1]].num_nodes
    return Graph.from_edge_index(DATA[kind].edge_index, nodes if kind[0] != kind[-1] else nodes[0])


def globally(batch: HeteroData, kind: tuple[str, str, str], pairs: Tensor) -> Tensor:
    return torch.stack([batch[kind[0]].n_id[pairs[0]], batch[kind[-1]].n_id[pairs[1]]])


@pytest.mark.parametrize("kind", [TO_PAPER, TO_AUTHOR])
@pytest.mark.parametrize("subgraph_type", ["directional", "bidirectional", "induced"])
@pytest.mark.parametrize("ratio", [None, 1.0])
def test_binary_batches(kind: Any, subgraph_type: str, ratio: float | None) -> None:
    """Fields of PyG's batches, and ids that lead to the data they came from."""
    loader = LinkNeighborLoader(DATA, [-1, -1], kind, batch_size=20, subgraph_type=subgraph_type,
                                neg_sampling_ratio=ratio, shuffle=True)
    for batch in loader:
        for name in ("paper", "author"):
            assert torch.equal(batch[name].x, DATA[name].x[batch[name].n_id])
        for each in KINDS:
            edges = globally(batch, each, batch[each].edge_index)
            if subgraph_type == "bidirectional":
                assert "e_id" not in batch[each] or each != TO_PAPER
                if each == TO_PAPER:
                    assert set(map(tuple, edges.T.tolist())) == set(map(tuple, edges.flip(0).T.tolist()))
            else:
                assert torch.equal(edges, DATA[each].edge_index[:, batch[each].e_id])
                assert torch.equal(batch[each].edge_attr, batch[each].e_id)
        own = batch[kind]
        assert own.input_id.shape == (20,) and own.edge_label_index.shape == (2, 20 if ratio is None else 40)
        wanted = DATA[kind].edge_index[:, own.input_id]
        assert torch.equal(globally(batch, kind, own.edge_label_index)[:, :20], wanted)
        if ratio is not None:
            assert own.edge_label.tolist() == [1.0] * 20 + [0.0] * 20


def test_induced_edges_are_all_there_are() -> None:
    batch = next(iter(LinkNeighborLoader(DATA, [1], TO_AUTHOR, batch_size=5, subgraph_type="induced")))
    for kind in KINDS:
        source, target = DATA[kind].edge_index
        inside = torch.isin(source, batch[kind[0]].n_id) & torch.isin(target, batch[kind[-1]].n_id)
        assert torch.equal(batch[kind].e_id.sort().values, inside.nonzero()[:, 0])


@pytest.mark.parametrize(("kind", "disjoint", "amount"), [*product([TO_PAPER, TO_AUTHOR], [False, True], [1, 3])])
def test_triplets_given_their_source(kind: Any, disjoint: bool, amount: int) -> None:
    """Row b of `dst_neg_index` is of edge b, no neighbour of its source, beside its mask and log-probability."""
    graph = graph_of(kind)
    loader = LinkNeighborLoader(DATA, [2, 2], (kind, None), batch_size=25, disjoint=disjoint, negatives=Uniform(graph),
                                neg_sampling=NegativeSampling("triplet", amount))
    for batch in loader:
        source, target = batch[kind[0]], batch[kind[-1]]
        edges = globally(batch, kind, torch.stack([source.src_index, target.dst_pos_index]))
        assert torch.equal(edges, DATA[kind].edge_index[:, batch[kind].input_id])
        negative = target.n_id[target.dst_neg_index]
        assert negative.shape == target.negative_mask.shape == target.negative_log_prob.shape
        assert negative.shape == ((25,) if amount == 1 else (25, amount))
        assert not bool(graph.has_edge(edges[0], negative.view(25, -1)).any()) and bool(target.negative_mask.all())
        assert not {"edge_label_index", "edge_label"} & set(batch[kind].keys())
        if disjoint:
            places = target.dst_neg_index.view(25, -1)
            assert torch.equal(target.batch[places], torch.arange(25)[:, None].expand(25, amount))
            assert torch.equal(source.batch[source.src_index], torch.arange(25))


def test_binary_negatives_given_their_source() -> None:
    graph = graph_of(TO_AUTHOR)
    for batch in LinkNeighborLoader(DATA, [2], TO_AUTHOR, batch_size=50, neg_sampling_ratio=2.0,
                                    negatives=Uniform(graph)):
        ends = globally(batch, TO_AUTHOR, batch[TO_AUTHOR].edge_label_index)
        assert torch.equal(ends[0], ends[0, :50].repeat(3)) and batch[TO_AUTHOR].negative_mask.shape == (100,)
        assert not bool(graph.has_edge(*ends[:, 50:]).any()) and bool(graph.has_edge(*ends[:, :50]).all())


def test_fanouts_by_kind() -> None:
    """Another number for each kind of edge, and a default; none is none."""
    fanouts = {TO_PAPER: [0, 0], TO_AUTHOR: [1, 2], BACK: [3, 0]}
    batch = next(iter(NeighborLoader(DATA, fanouts, ("author", torch.arange(9)), batch_size=9)))
    assert batch[TO_PAPER].num_sampled_edges == [0, 0]
    first = batch[TO_AUTHOR].edge_index[1][: batch[TO_AUTHOR].num_sampled_edges[0]]
    assert first.max() < 9 and int(first.bincount().max()) == 1
    assert batch["author"].num_sampled_nodes[0] == 9 == batch["author"].batch_size
    assert [sum(batch[name].num_sampled_nodes) for name in ("paper", "author")] == [
        batch[name].num_nodes for name in ("paper", "author")]
    with pytest.raises(ValueError, match="Missing number of neighbors for edge type"):
        NeighborLoader(DATA, {TO_PAPER: [1]}, "paper")
    with pytest.raises(ValueError, match="Not all edge types specified in 'num_neighbors' exist"):
        NeighborLoader(DATA, {**fanouts, ("a", "b", "c"): [1, 1]}, "paper")


def test_whole_neighbourhoods_embed_as_the_whole_graph() -> None:
    torch.manual_seed(0)
    layers = [HeteroConv({kind: SAGEConv((1, 1) if i == 0 else (6, 6), 6) for kind in KINDS}) for i in range(2)]

    def embed(x: dict[str, Tensor], edges: dict[Any, Tensor]) -> dict[str, Tensor]:
        for layer in layers:
            x = layer(x, edges)
        return x

    whole = embed({k: DATA[k].x[:, None].float() for k in ("paper", "author")}, DATA.edge_index_dict)
    for batch in NeighborLoader(DATA, [-1, -1], ("paper", None), batch_size=20):
        out = embed({k: batch[k].x[:, None].float() for k in ("paper", "author")}, batch.edge_index_dict)
        size = batch["paper"].batch_size
        torch.testing.assert_close(out["paper"][:size], whole["paper"][batch["paper"].n_id[:size]])


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_give_the_same_batches(workers: int) -> None:
    def loader(number: int) -> LinkNeighborLoader:
        return LinkNeighborLoader(DATA, [3, 2], TO_AUTHOR, batch_size=90, num_workers=number,
                                  timeout=120 * (number > 0), negatives=Uniform(graph_of(TO_AUTHOR)),
                                  neg_sampling="triplet", weight_attr="edge_weight", filter_per_worker=False)

    assert_same(list(loader(0)), list(loader(workers)))


def test_kinds_without_edges() -> None:
    """Seed edges of a kind that the data do not have, or have none of, as PyG takes them."""
    data = HeteroData()
    data["paper"].num_nodes = 30
    kind = ("paper", "to", "paper")
    seeds = torch.arange(20).view(2, 10)
    for fanouts in ([], [2]):
        batch = next(iter(LinkNeighborLoader(data, fanouts, (("paper", "paper"), seeds), batch_size=10,
                                             neg_sampling_ratio=1.0)))
        assert batch[kind].edge_label_index.shape == (2, 20) and batch[kind].input_id.tolist() == list(range(10))
        assert batch["paper"].num_nodes == len(batch["paper"].n_id)
        data[kind].edge_index = torch.empty((2, 0), dtype=torch.int64)


def test_stores_of_pyg() -> None:
    """(FeatureStore, GraphStore): the same subgraphs as of the data, in every layout."""
    features, edges = MyFeatureStore(), MyGraphStore()
    for name in ("paper", "author"):
        features.put_tensor(DATA[name].x, group_name=name, attr_name="x", index=None)
    for kind in KINDS:
        size = DATA[kind[0]].num_nodes, DATA[kind[-1]].num_nodes
        edges.put_edge_index(DATA[kind].edge_index, edge_type=kind, layout="coo", size=size)
    options: dict[str, Any] = {"batch_size": 40, "neg_sampling": "triplet", "negatives": Uniform(graph_of(TO_AUTHOR))}
    stored = next(iter(LinkNeighborLoader((features, edges), [-1, -1], TO_AUTHOR, **options)))
    batch = next(iter(LinkNeighborLoader(DATA, [-1, -1], TO_AUTHOR, **options)))
    for name in ("paper", "author"):
        assert torch.equal(stored[name].x.sort().values, batch[name].x.sort().values)
    assert torch.equal(stored["author"].n_id[stored["author"].dst_neg_index],
                       batch["author"].n_id[batch["author"].dst_neg_index])
    for kind in KINDS:
        first, second = (globally(each, kind, each[kind].edge_index) for each in (stored, batch))
        assert sorted(first.T.tolist()) == sorted(second.T.tolist())
    nodes = next(iter(NeighborLoader((features, edges), [2, 2], "author", batch_size=9)))
    assert nodes["author"].n_id[:9].tolist() == list(range(9))
    with pytest.raises(NotImplementedError, match="weights are read from Data or HeteroData"):
        NeighborLoader((features, edges), [2], "author", weight_attr="w")
