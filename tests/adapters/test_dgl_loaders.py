"""Negatives in DGL's edge loaders: what DGL's own tests ask, and the same draws for any workers, batches and copies."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch

from graphns.graph.build import from_dgl
from graphns.samplers.static.global_edges import GlobalEdges
from graphns.samplers.static.uniform import Uniform

dgl = pytest.importorskip("dgl", reason="DGL is not installed: it has no wheel above Python 3.11")

from graphns.dgl import GlobalUniform, PerSourceUniform, as_negative_sampler  # noqa: E402  # once DGL is known to be

IDTYPES = [torch.int32, torch.int64]
ONE_TYPE = ("_N", "_E", "_N")
Drawn = dict[tuple[tuple[str, str, str], int], list[tuple[int, int]]]


def homogeneous(idtype: torch.dtype = torch.int64) -> Any:
    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(0, 40, (2, 150), generator=generator)
    return dgl.graph((ends[0], ends[1]), num_nodes=40, idtype=idtype)


def heterogeneous(idtype: torch.dtype = torch.int64) -> Any:
    follow = ([0, 0, 0, 1, 1, 1, 2], [1, 2, 3, 0, 2, 3, 0])
    play = ([0, 1, 1, 3, 5], [0, 1, 2, 0, 2])
    return dgl.heterograph({
        ("user", "follow", "user"): follow, ("user", "followed-by", "user"): follow[::-1],
        ("user", "play", "game"): play, ("game", "played-by", "user"): play[::-1],
    }, num_nodes_dict={"user": 8, "game": 5}, idtype=idtype)


def adapted(graph: Any, k: int, **options: Any) -> Any:
    """`Uniform` for every edge type."""
    samplers = {etype: Uniform(from_dgl(graph, etype)) for etype in graph.canonical_etypes}
    return as_negative_sampler(samplers if len(samplers) > 1 else samplers[ONE_TYPE], k, **options)


KINDS = {
    "per-source": lambda graph: PerSourceUniform(2),
    "global": lambda graph: GlobalUniform(15, False, 3),  # type: ignore[arg-type]  # DGL's tests pass it so
    "global-no-loops": lambda graph: GlobalUniform(15, True, 3),  # type: ignore[arg-type]
    "global-distinct": lambda graph: GlobalUniform(2),
    "adapted": lambda graph: adapted(graph, 2),
}


def loader(graph: Any, negative_sampler: Any, batch_size: int = 4, **options: Any) -> Any:
    seeds = {etype: graph.edges(form="eid", etype=etype) for etype in graph.canonical_etypes}
    sampler = dgl.dataloading.as_edge_prediction_sampler(
        dgl.dataloading.NeighborSampler([3, 3]), negative_sampler=negative_sampler)
    return dgl.dataloading.DataLoader(graph, seeds if len(seeds) > 1 else seeds[ONE_TYPE], sampler,
                                      batch_size=batch_size, **options)


def collected(loader: Any, k: int) -> Drawn:
    """The k pairs of every edge in the ids of the whole graph, read off the negative graphs in their order."""
    found: Drawn = {}
    for _, positive, negative, _ in loader:
        for etype in positive.canonical_etypes:
            source, destination = negative.edges(etype=etype, order="eid")
            pairs = list(zip(negative.nodes[etype[0]].data[dgl.NID][source.long()].tolist(),
                             negative.nodes[etype[2]].data[dgl.NID][destination.long()].tolist(), strict=True))
            eids = positive.edges[etype].data[dgl.EID].tolist()
            assert len(pairs) == k * len(eids)
            for place, eid in enumerate(eids):
                found[etype, eid] = pairs[k * place : k * place + k]
    return found


# --- what DGL's own tests ask


@pytest.mark.parametrize("idtype", IDTYPES)
@pytest.mark.parametrize("make", [homogeneous, heterogeneous])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [0, 2])
def test_edge_loaders(idtype: torch.dtype, make: Any, kind: str, workers: int) -> None:
    """Ids of the graph's type on its device; positive and negative graph on the same nodes; no edge among negatives."""
    graph = make(idtype)
    seen = 0
    for input_nodes, positive, negative, blocks in loader(graph, KINDS[kind](graph), 8, num_workers=workers):
        some = input_nodes if isinstance(input_nodes, torch.Tensor) else next(iter(input_nodes.values()))
        assert some.dtype == idtype and len(blocks) == 2
        for part in (positive, negative):
            assert part.idtype == idtype and part.device == graph.device
            assert part.canonical_etypes == graph.canonical_etypes
        for ntype in graph.ntypes:
            names = [part.nodes[ntype].data[dgl.NID] for part in (positive, negative)]
            assert torch.equal(*names)
        for etype in graph.canonical_etypes:
            source, destination = negative.edges(etype=etype)
            whole = [negative.nodes[kind].data[dgl.NID][ids.long()] for kind, ids in
                     ((etype[0], source), (etype[2], destination))]
            assert not bool(graph.has_edges_between(*whole, etype=etype).any())
            assert len(source) or not positive.num_edges(etype)
            if kind != "global" and etype[0] == etype[2]:
                assert not bool((whole[0] == whole[1]).any())
            if kind in ("per-source", "adapted"):  # each source twice in a row, in the order of the positive edges
                assert torch.equal(source, positive.edges(etype=etype, order="eid")[0].repeat_interleave(2))
            seen += positive.num_edges(etype)
    assert seen == graph.num_edges()


@pytest.mark.parametrize("kind", KINDS)
def test_the_sampler_alone(kind: str) -> None:
    """Without a loader: `sample` on a few edges, as DGL's smoke test does."""
    graph = homogeneous(torch.int32)
    sampler = dgl.dataloading.as_edge_prediction_sampler(
        dgl.dataloading.MultiLayerFullNeighborSampler(1), negative_sampler=KINDS[kind](graph))
    _, positive, negative, _ = sampler.sample(graph, torch.arange(2, dtype=torch.int32))
    assert positive.num_edges() == 2 and negative.num_edges() > 0


def test_seeds_of_one_type_of_several() -> None:
    graph = heterogeneous()
    sampler = dgl.dataloading.as_edge_prediction_sampler(
        dgl.dataloading.NeighborSampler([2]), negative_sampler=PerSourceUniform(3))
    _, _, negative, _ = sampler.sample(graph, {"play": torch.tensor([0, 1])})
    assert {etype[1]: negative.num_edges(etype) for etype in negative.canonical_etypes} == {
        "follow": 0, "followed-by": 0, "play": 6, "played-by": 0}


# --- the same draws, wherever they are made


SEEDED = {
    "per-source": lambda graph: PerSourceUniform(2, seed=5),
    "global": lambda graph: GlobalUniform(2, seed=5),
    "adapted": lambda graph: adapted(graph, 2, seed=5),
}


@pytest.mark.parametrize("make", [homogeneous, heterogeneous])
@pytest.mark.parametrize("kind", SEEDED)
def test_any_number_of_workers(make: Any, kind: str) -> None:
    graph = make()
    negative_sampler = SEEDED[kind](graph)
    expected = collected(loader(graph, negative_sampler, 16), 2)
    assert len(expected) == graph.num_edges()
    states = random.getstate(), np.random.get_state()
    for workers in (1, 2):
        torch.manual_seed(workers)
        assert collected(loader(graph, negative_sampler, 16, num_workers=workers), 2) == expected
    assert random.getstate() == states[0] and np.random.get_state()[1].tolist() == states[1][1].tolist()


def test_spawned_workers() -> None:
    graph = homogeneous()
    negative_sampler = SEEDED["adapted"](graph)
    negative_sampler.set_epoch(2)
    spawned = loader(graph, negative_sampler, 80, num_workers=1, multiprocessing_context="spawn")
    assert collected(spawned, 2) == collected(loader(graph, negative_sampler, 80), 2)


@pytest.mark.parametrize("kind", ["per-source", "adapted"])
def test_an_edge_keeps_its_negatives_in_any_batch(kind: str) -> None:
    graph = heterogeneous()
    first, *others = (collected(loader(graph, SEEDED[kind](graph), size, shuffle=True), 2) for size in (1, 3, 50))
    assert all(other == first for other in others)


@pytest.mark.parametrize("workers, persistent", [(0, False), (2, False), (2, True)])
@pytest.mark.parametrize("kind", SEEDED)
def test_epochs(kind: str, workers: int, persistent: bool) -> None:
    """Every pass anew where `set_epoch` says so, and only there; persistent workers hear of it."""
    graph = homogeneous()
    negative_sampler = SEEDED[kind](graph)
    passes = loader(graph, negative_sampler, 50, num_workers=workers, persistent_workers=persistent)
    found = []
    for epoch in (0, 1, 0, 2):
        negative_sampler.set_epoch(epoch)
        assert negative_sampler.epoch == epoch
        found.append(collected(passes, 2))
    assert found[0] == found[2]
    assert found[0] != found[1] != found[3] != found[0]
    assert collected(passes, 2) == found[3]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["per-source", "global"])
def test_without_a_seed_every_pass_is_new(kind: str, workers: int) -> None:
    """As in DGL, torch's default generator says what is drawn, and in workers the seed that the loader gives them."""
    graph = homogeneous()
    negative_sampler = PerSourceUniform(2) if kind == "per-source" else GlobalUniform(2)
    passes = loader(graph, negative_sampler, 50, num_workers=workers)
    torch.manual_seed(0)
    first, second = collected(passes, 2), collected(passes, 2)
    torch.manual_seed(0)
    assert collected(passes, 2) == first != second


def test_copies_are_alike_and_apart() -> None:
    graph = homogeneous()
    for make in SEEDED.values():
        negative_sampler = make(graph)
        negative_sampler.set_epoch(3)
        for other in (copy.deepcopy(negative_sampler), pickle.loads(pickle.dumps(negative_sampler))):
            eids = torch.arange(9)
            assert other.epoch == 3 and all(map(torch.equal, other(graph, eids), negative_sampler(graph, eids)))
            other.set_epoch(4)
            assert negative_sampler.epoch == 3 and other._epoch.is_shared()


@pytest.mark.parametrize("make", [lambda graph: GlobalUniform(3, seed=0),
                                  lambda graph: as_negative_sampler(GlobalEdges(from_dgl(graph)), 3)])
def test_pairs_of_the_whole_batch_differ_from_batch_to_batch(make: Any) -> None:
    """They are keyed by the batch's lowest edge: keyed by the epoch alone, every batch would get the same pairs."""
    graph = homogeneous()
    negative_sampler = make(graph)
    batches = [torch.stack(negative_sampler(graph, eids)) for eids in torch.arange(150).split(10)]
    assert all(batch.shape == (2, 30) for batch in batches)
    assert len({tuple(batch.flatten().tolist()) for batch in batches}) == 15
    assert torch.equal(torch.stack(negative_sampler(graph, torch.arange(10))), batches[0])
