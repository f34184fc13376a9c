"""Negatives of seed edges: given the source, never known positives, alike for any number of workers; and PyG's rule."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.sampler import NegativeSampling

from graphns.base import Query
from graphns.graph.graph import Graph
from graphns.pyg import LinkNeighborLoader, NeighborLoader
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.efficient.shared import Shared
from graphns.samplers.static.degree import Degree
from graphns.samplers.static.global_edges import GlobalEdges
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.adapters.pyg_data import assert_same, homogeneous

DATA = homogeneous()
GRAPH = Graph.from_edge_index(DATA.edge_index, 60)


def dense() -> tuple[Data, Graph]:
    """A graph of 1,000 nodes that has half of all edges."""
    edge_index = (Stream(3).words(torch.arange(1000), 1000) > 0).nonzero().T
    return Data(edge_index=edge_index, num_nodes=1000), Graph.from_edge_index(edge_index, 1000)


@pytest.mark.parametrize("mode", ["binary", "triplet"])
def test_a_million_negatives_and_no_known_positive(mode: str) -> None:
    """On a half-full graph; by PyG's rule about half of them are known."""
    data, graph = dense()
    seeds = data.edge_index[:, :: data.num_edges // 100_000][:, :100_000]
    known = []
    for negatives in (Uniform(graph), None):
        num = wrong = 0
        for batch in LinkNeighborLoader(data, [], seeds, batch_size=25_000, negatives=negatives,
                                        neg_sampling=NegativeSampling(mode, 10)):
            if mode == "triplet":
                source = batch.n_id[batch.src_index][:, None].expand(-1, 10).reshape(-1)
                target = batch.n_id[batch.dst_neg_index].reshape(-1)
            else:
                source, target = batch.n_id[batch.edge_label_index[:, batch.edge_label == 0]]
            num, wrong = num + len(source), wrong + int(graph.has_edge(source, target).sum())
            if negatives is not None:
                assert bool(batch.negative_mask.all())
        assert num == 1_000_000
        known.append(wrong)
    assert known[0] == 0 and abs(known[1] - 500_000) < 5_000


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")  # on a machine with less than 4 cores
@pytest.mark.parametrize("workers", [0, 4])
@pytest.mark.parametrize("options", [
    {"negatives": Uniform(GRAPH), "neg_sampling": NegativeSampling("triplet", 3)},
    {"negatives": Degree(GRAPH), "neg_sampling": "binary", "disjoint": True},
    {"neg_sampling_ratio": 1.5, "weight_attr": "edge_weight"},
    {"neg_sampling": "triplet", "time_attr": "time", "edge_label_time": DATA.edge_time},
], ids=["triplet", "disjoint", "plain", "temporal"])
def test_batches_are_the_same_for_any_number_of_workers(workers: int, options: dict[str, Any]) -> None:
    """And whatever torch's generator says; persistent workers see the next pass."""
    def passes(workers: int, state: int) -> list[Any]:
        torch.manual_seed(state)
        loader = LinkNeighborLoader(DATA, [3, 2], batch_size=80, seed=4, num_workers=workers,
                                    timeout=120 * (workers > 0), persistent_workers=workers > 0, **options)
        found = [list(loader), list(loader)]
        loader._iterator = None  # ends the workers now; left to the garbage collector, torch waits 5 s for each
        return found

    first, second = passes(0, 1), passes(workers, 2)
    for one, other in zip(first, second, strict=True):
        assert_same(one, other)
    assert not torch.equal(first[0][0].e_id, first[1][0].e_id)


def test_passes_are_numbered() -> None:
    """Each draws anew; `set_epoch` goes back to one, or on from another seed's draws to none."""
    loader = LinkNeighborLoader(DATA, [2], batch_size=100, negatives=Uniform(GRAPH), neg_sampling="binary")
    numbers, passes = [], []
    for _ in range(3):
        passes.append(list(loader))
        numbers.append(loader.epoch)
    assert numbers == [0, 1, 2]
    loader.set_epoch(1)
    assert_same(list(loader), passes[1])
    assert_same(list(loader), passes[2])
    other = LinkNeighborLoader(DATA, [2], batch_size=100, negatives=Uniform(GRAPH), neg_sampling="binary", seed=1)
    assert not torch.equal(next(iter(other)).edge_label_index, passes[0][0].edge_label_index)


def negatives_of(batch: Data, amount: int, mode: str) -> Tensor:
    """[B, amount] global ids."""
    if mode == "triplet":
        return batch.n_id[batch.dst_neg_index].view(-1, amount)
    return batch.n_id[batch.edge_label_index[1, batch.edge_label == 0]].view(amount, -1).T


@pytest.mark.parametrize("mode", ["binary", "triplet"])
@pytest.mark.parametrize("disjoint", [False, True])
@pytest.mark.parametrize("size", [13, 50])
def test_negatives_are_what_the_sampler_says(mode: str, disjoint: bool, size: int) -> None:
    """Those of a query of one's own, in the place of their edge, however the edges are cut into batches."""
    degree = Degree(GRAPH)
    loader = LinkNeighborLoader(DATA, [2], batch_size=size, negatives=degree, seed=7, disjoint=disjoint,
                                neg_sampling=NegativeSampling(mode, 3), shuffle=True)
    loader.set_epoch(2)
    for batch in loader:
        source, target = DATA.edge_index[:, batch.input_id]
        wanted = degree(Query(source, target, 3, stream=Stream(7, 2).child(1), row=batch.input_id, epoch=2))
        assert torch.equal(negatives_of(batch, 3, mode), wanted.ids)
        layout = (lambda t: t) if mode == "triplet" else (lambda t: t.t().reshape(-1))
        assert torch.equal(batch.negative_mask, layout(wanted.mask))
        assert wanted.log_prob is not None and torch.equal(batch.negative_log_prob, layout(wanted.log_prob))
        if mode == "binary":  # the source is kept
            assert torch.equal(batch.n_id[batch.edge_label_index[0]], source.repeat(4))


@pytest.mark.parametrize(("amount", "num"), [(0.25, 5), (0.3, 6), (1.5, 30)])
def test_a_broken_amount_serves_the_first_edges(amount: float, num: int) -> None:
    """As many negatives as PyG gives."""
    batch = next(iter(LinkNeighborLoader(DATA, [2], batch_size=20, negatives=Uniform(GRAPH),
                                         neg_sampling_ratio=amount)))
    assert batch.edge_label.tolist() == [1.0] * 20 + [0.0] * num and batch.negative_mask.shape == (num,)
    source = batch.n_id[batch.edge_label_index[0]]
    assert torch.equal(source[20:], source[:20].repeat(2)[:num])


def test_a_source_without_candidates_is_masked() -> None:
    """A hub: its slots stand at its own positive, which is there anyway."""
    star = torch.stack([torch.zeros(5, dtype=torch.int64), torch.arange(1, 6)])
    edge_index = torch.cat([star, torch.tensor([[1], [2]])], 1)
    data, uniform = Data(edge_index=edge_index, num_nodes=6), Uniform(Graph.from_edge_index(edge_index, 6))
    batch = next(iter(LinkNeighborLoader(data, [], batch_size=6, negatives=uniform, neg_sampling="triplet")))
    assert batch.negative_mask.tolist() == [False] * 5 + [True]
    assert torch.equal(batch.dst_neg_index[:5], batch.dst_pos_index[:5])
    batch = next(iter(LinkNeighborLoader(data, [], batch_size=6, negatives=uniform, neg_sampling="binary")))
    assert batch.negative_mask.tolist() == [False] * 5 + [True]


def test_pairs_and_shared_negatives() -> None:
    """Two-ended negatives replace both ends, as PyG's binary ones, but are no edges; shared ones are spread out."""
    options: dict[str, Any] = {"batch_size": 100, "negatives": GlobalEdges(GRAPH)}
    for batch in LinkNeighborLoader(DATA, [2], neg_sampling="binary", **options):
        source, target = batch.n_id[batch.edge_label_index[:, 100:]][:, batch.negative_mask]
        assert len(source) == 100 and not bool(GRAPH.has_edge(source, target).any())
        assert not torch.equal(source, batch.n_id[batch.edge_label_index[0, :100]])
    with pytest.raises(ValueError, match="draws pairs, and a triplet keeps its source"):
        next(iter(LinkNeighborLoader(DATA, [2], neg_sampling="triplet", **options)))
    batch = next(iter(LinkNeighborLoader(DATA, [2], batch_size=20, negatives=Shared.from_graph(GRAPH),
                                         neg_sampling=NegativeSampling("triplet", 4))))
    assert batch.dst_neg_index.shape == (20, 4) and len(batch.dst_neg_index[batch.negative_mask].unique()) <= 4


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("temporal", [False, True])
def test_pygs_rule_has_its_distribution(weighted: bool, temporal: bool) -> None:
    """Both ends by their weights, among the nodes that are there; uniform without weights."""
    num, time = 8, 5
    node_time = torch.tensor([9, 1, 2, 5, 7, 3, 5, 6])
    source = torch.tensor([1.0, 2, 3, 0, 4, 5, 6, 7]) if weighted else None
    target = torch.tensor([3.0, 1, 0, 2, 4, 8, 2, 1]) if weighted else None
    data = Data(edge_index=torch.stack([torch.arange(8), torch.arange(8).flip(0)]), time=node_time, num_nodes=num)
    seeds = torch.zeros((2, 2000), dtype=torch.int64)
    options = {"time_attr": "time", "edge_label_time": torch.full((2000,), time)} if temporal else {}
    for mode in ("binary", "triplet"):
        config = NegativeSampling(mode, 2, source if mode == "binary" else None, target)
        batch = next(iter(LinkNeighborLoader(data, [], seeds, neg_sampling=config, batch_size=2000, **options)))
        drawn = {"dst": negatives_of(batch, 2, mode).flatten()}
        if mode == "binary":
            drawn["src"] = batch.n_id[batch.edge_label_index[0, 2000:]]
        for end, ids in drawn.items():
            weight = {"src": source, "dst": target}[end]
            chance = torch.ones(num) if weight is None else weight
            chance = chance * (node_time <= time) if temporal else chance
            counts = torch.bincount(ids, minlength=num)
            assert not bool(counts[chance == 0].any())
            expected = chance[chance > 0] / chance.sum() * len(ids)
            assert chisquare(counts[chance > 0], expected.double() * (len(ids) / expected.double().sum())).pvalue > 1e-3


def test_weights_that_change_in_place_are_seen() -> None:
    """As in PyG, which reads them anew for every batch."""
    weight = torch.eye(60)[3]
    config = NegativeSampling("triplet", 1, dst_weight=weight)
    loader = LinkNeighborLoader(DATA, [2], batch_size=20, neg_sampling=config)
    for node in (3, 7):
        weight.copy_(torch.eye(60)[node])
        for batch in loader:
            assert bool((batch.n_id[batch.dst_neg_index] == node).all())


def test_before_every_node_it_is_the_first() -> None:
    """As in PyG: where no node is there yet, the one with the least time."""
    data = Data(edge_index=DATA.edge_index, time=DATA.time + 10, num_nodes=60)
    for weight in (None, torch.ones(60)):
        batch = next(iter(LinkNeighborLoader(data, [2], batch_size=20, time_attr="time",
                                             edge_label_time=torch.zeros(300, dtype=torch.int64),
                                             neg_sampling=NegativeSampling("triplet", 1, dst_weight=weight))))
        assert bool((data.time[batch.n_id[batch.dst_neg_index]] == data.time.min()).all())


def test_bad_input_is_refused() -> None:
    uniform = Uniform(GRAPH)
    for arguments, message in (
        (dict(negatives=uniform), "negatives=... needs to know how many: pass neg_sampling"),
        (dict(negatives="uniform", neg_sampling="binary"), r"must be a sampler, such as Uniform\(graph\), got str"),
    ):
        with pytest.raises(ValueError, match=message):
            LinkNeighborLoader(DATA, [2], **arguments)
    weights = NegativeSampling("binary", 1, dst_weight=torch.ones(60))
    for arguments, message in (
        (dict(negatives=uniform, neg_sampling=weights), "weights of NegativeSampling are for PyG's rule; Uniform has"),
        (dict(negatives=Hardest(uniform), neg_sampling="binary"),
         "Hardest reads the model.*needs neg_sampling='triplet'"),
        (dict(neg_sampling=NegativeSampling("triplet", 1, dst_weight=torch.ones(5))),
         "dst_weight of the NegativeSampling needs one weight for each of the 60 nodes, got 5"),
        (dict(neg_sampling=NegativeSampling("triplet", 1, dst_weight=torch.zeros(60))), "is 0 everywhere"),
        (dict(negatives=Uniform(Graph.empty(70)), neg_sampling=NegativeSampling("triplet", 50)),
         "Uniform drew 6[0-9], but there are 60 nodes"),
    ):
        with pytest.raises(ValueError, match=message):
            next(iter(LinkNeighborLoader(DATA, [2], batch_size=20, **arguments)))


def test_nodes_have_negatives_too() -> None:
    """`NeighborLoader(negatives=)`: as `NeighborSampler` for NodeLoader, disjoint as well."""
    for disjoint in (False, True):
        for batch in NeighborLoader(DATA, [2], batch_size=20, negatives=Uniform(GRAPH), k=4, disjoint=disjoint):
            drawn = batch.n_id[batch.negative_id]
            assert drawn.shape == (20, 4) and not bool(GRAPH.has_edge(batch.n_id[:20], drawn).any())
            assert not bool((drawn == batch.n_id[:20, None]).any())
            if disjoint:
                assert torch.equal(batch.batch[batch.negative_id], torch.arange(20)[:, None].expand(20, 4))
