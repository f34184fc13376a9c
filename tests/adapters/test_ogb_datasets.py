"""OGB's own classes by the short name: what OGB itself loads, under current torch, with nothing executed."""

from __future__ import annotations

import importlib.util
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import graphns.ogb
from graphns.adapters.ogb import reading
from graphns.adapters.ogb.datasets import NAMES, dataset_class
from tests.adapters.ogb_links import NUM_NODES, as_downloaded, tiny, with_own
from tests.test_import import loaded_after

if not any((Path(each) / "ogb").is_dir() for each in sys.path):  # not imported: ogb asks the network when it is
    pytest.skip("ogb is not installed", allow_module_level=True)
# torch says so where it executes files at the user's wish, and deprecates what OGB's reader calls
pytestmark = [pytest.mark.filterwarnings("ignore:Environment variable TORCH_FORCE_NO"),
              pytest.mark.filterwarnings("ignore::DeprecationWarning")]
UNSAFE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


class Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched-by-evil"),)


def alike(left: Any, right: Any) -> bool:
    """Equal, types and all, tensor by tensor."""
    if isinstance(left, dict):
        return list(left) == list(right) and all(alike(left[key], right[key]) for key in left)
    return type(left) is type(right) and (torch.equal(left, right) if isinstance(left, torch.Tensor) else left == right)


def test_the_short_name_waits() -> None:
    heavy = ("ogb", "dgl", "torch_geometric", "pandas")
    assert loaded_after("import graphns.ogb", heavy) == []
    assert set(graphns.ogb.__all__) == {*NAMES, "Evaluator"}
    with pytest.raises(AttributeError, match="LinkPropPredDataset"):
        _ = graphns.ogb.LinkPropPredDataset


@pytest.mark.parametrize("fresh", [True, False], ids=["made here", "made by OGB"])
@pytest.mark.parametrize(("name", "parts"), [("ogbl-ddi", tiny()), ("ogbl-collab", tiny()),
                                             ("ogbl-citation2", with_own())])
def test_links_are_what_ogb_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, parts: Any, fresh: bool,
                                  ) -> None:
    as_downloaded(tmp_path, name, parts)
    root = str(tmp_path / "ogb")
    ogb = reading.import_ogb("linkproppred")

    def ours() -> tuple[Any, Any]:
        dataset = graphns.ogb.PygLinkPropPredDataset(name=name, root=root)
        assert isinstance(dataset, ogb.PygLinkPropPredDataset) and repr(dataset) == "PygLinkPropPredDataset()"
        return dataset[0].to_dict(), dataset.get_edge_split()

    def theirs() -> tuple[Any, Any]:
        monkeypatch.setenv(UNSAFE, "1")
        dataset = ogb.PygLinkPropPredDataset(name=name, root=root)
        found = dataset[0].to_dict(), dataset.get_edge_split()
        monkeypatch.delenv(UNSAFE)
        return found

    first, second = (ours, theirs) if fresh else (theirs, ours)
    (data, split), (other, others) = first(), second()
    assert alike(data, other) and alike(split, others)
    assert data["num_nodes"] == NUM_NODES and list(split) == ["train", "valid", "test"]
    key = next(iter(parts["test"]))
    assert torch.equal(split["test"][key], torch.from_numpy(parts["test"][key]))


def test_nodes_are_what_ogb_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.adapters.test_ogb_node import as_downloaded as nodes_downloaded
    from tests.adapters.test_ogb_node import tiny as tiny_nodes

    made = tiny_nodes()
    nodes_downloaded(tmp_path, made)
    arguments: dict[str, Any] = {"name": "ogbn-arxiv", "root": str(tmp_path / "ogb")}
    dataset = graphns.ogb.PygNodePropPredDataset(**arguments, transform=lambda data: data)
    split = dataset.get_idx_split()
    assert dataset.num_classes == 40 and dataset.num_tasks == 1
    assert dataset[0].y[:, 0].tolist() == made["y"].tolist()
    assert {part: ids.tolist() for part, ids in split.items()} == {part: made[part].tolist() for part in split}
    monkeypatch.setenv(UNSAFE, "1")
    other = reading.import_ogb("nodeproppred").PygNodePropPredDataset(**arguments)
    assert alike(dataset[0].to_dict(), other[0].to_dict()) and alike(split, other.get_idx_split())


@pytest.mark.skipif(importlib.util.find_spec("dgl") is None, reason="DGL has no wheel above Python 3.11")
def test_links_for_dgl(tmp_path: Path) -> None:
    parts = tiny()
    as_downloaded(tmp_path, "ogbl-collab", parts)
    dataset = graphns.ogb.DglLinkPropPredDataset("ogbl-collab", root=str(tmp_path / "ogb"))
    split = dataset.get_edge_split()
    assert torch.equal(split["valid"]["edge_neg"], torch.from_numpy(parts["valid"]["edge_neg"]))
    assert dataset[0].num_nodes() == NUM_NODES and dataset[0].num_edges() == 2 * len(parts["train"]["edge"])


def test_several_kinds_of_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ogbl-biokg has it: dictionaries of arrays, of sizes and of relations, written by OGB's own saver."""
    reading.import_ogb("linkproppred")
    from ogb.io import DatasetSaver

    monkeypatch.chdir(tmp_path)
    triplet, edges = ("drug", "acts", "gene"), np.array([[0, 1, 2], [3, 1, 0]])
    saver = DatasetSaver("ogbl-kinds", is_hetero=True, version=1)
    with reading.loading(quiet=True):
        saver.save_graph_list([{"edge_index_dict": {triplet: edges}, "num_nodes_dict": {"drug": 3, "gene": 4},
                                "edge_reltype": {triplet: np.zeros((3, 1), dtype=np.int64)}}])
        saver.save_split({part: {"head": edges[0], "head_type": ["drug"] * 3, "tail": edges[1]}
                          for part in ("train", "valid", "test")}, split_name="random")
        (tmp_path / "mapping").mkdir()
        (tmp_path / "mapping" / "README.md").write_text("")
        saver.copy_mapping_dir("mapping")
        saver.save_task_info(task_type="KG completion", eval_metric="mrr")
        saver._save_target_labels_done = True
        meta = saver.get_meta_dict()
    dataset = graphns.ogb.PygLinkPropPredDataset("ogbl-kinds", meta_dict=meta)
    assert dataset[0].edge_index_dict[triplet].tolist() == edges.tolist()
    assert dataset[0].num_nodes_dict == {"drug": 3, "gene": 4}
    test = dataset.get_edge_split()["test"]
    assert test["head"].tolist() == [0, 1, 2] and test["head_type"] == ["drug"] * 3


def test_nothing_is_executed_and_nothing_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = as_downloaded(tmp_path, "ogbl-ddi", tiny())
    monkeypatch.chdir(tmp_path)
    dataset = graphns.ogb.PygLinkPropPredDataset("ogbl-ddi", str(tmp_path / "ogb"))
    before = set(torch.serialization.get_safe_globals())
    dataset.get_edge_split()
    assert set(torch.serialization.get_safe_globals()) == before and np.ndarray not in before
    torch.save({"edge": Evil()}, folder / "split" / "target" / "train.pt")
    for setting in (None, "1"):  # also where the user lets torch execute files
        if setting:
            monkeypatch.setenv(UNSAFE, setting)
        with pytest.raises(ValueError, match="ogbl_ddi holds a file that cannot be read without executing it: delete"):
            dataset.get_edge_split()
        assert not Path("touched-by-evil").exists()
    assert os.environ[UNSAFE] == "1"
    torch.load(folder / "split" / "target" / "train.pt")
    assert Path("touched-by-evil").exists(), "outside, the setting of the user holds"


def test_pickles() -> None:
    for name in ("PygLinkPropPredDataset", "PygNodePropPredDataset"):
        cls = getattr(graphns.ogb, name)
        assert pickle.loads(pickle.dumps(cls)) is cls is dataset_class(name)


@pytest.mark.parametrize(("name", "metric", "task"), [("ogbl-ddi", "hits@20", "linkproppred"),
                                                      ("ogbn-arxiv", "acc", "nodeproppred")])
def test_the_evaluator_is_of_links_or_nodes(name: str, metric: str, task: reading.Task) -> None:
    judge = graphns.ogb.Evaluator(name=name)
    assert isinstance(judge, reading.import_ogb(task).Evaluator) and judge.eval_metric == metric
    assert judge is not graphns.ogb.Evaluator(name), "one may set another K"


def test_an_evaluator_of_neither(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="of links, ogbl-…, and of nodes, ogbn-…; got 'ogbg-molhiv'"):
        graphns.ogb.Evaluator("ogbg-molhiv")
    with pytest.raises(ValueError, match="Invalid dataset name ogbl-nothing"):
        graphns.ogb.Evaluator("ogbl-nothing")
    assert capsys.readouterr().out == ""
