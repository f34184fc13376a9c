"""Loaders in the order of time: no later neighbour, no later negative, by times of nodes or of edges."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.sampler import EdgeSamplerInput, NegativeSampling, NodeSamplerInput
from torch_geometric.testing import MyFeatureStore, MyGraphStore

from graphns.base import Query
from graphns.graph.graph import Graph
from graphns.pyg import LinkNeighborLoader, NeighborLoader, NeighborSampler
from graphns.samplers.static.global_edges import GlobalEdges
from graphns.samplers.static.uniform import Uniform
from tests.adapters.pyg_data import BACK, TO_AUTHOR, TO_PAPER, heterogeneous, homogeneous, ids

DATA, HETERO = homogeneous(), heterogeneous()
GRAPH = Graph.from_edge_index(DATA.edge_index, 60)


@pytest.mark.parametrize("strategy", ["uniform", "last"])
@pytest.mark.parametrize("attribute", ["time", "edge_time"])
@pytest.mark.parametrize("mode", [None, "binary", "triplet"])
def test_nothing_of_the_future(strategy: str, attribute: str, mode: str | None) -> None:
    """Neighbours of every tree are of its seed's time or before; `last` takes the newest."""
    loader = LinkNeighborLoader(DATA, [3, 2], batch_size=25, edge_label_time=DATA.edge_time, time_attr=attribute,
                                temporal_strategy=strategy, neg_sampling=mode and NegativeSampling(mode, 2))
    sampled = 0
    for batch in loader:
        time = DATA.edge_time[batch.input_id]
        if mode == "triplet":
            assert torch.equal(batch.seed_time, time)
        else:
            assert torch.equal(batch.edge_label_time, time if mode is None else time.repeat(3))
        ends = batch.edge_index
        assert torch.equal(batch.batch[ends[0]], batch.batch[ends[1]])
        seen = time[batch.batch[ends[1]]]
        own = DATA.time[batch.n_id[ends[0]]] if attribute == "time" else DATA.edge_time[batch.e_id]
        assert bool((own <= seen).all())
        sampled += len(own)
        if strategy == "last":  # no edge that was left out is newer than one that was taken
            times = DATA.time[DATA.edge_index[0]] if attribute == "time" else DATA.edge_time
            for place in ends[1].unique().tolist()[:40]:
                taken = batch.e_id[ends[1] == place]
                rest = (DATA.edge_index[1] == batch.n_id[place]) & (times <= time[batch.batch[place]])
                rest[taken] = False
                assert not bool(rest.any()) or int(times[rest].max()) <= int(times[taken].min())
        if mode is not None and attribute == "time":
            negative = batch.dst_neg_index.flatten() if mode == "triplet" else batch.edge_label_index[:, 25:].flatten()
            late = DATA.time[batch.n_id[negative]] > time[batch.batch[negative]]
            assert bool((DATA.time[batch.n_id[negative[late]]] == DATA.time.min()).all())
    assert sampled > 500


def test_seeds_may_have_times_of_their_own() -> None:
    """NeighborLoader: the node's time, or `input_time` in its place; edges' times need one."""
    for given in (None, torch.full((60,), 30)):
        for batch in NeighborLoader(DATA, [4], batch_size=20, time_attr="time", input_time=given):
            time = DATA.time[batch.n_id[:20]] if given is None else given[:20]
            assert bool((DATA.time[batch.n_id[batch.edge_index[0]]] <= time[batch.batch[batch.edge_index[1]]]).all())
            assert ("seed_time" in batch) == (given is not None)
    with pytest.raises(ValueError, match="edges have times, so seeds need one: pass input_time or edge_label_time"):
        next(iter(NeighborLoader(DATA, [4], batch_size=20, time_attr="edge_time")))
    sampler = NeighborSampler(DATA, [2], time_attr="time")
    index = EdgeSamplerInput(None, *DATA.edge_index[:, :3])
    assert sampler.sample_from_edges(index).batch is not None
    with pytest.raises(ValueError, match="nodes have times, so their negatives need the time of each seed"):
        sampler.sample_from_edges(index, NegativeSampling("binary"))


@pytest.mark.parametrize("mode", ["binary", "triplet"])
@pytest.mark.parametrize("negatives", [Uniform(GRAPH), GlobalEdges(GRAPH)], ids=["uniform", "pairs"])
def test_negatives_of_a_sampler_are_there_already(mode: str, negatives: Any) -> None:
    """Drawn anew a few times, then masked; never a known positive, never of the future where the mask says use."""
    if mode == "triplet" and isinstance(negatives, GlobalEdges):
        return
    used = masked = 0
    for batch in LinkNeighborLoader(DATA, [2], batch_size=30, edge_label_time=DATA.edge_time, time_attr="time",
                                    neg_sampling=NegativeSampling(mode, 2), negatives=negatives):
        assert "negative_log_prob" not in batch  # of what is left after drawing anew nobody knows it
        if mode == "triplet":
            source, target = batch.src_index[:, None].expand(30, 2), batch.dst_neg_index
        else:
            source, target = batch.edge_label_index[:, 30:]
        mask = batch.negative_mask
        used, masked = used + int(mask.sum()), masked + int((~mask).sum())
        time = DATA.edge_time[batch.input_id][batch.batch[target]]
        assert bool((DATA.time[batch.n_id[target]] <= time)[mask].all())
        if isinstance(negatives, GlobalEdges):  # then sources are drawn too
            assert bool((DATA.time[batch.n_id[source]] <= time)[mask].all())
        assert not bool(GRAPH.has_edge(batch.n_id[source[mask]], batch.n_id[target[mask]]).any())
    # of a pair, two nodes must be there
    assert used + masked == 600 and used > (350 if isinstance(negatives, GlobalEdges) else 450)


def test_a_temporal_sampler_hears_of_the_time() -> None:
    """Its query holds the times of the seed edges."""
    asked = []

    class Listening(Uniform):
        def sample(self, query: Query) -> Any:
            asked.append(query.time)
            return super().sample(query)

    batch = next(iter(LinkNeighborLoader(DATA, [2], batch_size=30, edge_label_time=DATA.edge_time,
                                         time_attr="edge_time", neg_sampling="triplet", negatives=Listening(GRAPH))))
    assert len(asked) == 1 and torch.equal(asked[0], DATA.edge_time[:30])
    assert "negative_log_prob" in batch  # nodes have no times here: nothing is drawn anew


@pytest.mark.parametrize("kind", [TO_PAPER, TO_AUTHOR])
@pytest.mark.parametrize("attribute", ["time", "edge_time"])
@pytest.mark.parametrize("mode", ["binary", "triplet"])
def test_several_kinds(kind: Any, attribute: str, mode: str) -> None:
    size = HETERO[kind].edge_index.shape[1]
    time = ids(91, size, 100)
    loader = LinkNeighborLoader(HETERO, [3, 2], kind, edge_label_time=time, time_attr=attribute, batch_size=40,
                                neg_sampling=NegativeSampling(mode, 2))
    for batch in loader:
        seen = time[batch[kind].input_id]
        for each in (TO_PAPER, TO_AUTHOR, BACK):
            source, target = batch[each[0]], batch[each[-1]]
            row, col = batch[each].edge_index
            own = (HETERO[each[0]].time[source.n_id[row]] if attribute == "time"
                   else HETERO[each].edge_time[batch[each].e_id])
            assert bool((own <= seen[target.batch[col]]).all())
            assert torch.equal(source.batch[row], target.batch[col])
        if mode == "triplet":
            assert torch.equal(batch[kind[0]].seed_time, seen) and torch.equal(batch[kind[-1]].seed_time, seen)
        else:
            assert torch.equal(batch[kind].edge_label_time, seen.repeat(3))


def test_a_kind_without_times() -> None:
    """Times of papers alone: neighbours that are authors are always there; seeds of them need a time."""
    data = heterogeneous()
    del data["author"].time
    batch = next(iter(NeighborLoader(data, [3, 3], ("paper", None), batch_size=20, time_attr="time")))
    assert len(batch[BACK].edge_index[0]) > 20
    with pytest.raises(ValueError, match="seeds of type 'author' have no times"):
        next(iter(NeighborLoader(data, [3], ("author", None), time_attr="time")))
    data["paper", "to", "author"].time = torch.zeros(400)
    with pytest.raises(ValueError, match="holds both node-level and edge-level information"):
        NeighborLoader(data, [3], ("paper", None), time_attr="time")
    with pytest.raises(ValueError, match="'when' is neither"):
        NeighborLoader(data, [3], ("paper", None), time_attr="when")


@pytest.mark.parametrize("attribute", ["time", "edge_time"])
@pytest.mark.parametrize("hetero", [False, True])
def test_stores_of_pyg(attribute: str, hetero: bool) -> None:
    """(FeatureStore, GraphStore) with times: the past that the data have, in whatever order edges are stored."""
    features, edges = MyFeatureStore(), MyGraphStore()
    kinds = (TO_PAPER, TO_AUTHOR, BACK) if hetero else (None,)
    for kind in kinds:
        store = DATA if kind is None else HETERO[kind]
        size = (60, 60) if kind is None else (HETERO[kind[0]].num_nodes, HETERO[kind[-1]].num_nodes)
        edges.put_edge_index(store.edge_index, edge_type=kind, layout="coo", size=size)
        if attribute == "edge_time":
            features.put_tensor(store.edge_time, group_name=kind, attr_name="edge_time", index=None)
    for name in ("paper", "author") if hetero else (None,):
        features.put_tensor((DATA if name is None else HETERO[name]).x, group_name=name, attr_name="x", index=None)
        if attribute == "time":
            features.put_tensor((DATA if name is None else HETERO[name]).time, group_name=name, attr_name="time",
                                index=None)
    seeds = torch.arange(30)
    index = NodeSamplerInput(None, seeds, ids(95, 30, 100), "paper" if hetero else None)
    stored, own = (NeighborSampler(each, [-1, -1], time_attr=attribute).sample_from_nodes(index)
                   for each in ((features, edges), HETERO if hetero else DATA))
    for kind in kinds:
        first, second = ((out.edge if kind is None else out.edge[kind]).sort().values for out in (stored, own))
        assert torch.equal(first, second) and len(first) > 20
    with pytest.raises(ValueError, match="no tensor of the feature store is called 'when'"):
        NeighborSampler((features, edges), [2], time_attr="when")


def test_sorted_times_and_broken_ones() -> None:
    """`is_sorted` with times; times that are no whole numbers, and seeds' in another dtype."""
    order = (DATA.edge_index[1] * 1000 + DATA.edge_time).argsort(stable=True)
    data = Data(edge_index=DATA.edge_index[:, order], edge_time=DATA.edge_time[order].double() + 0.5, num_nodes=60)
    outs = [NeighborSampler(data, [2, 2], time_attr="edge_time", is_sorted=done).sample_from_nodes(
        NodeSamplerInput(None, torch.arange(20), torch.full((20,), 50))) for done in (True, False)]
    assert torch.equal(outs[0].node, outs[1].node) and bool((data.edge_time[outs[0].edge] < 50).all())
    data.edge_time = data.edge_time.flip(0)
    with pytest.raises(ValueError, match="not sorted by time"):
        NeighborSampler(data, [2], time_attr="edge_time", is_sorted=True)
    with pytest.raises(ValueError, match="need one time per edge"):
        broken = heterogeneous()
        broken[TO_PAPER].edge_time = torch.zeros(3)
        NeighborSampler(broken, [2], time_attr="edge_time")
