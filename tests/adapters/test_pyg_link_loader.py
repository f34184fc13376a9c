"""The loaders on one kind of node: what PyG's documentation, source and tests say of its own."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
import torch_geometric.loader as theirs
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import ZipLoader
from torch_geometric.nn import GraphSAGE
from torch_geometric.sampler import BaseSampler, NegativeSampling
from torch_geometric.testing import MyFeatureStore, MyGraphStore

from graphns import pyg
from graphns.graph.graph import Graph
from graphns.pyg import LinkNeighborLoader, NeighborLoader, NeighborSampler
from graphns.samplers.static.uniform import Uniform
from tests.adapters.pyg_data import assert_same, homogeneous, pairs

DATA = homogeneous()
GRAPH = Graph.from_edge_index(DATA.edge_index, 60)


def as_set(edge_index: Tensor) -> set[tuple[int, int]]:
    return set(map(tuple, edge_index.T.tolist()))


@pytest.mark.parametrize("name", ["LinkNeighborLoader", "NeighborLoader"])
def test_the_arguments_are_pygs(name: str) -> None:
    """The same names in the same order with the same defaults; ours behind them, by keyword."""
    ours, original = (inspect.signature(getattr(module, name)).parameters for module in (pyg, theirs))
    positional = [p for p in ours.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    wanted = [p for p in original.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [(p.name, p.default) for p in positional] == [(p.name, p.default) for p in wanted]
    assert issubclass(getattr(pyg, name), getattr(theirs, name))


@pytest.mark.parametrize("subgraph_type", ["directional", "bidirectional", "induced"])
@pytest.mark.parametrize("ratio", [None, 1.0])
@pytest.mark.parametrize("per_worker", [None, True, False])
def test_binary_batches(subgraph_type: str, ratio: float | None, per_worker: bool | None) -> None:
    """Positives and labelled negatives in one loader; with whole neighbourhoods, positives are edges of the batch."""
    wrong = pairs(40, 300, 60, 60)
    label = torch.cat([torch.ones(300), torch.zeros(300)])
    loader = LinkNeighborLoader(
        DATA, [-1, -1], torch.cat([DATA.edge_index, wrong], 1), label, subgraph_type=subgraph_type, batch_size=20,
        neg_sampling_ratio=ratio, shuffle=True, filter_per_worker=per_worker)
    assert str(loader) == "LinkNeighborLoader()" and len(loader) == 30
    seen = []
    for batch in loader:
        assert isinstance(batch, Data) and batch.n_id.shape == (batch.num_nodes,) and batch.input_id.shape == (20,)
        assert torch.equal(batch.x, batch.n_id) and torch.equal(DATA.x[batch.n_id], batch.x)
        globally = batch.n_id[batch.edge_index]
        assert torch.equal(batch.edge_attr, batch.e_id)
        if subgraph_type != "bidirectional":
            assert torch.equal(DATA.edge_index[:, batch.e_id], globally)
        else:
            assert as_set(globally) == as_set(globally.flip(0))
        num = 20 if ratio is None else 40
        assert batch.edge_label_index.shape == (2, num) and batch.edge_label.shape == (num,)
        own = batch.n_id[batch.edge_label_index[:, :20]]
        assert torch.equal(own, torch.cat([DATA.edge_index, wrong], 1)[:, batch.input_id])
        shifted = label[batch.input_id] + (0 if ratio is None else 1)  # 0 becomes 1: with negatives, 0 is theirs
        assert torch.equal(batch.edge_label[:20], shifted) and not bool(batch.edge_label[20:].any())
        positives = own[:, label[batch.input_id] == 1]
        assert as_set(positives) <= as_set(globally) | (set() if subgraph_type == "directional" else as_set(
            globally.flip(0)))
        seen.append(batch.input_id)
        assert ("num_sampled_nodes" in batch) == (subgraph_type == "directional")
    assert torch.cat(seen).sort().values.tolist() == list(range(600))


@pytest.mark.parametrize(("label", "dtype", "wanted"), [
    (None, torch.float32, 1), (torch.ones(300, dtype=torch.int64), torch.int64, 1),
    (torch.zeros(300, dtype=torch.int64), torch.int64, 1), (torch.zeros(300), torch.float32, 1),
    (torch.full((300, 2), 3), torch.int64, 3),
])
def test_labels_make_room_for_negatives(label: Tensor | None, dtype: torch.dtype, wanted: int) -> None:
    batch = next(iter(LinkNeighborLoader(DATA, [3], edge_label=label, batch_size=10, neg_sampling="binary")))
    assert batch.edge_label.dtype == dtype and batch.edge_label.shape[0] == 20
    assert bool((batch.edge_label[:10] == wanted).all()) and not bool(batch.edge_label[10:].any())


@pytest.mark.parametrize("disjoint", [False, True])
@pytest.mark.parametrize("amount", [1, 2])
def test_triplets(disjoint: bool, amount: int) -> None:
    loader = LinkNeighborLoader(DATA, [2, 2], batch_size=20, disjoint=disjoint,
                                neg_sampling=NegativeSampling("triplet", amount))
    for batch in loader:
        shape = (20,) if amount == 1 else (20, amount)
        assert batch.src_index.shape == batch.dst_pos_index.shape == (20,) and batch.dst_neg_index.shape == shape
        edges = torch.stack([batch.n_id[batch.src_index], batch.n_id[batch.dst_pos_index]])
        assert torch.equal(edges, DATA.edge_index[:, batch.input_id])
        others = {"edge_label_index", "edge_label", "edge_label_time", "seed_time", "negative_mask"}
        assert not others & set(batch.keys())
        if disjoint:
            assert torch.equal(batch.batch[batch.src_index], torch.arange(20))
            own = torch.arange(20)[:, None].expand(20, amount)
            assert torch.equal(batch.batch[batch.dst_neg_index.view(20, -1)], own)
            assert torch.equal(batch.batch[batch.edge_index[0]], batch.batch[batch.edge_index[1]])
        else:
            assert "batch" not in batch and len(batch.n_id.unique()) == len(batch.n_id)


def test_pygs_refusals() -> None:
    with pytest.raises(ValueError, match="'edge_label' needs to be undefined"):
        LinkNeighborLoader(DATA, [2], edge_label=torch.ones(300), neg_sampling="triplet")
    with pytest.raises(ValueError, match="conflicting 'edge_label_time' and 'time_attr'"):
        LinkNeighborLoader(DATA, [2], time_attr="time")
    with pytest.raises(ValueError, match="conflicting 'input_time' and 'time_attr'"):
        NeighborLoader(DATA, [2], input_time=torch.zeros(60))
    with pytest.raises(ValueError, match="edge_label_time needs a temporal or disjoint sampler"):
        next(iter(LinkNeighborLoader(DATA, [2], edge_label_time=DATA.edge_time, time_attr="time",
                                     neighbor_sampler=NeighborSampler(DATA, [2]))))


def test_weights_choose_neighbours() -> None:
    """Weight 1 on one edge of a node, 0 on the other: the walk is known. A row of no more is whole, as PyG has it."""
    edge_index = torch.tensor([[4, 0, 2, 0, 1], [5, 5, 3, 3, 4]])
    data = Data(edge_index=edge_index, w=torch.tensor([1.0, 0, 1, 0, 0]), num_nodes=6)
    loader = LinkNeighborLoader(data, [1], torch.tensor([[5], [3]]), weight_attr="w", disjoint=True)
    batch = next(iter(loader))
    assert batch.n_id.tolist() == [5, 3, 4, 2] and batch.batch.tolist() == [0] * 4
    for fanouts, nodes in (([1, 1], {1, 2, 3, 4, 5}), ([2], {0, 2, 3, 4, 5}), ([-1, -1], set(range(6)))):
        batch = next(iter(LinkNeighborLoader(data, fanouts, torch.tensor([[5], [3]]), weight_attr="w")))
        assert set(batch.n_id.tolist()) == nodes
    with pytest.raises(ValueError, match=r"weighted sampling needs weights: set data\.v"):
        LinkNeighborLoader(data, [1], weight_attr="v")


def test_data_without_edges() -> None:
    """PyG's loaders take such data: the seeds alone."""
    data = Data(num_nodes=60)
    batch = next(iter(LinkNeighborLoader(data, [2, 2], DATA.edge_index, batch_size=20, neg_sampling_ratio=1.0)))
    assert batch.num_nodes == len(batch.n_id) <= 60 and batch.edge_label_index.shape == (2, 40)
    assert "edge_index" not in batch
    batch = next(iter(NeighborLoader(data, [2], batch_size=7)))
    assert batch.n_id.tolist() == list(range(7)) and batch.batch_size == 7


def test_sorted_data_need_no_sorting() -> None:
    """`is_sorted` changes nothing but the work; a promise that does not hold is refused."""
    order = DATA.edge_index[1].argsort(stable=True)
    data = Data(x=DATA.x, edge_index=DATA.edge_index[:, order], edge_attr=order, num_nodes=60)
    first, second = (list(LinkNeighborLoader(data, [3, 2], batch_size=30, is_sorted=done)) for done in (True, False))
    assert_same(first, second)
    with pytest.raises(ValueError, match="is_sorted=True, but the columns"):
        LinkNeighborLoader(DATA, [3], is_sorted=True)


def test_transforms_see_what_was_drawn() -> None:
    """One's own hooks come after ours, and a given `input_id` stands in the batch."""
    seen = []

    def output(out: Any) -> Any:
        seen.append(out)
        return out

    def mark(batch: Data) -> Data:
        batch.far = batch.n_id[batch.dst_neg_index[batch.negative_mask]]
        return batch

    loader = LinkNeighborLoader(DATA, [2], transform=mark, transform_sampler_output=output, neg_sampling="triplet",
                                negatives=Uniform(GRAPH), batch_size=50, input_id=torch.arange(1000, 1300))
    for batch in loader:
        assert torch.equal(batch.far, batch.n_id[batch.dst_neg_index])
        assert int(batch.input_id.min()) >= 1000
    assert len(seen) == 6
    plain = LinkNeighborLoader(DATA, [2], transform=mark)
    assert plain.transform is mark and plain.transform_sampler_output is None


def test_stores_of_pyg() -> None:
    """(FeatureStore, GraphStore) of one kind: the same subgraphs as of the data."""
    features, edges = MyFeatureStore(), MyGraphStore()
    features.put_tensor(DATA.x, group_name=None, attr_name="x", index=None)
    edges.put_edge_index(DATA.edge_index, edge_type=None, layout="coo", size=(60, 60))
    seeds = DATA.edge_index[:, :40]
    stored = next(iter(LinkNeighborLoader((features, edges), [-1, -1], (None, seeds), batch_size=40)))
    batch = next(iter(LinkNeighborLoader(DATA, [-1, -1], seeds, batch_size=40)))
    assert torch.equal(stored.x.sort().values, batch.x.sort().values)
    assert as_set(stored.n_id[stored.edge_index]) == as_set(batch.n_id[batch.edge_index])
    assert torch.equal(stored.n_id[stored.edge_label_index], seeds)


def test_nodes_in_batches() -> None:
    """Seeds first, in their order; masks give ids; disjoint, a tree for each; layers agree with the whole."""
    mask = DATA.x % 3 == 0
    for batch in NeighborLoader(DATA, [-1, -1], mask, batch_size=7):
        assert torch.equal(batch.n_id[: batch.batch_size], batch.input_id)
    batch = next(iter(NeighborLoader(DATA, [2, 2], torch.tensor([5, 5, 9]), batch_size=3, disjoint=True)))
    assert batch.n_id[:3].tolist() == [5, 5, 9] and batch.batch[:3].tolist() == [0, 1, 2]
    model = GraphSAGE(1, 8, 2)
    whole = model(DATA.x[:, None].float(), DATA.edge_index)
    for batch in NeighborLoader(DATA, [-1, -1], batch_size=20):
        out = model(batch.x[:, None].float(), batch.edge_index)
        torch.testing.assert_close(out[: batch.batch_size], whole[batch.n_id[: batch.batch_size]])


def test_a_tree_is_the_same_in_any_batch() -> None:
    """Disjoint: what an edge sees follows from its id, the seed and the pass, not from the edges beside it."""
    trees: dict[int, set[tuple[int, ...]]] = {}
    for size in (1, 20, 300):
        loader = LinkNeighborLoader(DATA, [2, 2], DATA.edge_index[:, :60], batch_size=size, disjoint=True,
                                    neg_sampling=NegativeSampling("triplet", 2), negatives=Uniform(GRAPH))
        for batch in loader:
            for place, row in enumerate(batch.input_id.tolist()):
                own = batch.n_id[batch.batch == place].sort().values, batch.e_id[
                    batch.batch[batch.edge_index[1]] == place].sort().values
                trees.setdefault(row, set()).add(tuple(torch.cat(own).tolist()))
    assert len(trees) == 60 and all(len(seen) == 1 for seen in trees.values())


def test_directed_is_deprecated_as_in_pyg() -> None:
    with pytest.warns(UserWarning, match="The usage of the 'directed' argument in 'NeighborSampler' is deprecated"):
        induced = next(iter(LinkNeighborLoader(DATA, [2], batch_size=20, directed=False)))
    assert_same(induced, next(iter(LinkNeighborLoader(DATA, [2], batch_size=20, subgraph_type="induced"))))


def test_a_sampler_of_ones_own() -> None:
    sampler = NeighborSampler(DATA, [2, 2], negatives=Uniform(GRAPH), k=3, seed=5)
    options = {"batch_size": 20, "neg_sampling": "triplet"}
    given = LinkNeighborLoader(DATA, [2, 2], neighbor_sampler=sampler, **options)
    assert_same(list(given), list(LinkNeighborLoader(DATA, [2, 2], negatives=Uniform(GRAPH), seed=5, **options)))
    for loader in (LinkNeighborLoader, NeighborLoader):
        with pytest.raises(ValueError, match="belongs to the sampler that you pass"):
            loader(DATA, [2, 2], neighbor_sampler=sampler, negatives=Uniform(GRAPH))


class Own(BaseSampler):  # type: ignore[misc]  # PyG is not typed
    """PyG's protocol, and nothing of ours."""

    def __init__(self) -> None:
        self.inner = NeighborSampler(DATA, [2])

    def sample_from_nodes(self, index: Any, **options: Any) -> Any:
        return self.inner.sample_from_nodes(index, **options)

    def sample_from_edges(self, index: Any, neg_sampling: Any = None) -> Any:
        return self.inner.sample_from_edges(index, neg_sampling)


def test_another_sampler_of_pygs_kind() -> None:
    """`neighbor_sampler` is any `BaseSampler`, as in PyG; it knows of no passes."""
    loader = NeighborLoader(DATA, [2], neighbor_sampler=Own(), batch_size=20)
    assert_same(list(loader), list(loader))
    assert_same(list(loader), list(NeighborLoader(DATA, [2], batch_size=20)))
    links = LinkNeighborLoader(DATA, [2], neighbor_sampler=Own(), batch_size=20, neg_sampling="binary")
    assert_same(list(links), list(LinkNeighborLoader(DATA, [2], batch_size=20, neg_sampling="binary")))


def test_settings_may_change_between_passes() -> None:
    """As in PyG: the numbers of neighbours, and `disjoint`, which times always imply."""
    sampler = NeighborSampler(DATA, [2, 2])
    sampler.num_neighbors = [0, 5]
    assert sampler.num_neighbors.values == [0, 5] and len(sampler.num_neighbors) == 2
    assert next(iter(NeighborLoader(DATA, [2, 2], neighbor_sampler=sampler, batch_size=7))).num_nodes == 7
    sampler.disjoint = True
    assert next(iter(NeighborLoader(DATA, [2, 2], neighbor_sampler=sampler, batch_size=7))).batch is not None
    timed = NeighborSampler(DATA, [2], time_attr="time")
    timed.disjoint = False
    assert timed.disjoint


def test_pygs_zip_loader_goes_over_several() -> None:
    """ZipLoader asks its loaders batch by batch, and tells of no pass: `set_epoch` does."""
    loaders = [NeighborLoader(DATA, [1], torch.arange(20)), LinkNeighborLoader(DATA, [1], DATA.edge_index[:, :20])]
    both = ZipLoader(loaders, batch_size=10, filter_per_worker=True)
    passes = []
    for epoch in (0, 1, 0):
        for loader in loaders:
            loader.set_epoch(epoch)
        passes.append([list(batch) for batch in both])
    assert_same(passes[0], passes[2])
    for before, after in zip(passes[0], passes[1], strict=True):
        assert not any(torch.equal(one.e_id, other.e_id) for one, other in zip(before, after, strict=True))
