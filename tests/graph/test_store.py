"""Saved graphs: whole or not there, mapped, and refused when damaged."""

from __future__ import annotations

import copy
import json
import pickle
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from graphns.base import Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.graph.store import MappedGraph, open_graph, save
from graphns.graph.walks import random_walks
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream

EDGES = torch.tensor([[0, 0, 1, 3], [1, 2, 2, 0]])


def draw(sampler: Uniform) -> list[list[int]]:
    anchor = torch.arange(4)
    return sampler(Query(anchor, anchor, 5, stream=Stream(0))).ids.tolist()


@pytest.mark.parametrize("graph", [
    Graph.from_edge_index(EDGES, 4), Graph.from_edge_index(EDGES, (4, 9), torch.arange(4.0)), Graph.empty(3),
])
@pytest.mark.parametrize("verify", [False, True])
def test_what_is_saved_is_opened(graph: Graph, verify: bool, tmp_path: Path) -> None:
    graph.save(tmp_path / "deep" / "graph")
    found = Graph.open(tmp_path / "deep" / "graph", verify=verify)
    assert (found.bipartite, found.num_src, found.num_dst) == (graph.bipartite, graph.num_src, graph.num_dst)
    assert found.edge_index.tolist() == graph.edge_index.tolist() and found.indices.dtype == graph.indices.dtype
    assert (found.weight is None) == (graph.weight is None)
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["graph"]


def test_pickles_and_copies_by_path(tmp_path: Path) -> None:
    size = 20_000
    ring = torch.arange(size)
    graph = open_graph(save(Graph.from_edge_index(torch.stack([ring, (ring + 1) % size])), tmp_path / "graph"))
    sent = pickle.dumps(graph)
    assert len(sent) < 1000
    for again in (pickle.loads(sent), copy.deepcopy(graph)):
        assert isinstance(again, MappedGraph) and torch.equal(again.indices, graph.indices)
    assert graph.to("cpu") is graph and graph.map(lambda tensor: tensor) is graph
    assert type(graph.map(torch.clone)) is Graph
    assert isinstance(Uniform(graph).double().graph, MappedGraph)


def test_a_spawned_worker_reopens(tmp_path: Path) -> None:
    sampler = Uniform(open_graph(save(Graph.from_edge_index(EDGES, 4), tmp_path / "graph")))
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply(draw, (sampler,)) == draw(sampler)


def test_draws_touch_only_the_rows_that_they_need(tmp_path: Path) -> None:
    """An indices file of 2 GiB, one hole after three ids: to read it whole would fill as much memory."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("needs /proc to see what is resident")
    path = save(Graph.from_edge_index(EDGES[:, :3], 4), tmp_path / "graph")
    size = 2**29
    holes = np.lib.format.open_memmap(path / "indices.npy", "w+", np.int32, (size,))
    holes[:3] = [1, 2, 2]
    del holes
    np.save(path / "indptr.npy", np.array([0, 2, 3, 3, size]))
    about = json.loads((path / "graph.json").read_text())
    about["arrays"]["indices"]["length"] = size
    change(path, arrays=about["arrays"])
    before = int(statm.read_text().split()[1])
    anchor = torch.tensor([0, 1, 2])
    drawn = Uniform(Graph.open(path))(Query(anchor, anchor, 20, stream=Stream(0)))
    assert [set(row) for row in drawn.ids.tolist()] == [{3}, {0, 3}, {0, 1, 3}]
    assert (int(statm.read_text().split()[1]) - before) * 4096 < 2**28


def test_overwriting(tmp_path: Path) -> None:
    path = save(Graph.from_edge_index(EDGES, 4), tmp_path / "graph")
    mapped = open_graph(path)
    sent = pickle.dumps(mapped)
    with pytest.raises(ValueError, match="exists; pass overwrite=True"):
        save(Graph.empty(2), path)
    save(Graph.empty(2), path, overwrite=True)
    assert open_graph(path).num_nodes == 2
    assert mapped.edge_index.tolist() == EDGES.tolist()  # what is open stays
    with pytest.raises(ValueError, match="was saved anew"):
        pickle.loads(sent)
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="is no saved graph, so it is not overwritten"):
        save(mapped, tmp_path / "other", overwrite=True)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save(Graph.empty(2), tmp_path / "graph")
    assert list(tmp_path.iterdir()) == []


def test_an_edge_set_is_no_graph(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot save an EdgeSet"):
        save(EdgeSet.from_pairs(torch.tensor([0]), torch.tensor([0]), 1), tmp_path / "graph")


def change(path: Path, **values: object) -> None:
    about = json.loads((path / "graph.json").read_text())
    (path / "graph.json").write_text(json.dumps({**about, **values}))


def test_damage_is_reported(tmp_path: Path) -> None:
    def fresh() -> Path:
        return save(Graph.from_edge_index(EDGES, 4, torch.ones(4)), tmp_path / "graph", overwrite=True)

    with pytest.raises(ValueError, match=r"is no saved graph: it has no graph.json"):
        open_graph(tmp_path)
    path = fresh()
    file = path / "indices.npy"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(ValueError, match=r"indices.npy is missing, cut short or damaged"):
        open_graph(path)
    file.unlink()
    with pytest.raises(ValueError, match=r"indices.npy is missing"):
        open_graph(path)
    np.save(file, np.arange(5))
    with pytest.raises(ValueError, match=r"it holds int64 \(5,\), graph.json says int32 \(4,\)"):
        open_graph(path)
    np.save(file, np.array([None] * 4), allow_pickle=True)
    with pytest.raises(ValueError, match="damaged"):
        open_graph(path)
    content = bytearray((fresh() / "indices.npy").read_bytes())
    content[-1] ^= 1
    (path / "indices.npy").write_bytes(bytes(content))
    open_graph(path)  # a changed id is seen only by reading
    with pytest.raises(ValueError, match="its checksum differs"):
        open_graph(path, verify=True)
    change(fresh(), num_src=7)
    with pytest.raises(ValueError, match="row starts do not fit 7 rows with 4 edges"):
        open_graph(path)
    about = json.loads((fresh() / "graph.json").read_text())
    about["arrays"]["weight"]["length"] = 3
    np.save(path / "weight.npy", np.ones(3))
    change(path, arrays=about["arrays"])
    with pytest.raises(ValueError, match="3 weights for 4 edges"):
        open_graph(path)
    change(fresh(), format=99)
    with pytest.raises(ValueError, match="has format 99, this graphns reads up to 1"):
        open_graph(path)
    change(fresh(), arrays={"indptr": {}})
    with pytest.raises(ValueError, match="names the arrays"):
        open_graph(path)
    (path / "graph.json").write_text("{")
    with pytest.raises(ValueError, match=r"graph.json is damaged"):
        open_graph(path)


def test_drawing_and_walking_read_no_whole_array(tmp_path: Path) -> None:
    graph = open_graph(save(Graph.from_edge_index(EDGES, 4), tmp_path / "graph"))
    drawn, walked = draw(Uniform(graph)), random_walks(graph, torch.arange(4), 3, Stream(0))
    assert graph.mapped and graph.edge_filter is None
    assert not {"degree", "has_sinks", "has_self_loops", "in_degree"} & set(vars(graph))
    whole = Graph(graph.indptr.clone(), graph.indices.clone())
    assert draw(Uniform(whole)) == drawn and torch.equal(random_walks(whole, torch.arange(4), 3, Stream(0)), walked)
