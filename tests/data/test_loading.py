"""Names, roots, files and refusals."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphns.data import load, named, names
from graphns.data.named import SOURCES, DataNotFoundError, default_root, normalize_rows
from graphns.data.node import NodeData


def arrays() -> dict[str, Any]:
    return {"x": np.eye(4, 3, dtype=np.float32), "edge_index": np.array([[0, 0, 2, 1], [1, 1, 2, 3]]),
            "y": np.array([0, 1, 1, 0])}


def tensors() -> dict[str, Any]:
    return {key: torch.from_numpy(value) for key, value in arrays().items()}


def check_tiny(data: NodeData) -> None:
    assert data.name == "tiny"
    assert data.edge_index.tolist() == [[0, 1, 1, 3], [1, 0, 3, 1]]  # both directions, once, no self-loop
    assert (data.num_nodes, data.num_features, data.num_classes) == (4, 3, 2)


# names


@pytest.mark.parametrize(("wrong", "near"), [("corra", "Cora"), ("digit", "digits"), ("pub-med", "PubMed")])
def test_wrong_names_get_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"no data set is called '{wrong}'; did you mean '{near}'?"):
        load(wrong)


def test_a_name_like_no_other_gets_all() -> None:
    with pytest.raises(ValueError, match="there are: digits, Cora, CiteSeer"):
        load("zzzzzzzz")
    assert names() == ["digits", *SOURCES]


# roots


def test_default_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHNS_DATA", "/somewhere")
    assert default_root() == Path("/somewhere")
    monkeypatch.delenv("GRAPHNS_DATA")
    assert default_root() == Path.home() / ".cache" / "graphns" / "data"


def test_missing_data_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(named, "_read", offline)
    with pytest.raises(DataNotFoundError, match=r"no Cora in .*OSError: no network.*GRAPHNS_DATA=DIR, where "
                                                r"DIR/Planetoid/Cora/raw holds the files"):
        load("cora", root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_download_is_published_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        x = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
        edge_index = torch.tensor([[0], [1]])
        y = torch.tensor([0, 1])

    def online(source: named.Source, root: str) -> Found:
        raw = Path(root) / source.folder / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        (raw / "file").write_text("content")
        return Found()

    monkeypatch.setattr(named, "_read", online)
    for _ in range(2):  # the second time it is found, not downloaded
        data = load("Computers", root=tmp_path)
        assert data.x.tolist() == [[0.25, 0.75], [0.0, 0.0]]
        assert [str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()] == [
            "Amazon/Computers/raw/file"
        ]


def test_a_download_that_came_second_is_put_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = SOURCES["Cora"]
    kept = tmp_path / "Planetoid" / "Cora" / "raw"

    def online(source: named.Source, root: str) -> str:
        raw = Path(root) / source.folder / "raw"
        raw.mkdir(parents=True)
        (raw / "file").write_text("second")
        kept.mkdir(parents=True)  # another process was faster
        (kept / "file").write_text("first")
        return "data"

    monkeypatch.setattr(named, "_read", online)
    private = tmp_path / "private"
    private.mkdir()
    assert named._download(source, tmp_path, str(private)) == "data"
    assert (kept / "file").read_text() == "first"
    assert [each.name for each in kept.parent.iterdir()] == ["raw"]


def test_normalized_rows() -> None:
    x = normalize_rows(torch.tensor([[2.0, 6.0], [0.0, 0.5], [0.0, 0.0]]))
    assert x.tolist() == [[0.25, 0.75], [0.0, 0.5], [0.0, 0.0]]


# files


def test_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "tiny.npz", **arrays(), train_mask=np.array([True, False, False, False]))
    data = load(tmp_path / "tiny.npz")
    check_tiny(data)
    assert data.train_mask is not None and data.train_mask.tolist() == [True, False, False, False]
    assert data.test_mask is None


@pytest.mark.parametrize("pyg", [True, False])
def test_pt(tmp_path: Path, pyg: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.data import Data

    torch.save(Data(**tensors()) if pyg else tensors(), tmp_path / "tiny.pt")
    check_tiny(load(str(tmp_path / "tiny.pt")))


class Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched-by-evil"),)


@pytest.mark.parametrize("name", ["bad.npz", "bad.pt"])
def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "bad.npz":
        np.savez(name, **{**arrays(), "x": np.array([Evil()], dtype=object)})
    else:
        torch.save({**tensors(), "x": Evil()}, name)
    with pytest.raises(ValueError, match=rf"{name} is no"):
        load(name)
    assert not Path("touched-by-evil").exists()


@pytest.mark.parametrize("name", ["bad.npz", "bad.pt"])
def test_damaged_files(tmp_path: Path, name: str) -> None:
    for content in (b"", b"not a file of that kind", pickle.dumps([1])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name} (is no|holds a list)"):
            load(tmp_path / name)


def test_files_that_lack_something(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no file .*nowhere\.npz"):
        load(tmp_path / "nowhere.npz")
    np.savez(tmp_path / "short.npz", x=arrays()["x"])
    with pytest.raises(ValueError, match="lacks edge_index, y; it needs"):
        load(tmp_path / "short.npz")
    torch.save(torch.zeros(2), tmp_path / "tensor.pt")
    with pytest.raises(ValueError, match="holds a Tensor; it needs a PyG Data or a dict"):
        load(tmp_path / "tensor.pt")
    (tmp_path / "data.csv").write_text("0,1")
    with pytest.raises(ValueError, match=r"is neither .npz nor .pt"):
        load(tmp_path / "data.csv")


# what NodeData refuses


@pytest.mark.parametrize(("change", "message"), [
    ({"x": torch.zeros(4, 3, dtype=torch.int64)}, r"floating-point features \[N, F\], got torch.int64"),
    ({"x": torch.zeros(4)}, r"features \[N, F\], got torch.float32 \(4,\)"),
    ({"x": torch.full((4, 3), torch.inf)}, "NaN or infinite features"),
    ({"y": torch.zeros(3, dtype=torch.int64)}, r"integer classes \[4\], got torch.int64 \(3,\)"),
    ({"y": torch.zeros(4)}, "integer classes"),
    ({"edge_index": torch.tensor([[0], [4]])}, "4"),
    ({"edge_index": torch.tensor([[0, 1]])}, r"\[2, E\]"),
    ({"edge_index": torch.tensor([[0.0], [1.0]])}, "integers"),
    ({"val_mask": torch.ones(3, dtype=torch.bool)}, r"val_mask must be bool \[4\], got torch.bool \(3,\)"),
    ({"test_mask": torch.ones(4)}, "test_mask must be bool"),
])
def test_bad_values_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NodeData("tiny", **{**tensors(), **change})


def test_features_are_sparse_where_that_pays() -> None:
    few = NodeData("few", torch.eye(40), torch.tensor([[0], [1]]), torch.zeros(40, dtype=torch.int64))
    many = NodeData("many", torch.ones(40, 4), torch.tensor([[0], [1]]), torch.zeros(40, dtype=torch.int64))
    assert type(few.features).__name__ == "Sparse" and isinstance(many.features, torch.Tensor)
    assert few.to("cpu") is few and few.device == torch.device("cpu")


# the research data


@pytest.mark.data
@pytest.mark.parametrize(("name", "sizes"), [
    ("Cora", (2708, 10556, 1433, 7)), ("CiteSeer", (3327, 9104, 3703, 6)), ("Cora_ML", (2995, 16316, 2879, 7)),
])
def test_named(data_root: Path, name: str, sizes: tuple[int, ...]) -> None:
    before = sorted(data_root.glob("*/*/*"))
    data = load(name, root=data_root)
    assert (data.num_nodes, data.edge_index.shape[1], data.num_features, data.num_classes) == sizes
    rows = data.x.sum(1)
    assert bool(((rows - 1).abs() < 1e-5).logical_or(rows == 0).all())
    if name != "Cora_ML":
        masks = [mask for mask in (data.train_mask, data.val_mask, data.test_mask) if mask is not None]
        assert [int(mask.sum()) for mask in masks] == [20 * data.num_classes, 500, 1000]
    assert sorted(data_root.glob("*/*/*")) == before, "a shared folder is read, not written"


@pytest.mark.data
def test_pygs_own_layout(data_root: Path) -> None:
    assert load("Cora", root=data_root / "Planetoid").num_nodes == 2708
