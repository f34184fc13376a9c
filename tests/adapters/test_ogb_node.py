"""OGB's format, written by OGB's own saver and as its downloads are laid out, read back through `load` and a probe."""

from __future__ import annotations

import builtins
import csv
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from graphns.adapters.ogb import node as module
from graphns.adapters.ogb import reading
from graphns.adapters.ogb.node import LEFT_OUT, accuracy, read_node
from graphns.cli import run
from graphns.data import load
from graphns.data.named import DataNotFoundError

pytest.importorskip("pandas")
if not any((Path(each) / "ogb").is_dir() for each in sys.path):  # not imported: ogb asks the network when it is
    pytest.skip("ogb is not installed", allow_module_level=True)

NUM_NODES = 60


def tiny() -> dict[str, Any]:
    """A directed graph in three classes that its features tell apart, and a split."""
    random = np.random.default_rng(0)
    y = np.arange(NUM_NODES) % 3
    edges = random.integers(NUM_NODES, size=(2, 150))
    x = (np.eye(3)[y] + 0.1 * random.standard_normal((NUM_NODES, 3))).astype(np.float32)
    order = random.permutation(NUM_NODES)
    return {"edges": edges, "x": x, "y": y, "train": order[:30], "valid": order[30:45], "test": order[45:]}


def as_downloaded(root: Path, made: dict[str, Any], name: str = "ogbn-arxiv") -> Path:
    """The files of ogbn-arxiv or ogbn-products, as their zips have them."""
    folder = root / "ogb" / name.replace("-", "_")
    split = folder / "split" / {"ogbn-arxiv": "time", "ogbn-products": "sales_ranking"}[name]
    for each in (folder / "raw", split, folder / "processed"):
        each.mkdir(parents=True)
    (folder / "RELEASE_v1.txt").write_text("")
    tables: dict[Path, Any] = {
        folder / "raw" / "edge": made["edges"].T, folder / "raw" / "node-feat": made["x"],
        folder / "raw" / "num-node-list": [[NUM_NODES]], folder / "raw" / "num-edge-list": [[150]],
        folder / "raw" / "node-label": made["y"][:, None],
        **{split / part: made[part][:, None] for part in ("train", "valid", "test")},
    }
    if name == "ogbn-arxiv":
        tables[folder / "raw" / "node_year"] = np.full((NUM_NODES, 1), 2017)
    for path, table in tables.items():
        pd.DataFrame(table).to_csv(f"{path}.csv.gz", header=False, index=False)
    return folder


def check(found: dict[str, Any], made: dict[str, Any]) -> None:
    assert torch.equal(found["x"], torch.from_numpy(made["x"]))
    assert found["y"].tolist() == made["y"].tolist()
    for mask, part in (("train_mask", "train"), ("val_mask", "valid"), ("test_mask", "test")):
        assert found[mask].nonzero()[:, 0].tolist() == sorted(made[part].tolist())


@pytest.mark.parametrize("numpy_split", [False, True])
def test_what_ogbs_saver_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numpy_split: bool) -> None:
    made = tiny()
    reading.import_ogb("nodeproppred")
    from ogb.io import DatasetSaver

    monkeypatch.chdir(tmp_path)
    saver = DatasetSaver("ogbn-tiny", is_hetero=False, version=1)
    with reading.loading(quiet=True):
        saver.save_graph_list([{"edge_index": made["edges"], "num_nodes": NUM_NODES, "node_feat": made["x"],
                                "edge_feat": None}])
        saver.save_target_labels(made["y"][:, None])
        parts = {part: made[part] if numpy_split else torch.from_numpy(made[part]) for part in
                 ("train", "valid", "test")}
        saver.save_split(parts, split_name="random")
        (tmp_path / "mapping").mkdir()
        (tmp_path / "mapping" / "README.md").write_text("")
        saver.copy_mapping_dir("mapping")
        saver.save_task_info(task_type="multiclass classification", eval_metric="acc", num_classes=3)
        meta = saver.get_meta_dict()
    found = read_node("ogbn-tiny", tmp_path, meta)
    check(found, made)
    assert found["edge_index"].tolist() == made["edges"].tolist()


@pytest.mark.parametrize("name", ["ogbn-arxiv", "ogbn-products"])
def test_a_download_by_name(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = tiny()
    folder = as_downloaded(tmp_path, made, name)
    data = load(name.upper().replace("-", "_"), root=tmp_path)
    assert data.name == name and data.num_classes == 3
    check(vars(data), made)  # features as OGB has them, not normalised
    both = np.concatenate([made["edges"], made["edges"][::-1]], 1)
    wanted = {tuple(pair) for pair in both[:, both[0] != both[1]].T.tolist()}
    assert set(map(tuple, data.edge_index.T.tolist())) == wanted and data.edge_index.shape[1] == len(wanted)
    assert capsys.readouterr().out == "", "results alone go to stdout"
    kept = folder / "processed" / reading.PROCESSED
    assert kept.is_file() and not [each for each in folder.iterdir() if each.name.startswith(".")]
    before = kept.stat().st_mtime_ns
    (folder / "raw" / "edge.csv.gz").write_bytes(b"no longer needed")  # what OGB made of it is taken
    check(vars(load(name, root=tmp_path)), made)
    assert kept.stat().st_mtime_ns == before and capsys.readouterr() == ("", "")


def test_publishing_is_all_or_nothing(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "file").write_text("new")
    (tmp_path / "kept").mkdir()
    reading.publish(made, tmp_path / "kept")  # OGB's empty folder gives way
    assert (tmp_path / "kept" / "file").read_text() == "new"
    (made / "file").write_text("newer")
    reading.publish(made, tmp_path / "kept")  # what another process has put there stays
    assert (tmp_path / "kept" / "file").read_text() == "new"
    (tmp_path / "blocked").write_text("a file, where a folder would have to be")
    reading.publish(made, tmp_path / "blocked" / "kept")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["blocked", "kept", "made"]


def test_what_is_left_out_says_why() -> None:
    for name, reason in LEFT_OUT.items():
        with pytest.raises(ValueError, match=f"{name} cannot be read: {reason}"):
            load(name.upper())
        with pytest.raises(ValueError, match=f"{name} cannot be read: {reason}"):
            read_node(name, Path())
    with pytest.raises(ValueError, match="OGB has no such data set"):
        read_node("ogbn-nothing", Path())


@pytest.mark.parametrize("error", [OSError("no network"), EOFError("no answer"), SystemExit(-1)])
def test_missing_data_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(reading.import_ogb("nodeproppred"), "PygNodePropPredDataset", offline)
    with pytest.raises(DataNotFoundError, match=r"no ogbn-arxiv in .*failed.*where DIR/ogb/ogbn_arxiv holds"):
        load("ogbn-arxiv", root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_download_is_published_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny()
    ogb = reading.import_ogb("nodeproppred")
    real = ogb.PygNodePropPredDataset

    def online(name: str, root: str, meta_dict: Any = None) -> Any:
        if not (Path(root) / "ogbn_arxiv").is_dir():
            as_downloaded(Path(root).parent / "made", made).rename(Path(root) / "ogbn_arxiv")
        return real(name, root=root, meta_dict=meta_dict)

    monkeypatch.setattr(ogb, "PygNodePropPredDataset", online)
    check(vars(load("ogbn-arxiv", root=tmp_path / "root")), made)
    monkeypatch.setattr(ogb, "PygNodePropPredDataset", real)
    check(vars(load("ogbn-arxiv", root=tmp_path / "root")), made)
    assert [each.name for each in (tmp_path / "root" / "ogb").iterdir()] == ["ogbn_arxiv"]


def test_a_folder_of_another_release_is_not_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = as_downloaded(tmp_path, tiny())
    (folder / "RELEASE_v1.txt").unlink()
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("asked at the terminal"))
    with pytest.raises(DataNotFoundError, match="no whole download"):
        load("ogbn-arxiv", root=tmp_path)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "ogb"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ogb", None)
    with pytest.raises(ValueError, match=r"need the package ogb.*pip install 'graphns\[ogb\]'"):
        load("ogbn-arxiv", root=tmp_path)


def test_nothing_asks_the_network() -> None:
    """OGB asks PyPI for its newest version when it is imported, unless its helper cannot be imported."""
    code = ("import sys, warnings\nwarnings.simplefilter('ignore')\n"
            "from graphns.adapters.ogb.reading import import_ogb\n"
            "found = import_ogb('nodeproppred')\nimport ogb.version\nassert ogb.version.check_outdated is None\n"
            "assert 'outdated' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


def test_damaged_files(tmp_path: Path) -> None:
    folder = as_downloaded(tmp_path, tiny())
    (folder / "raw" / "num-edge-list.csv.gz").unlink()
    with pytest.raises(ValueError, match=r"cannot be read \(No necessary file\): delete its processed"):
        load("ogbn-arxiv", root=tmp_path)
    (folder / "processed" / reading.PROCESSED).write_bytes(b"cut off")
    with pytest.raises(ValueError, match="ogbn_arxiv holds a file that cannot be read"):
        load("ogbn-arxiv", root=tmp_path)


def test_files_are_not_executed(tmp_path: Path) -> None:
    folder = as_downloaded(tmp_path, tiny())
    torch.save({"x": Evil()}, folder / "processed" / reading.PROCESSED)
    with pytest.raises(ValueError, match="cannot be read without executing it: delete its processed"):
        load("ogbn-arxiv", root=tmp_path)
    assert not Path("touched-by-evil").exists()


class Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched-by-evil"),)


def test_other_kinds_of_data_are_refused() -> None:
    parts = {"train": torch.tensor([0]), "valid": torch.tensor([1]), "test": torch.tensor([2])}
    edges = torch.tensor([[0], [1]])
    data = SimpleNamespace(x=torch.ones(3, 2), y=torch.tensor([[0.0], [float("nan")], [2.0]]), edge_index=edges)
    assert module._checked("ogbn-any", data, parts)["y"].tolist() == [0, -1, 2]  # where the class is unknown
    for change in ({"x": None}, {"y": torch.zeros(3, 2)}):
        with pytest.raises(ValueError, match="ogbn-any has no features, or not one class a node"):
            module._checked("ogbn-any", SimpleNamespace(**{**vars(data), **change}), parts)


def test_official_accuracy() -> None:
    assert accuracy("ogbn-arxiv", torch.tensor([0, 1, 2, 3]), torch.tensor([0, 1, 2, 0])) == 0.75


def test_eval_node_shows_the_official_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tiny()
    as_downloaded(tmp_path, made)
    np.save(tmp_path / "embeddings.npy", made["x"])
    arguments = ["eval", "node", str(tmp_path / "embeddings.npy"), "--data", "ogbn-arxiv", "--root", str(tmp_path),
                 "--out", str(tmp_path / "figures.csv")]
    assert run(arguments) == 0
    assert "OGB's evaluator" in capsys.readouterr().out
    with (tmp_path / "figures.csv").open() as file:
        ours, raw, most = csv.DictReader(file)
    assert ours["accuracy"] == ours["official_accuracy"] == raw["official_accuracy"]  # the embeddings are the features
    assert float(ours["accuracy"]) > 0.8 > 0.5 > float(most["accuracy"])
    assert most["official_accuracy"] == "" and (ours["train"], ours["validation"], ours["test"]) == ("30", "15", "15")
    assert run([*arguments, "--protocol", "random-10-90", "--splits", "1"]) == 0
    assert "OGB's evaluator" not in capsys.readouterr().out
