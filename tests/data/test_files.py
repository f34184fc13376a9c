"""A user's own files: what is read, what is refused, and that nothing is executed."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from graphns.data import load
from graphns.data.files import node_data
from graphns.encoders.sparse import Sparse
from tests.data.small import arrays, check_tiny, tensors


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


@pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
def test_sparse_features_stay_sparse(tmp_path: Path, layout: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch: sparse CSR is in beta
        x = getattr(tensors()["x"], f"to_sparse_{layout}")()
    torch.save({**tensors(), "x": x}, tmp_path / "tiny.pt")
    data = load(tmp_path / "tiny.pt")
    check_tiny(data)
    assert isinstance(data.x, Sparse) and torch.equal(data.dense, tensors()["x"])


def test_rows_of_csr_by_path(tmp_path: Path) -> None:
    """The layout of Amazon and its like: features as PyG's reader has them, not normalised."""
    x = scipy.sparse.csr_matrix(np.array([[0, 2, 0], [3, 0, 0], [0, 0, 0], [1, 1, 1]]))
    adjacency = scipy.sparse.csr_matrix((np.ones(3), ([0, 2, 1], [1, 2, 3])), shape=(4, 4))
    parts = {f"{what}_{part}": getattr(matrix, part) for what, matrix in (("attr", x), ("adj", adjacency))
             for part in ("data", "indices", "indptr", "shape")}
    np.savez(tmp_path / "tiny.npz", **parts, labels=arrays()["y"], class_names=np.array(["one", "two"], dtype=object))
    data = load(tmp_path / "tiny.npz")
    check_tiny(data)
    assert data.dense.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]]


def test_a_file_of_an_in_memory_dataset(tmp_path: Path) -> None:
    torch.save((tensors(), None, None), tmp_path / "tiny.pt")
    check_tiny(load(tmp_path / "tiny.pt"))
    torch.save((tensors(), {"x": torch.tensor([0, 2, 4])}), tmp_path / "two.pt")
    with pytest.raises(ValueError, match="holds a tuple; it needs a PyG Data"):
        load(tmp_path / "two.pt")


def test_a_column_of_several_splits(tmp_path: Path) -> None:
    masks = {name: torch.eye(4, 3, dtype=torch.bool).roll(shift, 0)
             for shift, name in enumerate(("train_mask", "val_mask"))}
    torch.save({**tensors(), **masks, "test_mask": torch.tensor([False, False, False, True])}, tmp_path / "tiny.pt")
    for split in range(3):
        data = load(tmp_path / "tiny.pt", split=split)
        assert data.num_splits == 3
        assert data.train_mask is not None and data.train_mask.nonzero().tolist() == [[split]]
        assert data.val_mask is not None and data.val_mask.nonzero().tolist() == [[split + 1]]
        assert data.test_mask is not None and data.test_mask.nonzero().tolist() == [[3]]  # one for all, as WikiCS has
    for split in (-1, 3):
        with pytest.raises(ValueError, match=rf"tiny has 3 split\(s\).*there is no split {split}"):
            load(tmp_path / "tiny.pt", split=split)
    unequal = {**tensors(), "train_mask": torch.ones(4, 2, dtype=torch.bool), "val_mask": masks["val_mask"]}
    with pytest.raises(ValueError, match="masks of tiny are of 2 and 3 splits; they must agree"):
        node_data("tiny", unequal)
    with pytest.raises(ValueError, match=r"tiny has 1 split\(s\)"):
        node_data("tiny", tensors(), split=1)
