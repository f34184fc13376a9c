"""Links by name or by path: each kind of data through the one door, and what is not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from graphns.data import link_loading as module
from graphns.data import link_names, load, load_links, names
from graphns.data.node import NodeData
from tests.data.small import tensors
from tests.data.test_link_files import heart_folder


def test_names() -> None:
    found = link_names()
    assert set(names()) < set(found) and {"heart-citeseer", "ogbl-ddi", "ogbl-citation2"} < set(found)
    assert len(found) == len(set(found))


def test_nodes_by_name_are_split_at_random() -> None:
    data = load_links("DIGITS", val=100, test=0.2, seed=4, features=False)
    graph = load("digits").graph
    pairs = graph.num_edges // 2
    assert (data.name, data.setting, data.x, data.num_nodes) == ("digits", "random", None, graph.num_nodes)
    assert data.valid.positive.shape[1] == 100 and data.test.positive.shape[1] == round(0.2 * pairs)
    assert data.train.shape[1] == pairs - 100 - round(0.2 * pairs)
    source, target = data.test.positive
    assert bool(graph.has_edge(source, target).all()) and not data.graph.has_edge(source, target).any()
    assert not torch.equal(load_links("digits", val=100, test=0.2, seed=5).test.positive, data.test.positive)


def test_own_files(tmp_path: Path) -> None:
    ring = np.stack([np.arange(40), (np.arange(40) + 1) % 40])
    both = np.concatenate([ring, ring[::-1]], 1)
    np.savetxt(tmp_path / "edges.csv", both.T, fmt="%d", delimiter=",")
    np.savez(tmp_path / "edges.npz", edge_index=both)
    np.savez(tmp_path / "nodes.npz", edge_index=ring, x=np.eye(40, dtype=np.float32), y=np.zeros(40, dtype=int))
    torch.save(torch.from_numpy(both), tmp_path / "edges.pt")
    torch.save({"edge_index": torch.from_numpy(ring), "x": torch.eye(40), "y": torch.zeros(40).long()},
               tmp_path / "nodes.pt")
    first = load_links(tmp_path / "edges.csv", seed=1)
    for name in ("edges.csv", "edges.npz", "nodes.npz", "edges.pt", "nodes.pt"):
        data = load_links(str(tmp_path / name), seed=1)
        assert torch.equal(data.test.positive, first.test.positive) and torch.equal(data.train, first.train)
        assert (data.num_features, data.name) == ((40, "nodes") if "nodes" in name else (0, "edges"))
    np.savez(tmp_path / "other.npz", table=ring)
    with pytest.raises(ValueError, match=r"neither nodes with features and edges \(.*lacks.*nor edges alone \(.*table"):
        load_links(tmp_path / "other.npz")


def test_hearts_splits_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heart_folder(tmp_path / "heart" / "cora")
    data = load_links("HeaRT_Cora", root=tmp_path, features=False)
    assert (data.name, data.num_nodes, data.x, data.setting) == ("heart-cora", 2708, None, "heart")
    assert load_links("heart-cora", tmp_path, features=False, setting="existing").valid.negative.shape == (2, 3)
    asked = []

    def nodes(name: str, root: Path, normalize: bool | None) -> NodeData:
        asked.append((name, root, normalize))
        return NodeData("Cora", torch.ones(2708, 2), **{key: tensors()[key] for key in ("edge_index",)},
                        y=torch.zeros(2708).long())

    monkeypatch.setattr(module, "load", nodes)
    assert load_links("heart-cora", tmp_path, normalize=False).num_features == 2
    assert asked == [("Cora", tmp_path, False)]


def test_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(module.DataNotFoundError, match=r"no heart-pubmed in .*Juanhui28/HeaRT.*DIR/heart/pubmed holds"):
        load_links("heart-pubmed", root=tmp_path)
    monkeypatch.setenv("GRAPHNS_DATA", str(tmp_path))
    with pytest.raises(module.DataNotFoundError, match="no heart-cora in"):
        load_links("heart-cora")
    with pytest.raises(ValueError, match="no data set is called 'heart-citeser'; did you mean 'heart-citeseer'"):
        load_links("heart-citeser")
    with pytest.raises(ValueError, match=r"no data set is called 'zzz'; there are: heart-cora.*path of a file or f"):
        load_links("zzz")
    with pytest.raises(ValueError, match=r"setting='heart' is for HeaRT's data, heart-cora.*'digits' has one"):
        load_links("digits", setting="heart")
    with pytest.raises(ValueError, match="is a folder without train_pos"):
        load_links(tmp_path)
    with pytest.raises(ValueError, match="ogbl-biokg cannot be read: it is a knowledge graph"):
        load_links("ogbl-biokg")
