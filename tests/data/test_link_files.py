"""Files of links: what is written comes back, HeaRT's layout, and what is damaged or would have to be executed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphns.data import load_links
from graphns.data.link import LinkData
from graphns.data.link_files import is_links, read_heart, read_links
from graphns.data.named import DataNotFoundError
from graphns.encoders.sparse import Sparse
from tests.data.test_link import parts

TRAIN, VALID, TEST = [(0, 1), (1, 2), (2, 2), (3, 4)], [(0, 5)], [(0, 2), (3, 5)]


def heart_folder(folder: Path) -> Path:
    """Six nodes, a training loop, two HeaRT negatives a positive, three shared ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train_pos", TRAIN), ("valid_pos", VALID), ("test_pos", TEST), ("train_neg", [(0, 3)]),
                       ("valid_neg", [(1, 3), (1, 4), (4, 5)]), ("test_neg", [(1, 5), (2, 4), (2, 5)])):
        (folder / f"{name}.txt").write_text("".join(f"{a}\t{b}\n" for a, b in rows))
    np.save(folder / "heart_valid_samples.npy", np.array([[[0, 3], [4, 5]]]))
    np.save(folder / "heart_test_samples.npy", np.array([[[0, 4], [3, 2]], [[3, 0], [1, 5]]]))
    return folder


def same(one: LinkData, other: LinkData) -> None:
    for key in ("num_nodes", "undirected", "metric", "setting", "repeats"):
        assert getattr(one, key) == getattr(other, key) and type(getattr(one, key)) is type(getattr(other, key))
    assert torch.equal(one.train, other.train)
    for part in ("valid", "test"):
        assert all(torch.equal(a, b) for a, b in zip(one.part(part), other.part(part), strict=True))


@pytest.mark.parametrize("x", [None, torch.rand(6, 2), Sparse.from_dense(torch.eye(6, 30))])
@pytest.mark.parametrize("change", [{}, {"undirected": False, "metric": "hits@20", "setting": "ogb", "repeats": True}])
def test_what_is_saved_comes_back(tmp_path: Path, x: Any, change: dict[str, Any]) -> None:
    data = LinkData(**parts(x=x, **change))
    data.save(tmp_path / "mine.npz")
    for found in (load_links(tmp_path / "mine.npz"), read_links(tmp_path / "mine.npz")):
        same(data, found)
        assert found.name == "mine" and type(found.x) is type(data.x)
        if x is not None:
            dense = [each.to_dense() if isinstance(each, Sparse) else each for each in (found.x, data.x)]
            assert torch.equal(*dense)


def test_a_write_cut_off_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk: half of the new file is written, and the old one stays."""
    data, path = LinkData(**parts()), tmp_path / "mine.npz"
    data.save(path)
    before = path.read_bytes()

    def full(file: Path, **_: Any) -> None:
        file.write_bytes(before[:20])
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="no space left"):
        LinkData(**parts(metric="hits@20")).save(path)
    assert path.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == ["mine.npz"]


def test_files_that_are_no_links(tmp_path: Path) -> None:
    data = LinkData(**parts())
    with pytest.raises(ValueError, match=r"links are saved as \.npz, got"):
        data.save(tmp_path / "mine.pt")
    path = tmp_path / "mine.npz"
    data.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    for change, message in (({"links_version": 2}, "links of version 2; this graphns reads version 1"),
                            ({"train": None}, "holds no whole links: 'train'"),
                            ({"num_nodes": 3}, r"has the id 4, outside \[0, 3\)")):
        np.savez(path, **{key: value for key, value in {**arrays, **change}.items() if value is not None})
        with pytest.raises(ValueError, match=message):
            load_links(path)
    np.savez(path, links_version=np.array([Evil()], dtype=object))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        read_links(path)
    assert not Path("touched-by-evil").exists()
    path.write_bytes(b"cut off")
    assert not is_links(path)
    np.save(tmp_path / "plain.npy", np.zeros(3))
    assert not is_links(tmp_path / "plain.npy")


class Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched-by-evil"),)


@pytest.mark.parametrize("packed", [False, True])
def test_hearts_layout(tmp_path: Path, packed: bool) -> None:
    folder = heart_folder(tmp_path / "any")
    if packed:
        for part in ("valid", "test"):
            np.savez(folder / f"heart_{part}_samples.npz", np.load(folder / f"heart_{part}_samples.npy"))
            (folder / f"heart_{part}_samples.npy").unlink()
    data = load_links(folder)
    assert (data.name, data.num_nodes, data.setting, data.metric) == ("any", 6, "heart", "mrr")
    assert data.train.tolist() == [[0, 1, 3], [1, 2, 4]], "without the loop"
    assert data.test.positive.tolist() == [[0, 3], [2, 5]]
    assert data.test.negative.tolist() == [[[0, 3], [3, 1]], [[4, 2], [0, 5]]]
    shared = load_links(folder, setting="existing")
    assert shared.valid.negative.tolist() == [[1, 1, 4], [3, 4, 5]] and shared.setting == "existing"
    assert shared.graph.num_edges == 6
    torch.save({"entity_embedding": torch.eye(8, 3)}, folder / "gnn_feature")
    assert load_links(folder).x.shape == (8, 3) and load_links(folder).num_nodes == 8


def test_damaged_hearts(tmp_path: Path) -> None:
    folder = heart_folder(tmp_path / "whole")
    with pytest.raises(ValueError, match="'heart' and 'existing', got 'old'"):
        read_heart(folder, "x", "old")

    def broken(name: str, content: Any, message: str, setting: str = "heart") -> None:
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        if isinstance(content, str):
            (copy / name).write_text(content)
        elif isinstance(content, np.ndarray):
            np.save(copy / name, content)
        elif content is None:
            (copy / name).unlink()
        else:
            torch.save(content, copy / name)
        with pytest.raises(ValueError, match=message):
            load_links(copy, setting=setting)
        shutil.rmtree(copy)

    broken("train_pos.txt", "", "train_pos.txt must have two integer ids a line")
    broken("train_pos.txt", "0 1.5\n", "two integer ids a line")
    broken("train_pos.txt", "0 1 2\n", "has 3 columns")
    broken("valid_neg.txt", None, "valid_neg.txt must have two integer ids a line", "existing")
    broken("valid_pos.txt", "1 0\n", "1 valid positives are train edges too", "existing")
    broken("train_pos.txt", None, "a folder without train_pos.txt")
    broken("heart_test_samples.npy", np.zeros((3, 2, 2), dtype=int), r"int64 \(3, 2, 2\) is no \[2, n, 2\] of integers")
    broken("heart_test_samples.npy", np.zeros((2, 2, 2)), "float64")
    broken("heart_test_samples.npy", "no array", "does not hold HeaRT's negatives")
    broken("heart_test_samples.npy", np.array([Evil()], dtype=object), "does not hold HeaRT's negatives")
    broken("heart_test_samples.npy", np.array([[[0, 4], [3, 2]], [[3, 0], [1, 4]]]),
           "negative of row 1 shares no end with line 2 of test_pos.txt")
    broken("gnn_feature", {"entity_embedding": Evil()}, "gnn_feature holds no tensor under 'entity_embedding'")
    broken("gnn_feature", {"entity_embedding": 3}, "entity_embedding is a int")
    assert not Path("touched-by-evil").exists()
    (folder / "heart_test_samples.npy").unlink()
    with pytest.raises(DataNotFoundError, match=r"no heart_test_samples\.npy.*setting='existing'.*heart_links"):
        load_links(folder)
