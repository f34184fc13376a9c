"""Where named data are found, how they are downloaded, and that they are what PyG makes of the same files."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphns.data import load, named
from graphns.data.named import SOURCES, DataNotFoundError, Source, default_root
from graphns.encoders.sparse import Sparse


def test_default_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHNS_DATA", "/somewhere")
    assert default_root() == Path("/somewhere")
    monkeypatch.delenv("GRAPHNS_DATA")
    assert default_root() == Path.home() / ".cache" / "graphns" / "data"


def two_nodes(path: Path) -> None:
    """A raw file in Amazon's layout: features 0 1 1 0 / 0 0 0 0, one edge."""
    np.savez(path, attr_data=np.array([7.0, 0.5]), attr_indices=np.array([1, 2]), attr_indptr=np.array([0, 2, 2]),
             attr_shape=np.array([2, 4]), adj_data=np.ones(1), adj_indices=np.array([1]),
             adj_indptr=np.array([0, 1, 1]), adj_shape=np.array([2, 2]), labels=np.array([0, 1]))


@pytest.mark.parametrize("name", ["cora", "photo", "roman-empire"])
def test_missing_data_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def offline(*_: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(named, "_fetch", offline)
    source = next(source for source in SOURCES.values() if source.name.lower() == name)
    place = rf"DIR/{source.family_folder}/{source.folder}/raw holds the files"
    with pytest.raises(DataNotFoundError, match=rf"no {source.name} in .*OSError: no network.*GRAPHNS_DATA=DIR, where "
                                                rf"{place}.*datasets.{source.family} downloads"):
        load(name, root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_download_is_published_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def online(source: Source, private: Path) -> None:
        assert source.file is not None
        raw = private / source.folder / "raw"
        raw.mkdir(parents=True)
        two_nodes(raw / source.file)
        fetched.append(source)

    monkeypatch.setattr(named, "_fetch", online)
    for _ in range(2):  # the second time it is found, not downloaded
        data = load("Computers", root=tmp_path)
        assert data.dense.tolist() == [[0, 0.5, 0.5, 0], [0, 0, 0, 0]]
        assert [str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()] == [
            "Amazon/Computers/raw/amazon_electronics_computers.npz"
        ]
    assert fetched == [SOURCES["Computers"]]


def test_a_download_that_came_second_is_put_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = SOURCES["Cora"]
    kept = tmp_path / "Planetoid" / "Cora" / "raw"

    def online(source: Source, private: Path) -> None:
        raw = private / source.folder / "raw"
        raw.mkdir(parents=True)
        (raw / "file").write_text("second")
        kept.mkdir(parents=True)  # another process was faster
        (kept / "file").write_text("first")

    monkeypatch.setattr(named, "_fetch", online)
    assert named._download(source, tmp_path) == kept
    assert (kept / "file").read_text() == "first"
    assert [each.name for each in kept.parent.iterdir()] == ["raw"]


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.file])
def test_downloads_are_pygs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The same address, folder and file name as PyG's class has: asked of the class itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch_geometric.data
        from torch_geometric import datasets
    source, asked, wanted = SOURCES[name], [], []
    monkeypatch.setattr(torch_geometric.data, "download_url", lambda url, folder: asked.append((url, folder)))
    named._fetch(source, tmp_path)
    family = getattr(datasets, source.family)
    monkeypatch.setattr(sys.modules[family.__module__], "download_url",
                        lambda url, folder: wanted.append((url, folder)))
    monkeypatch.setattr(family, "process", lambda self: None)
    with contextlib.suppress(FileNotFoundError):  # it goes on to read what nobody has processed
        family(str(tmp_path), source.name)
    assert asked == wanted and len(asked) == 1
    assert Path(asked[0][0]).name == source.file


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    raw = tmp_path / "Photo" / "raw"
    raw.mkdir(parents=True)
    np.savez(raw / "amazon_electronics_photo.npz", x=np.eye(2))
    with pytest.raises(ValueError, match=r"photo\.npz is not the file that PyG downloads: delete it"):
        load("Photo", root=tmp_path)


def test_names_that_differ_in_case_alone_do_not_meet(tmp_path: Path) -> None:
    """Where a file system takes Cora for cora, Planetoid's files must not be read as CitationFull's."""
    raw = tmp_path / "cora" / "raw"
    raw.mkdir(parents=True)
    (raw / "ind.cora.x").write_text("")
    assert named._find(SOURCES["CitationFull-Cora"], tmp_path) is None
    two_nodes(raw / "cora.npz")
    assert named._find(SOURCES["CitationFull-Cora"], tmp_path) == raw


# the research data


SIZES = {
    "Cora": (2708, 10556, 1433, 7), "CiteSeer": (3327, 9104, 3703, 6), "PubMed": (19717, 88648, 500, 3),
    "Computers": (13752, 491722, 767, 10), "CS": (18333, 163788, 6805, 15), "Physics": (34493, 495924, 8415, 5),
    "Cora_ML": (2995, 16316, 2879, 7), "Minesweeper": (10000, 78804, 7, 2), "Tolokers": (11758, 1038000, 10, 2),
}


@pytest.mark.data
@pytest.mark.parametrize("name", SIZES)
def test_named(data_root: Path, name: str) -> None:
    before = sorted(data_root.glob("*/*/*"))
    data = load(name, root=data_root)
    assert (data.num_nodes, data.edge_index.shape[1], data.num_features, data.num_classes) == SIZES[name]
    assert isinstance(data.x, Sparse) == (name in ("CS", "Physics", "Cora_ML"))
    if SOURCES[name].normalized:
        rows = data.x.to_scipy().sum(1) if isinstance(data.x, Sparse) else data.x.sum(1).numpy()
        assert bool(((abs(rows - 1) < 1e-5) | (rows == 0)).all())
    if SOURCES[name].family == "Planetoid":
        masks = [mask for mask in (data.train_mask, data.val_mask, data.test_mask) if mask is not None]
        assert [int(mask.sum()) for mask in masks] == [20 * data.num_classes, 500, 1000]
    assert sorted(data_root.glob("*/*/*")) == before, "a shared folder is read, not written"


@pytest.mark.data
@pytest.mark.parametrize("name", ["Computers", "CS", "Cora_ML", "Minesweeper", "Tolokers"])
def test_bit_for_bit_what_pyg_makes_of_the_files(data_root: Path, tmp_path: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric import datasets
        from torch_geometric.transforms import NormalizeFeatures
    source = SOURCES[name]
    raw = data_root / source.family_folder / source.folder / "raw"
    shutil.copytree(raw, tmp_path / source.folder / "raw")
    theirs = getattr(datasets, source.family)(str(tmp_path), source.name)[0]
    if source.normalized:
        theirs = NormalizeFeatures()(theirs)
    for split in (0, 7) if source.family == "HeterophilousGraphDataset" else (0,):
        ours = load(name, root=data_root, split=split)
        assert torch.equal(ours.dense, theirs.x) and torch.equal(ours.y, theirs.y)
        assert {*map(tuple, ours.edge_index.T.tolist())} == {*map(tuple, theirs.edge_index.T.tolist())}
        for mask in ("train_mask", "val_mask", "test_mask"):
            found = getattr(ours, mask)
            assert found is None if mask not in theirs else torch.equal(found, theirs[mask][:, split])
    assert ours.num_splits == (1 if ours.train_mask is None else 10)


@pytest.mark.data
def test_physics_is_never_dense(data_root: Path) -> None:
    """1.16 GB of features took 4.2 GB to load; sparse, with all of its edges, they take a twentieth."""
    code = (
        "import resource, sys, torch\n"
        "from graphns.data import load\nimport graphns.data.named, graphns.data.files\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == 'darwin' else"
        " 2**10)\n"
        "before = peak()\ndata = load('Physics', sys.argv[1])\ndata.features\nprint(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(data_root)], capture_output=True, text=True,
                          check=True, timeout=300)
    assert float(done.stdout) < 600, "MB"


@pytest.mark.data
def test_physics_is_what_it_was_when_it_was_dense(data_root: Path) -> None:
    """The digest is of the dense features that PyG's reader and `NormalizeFeatures` gave."""
    data = load("Physics", root=data_root)
    digest = hashlib.sha256()
    for begin in range(0, data.num_nodes, 4096):
        assert isinstance(data.x, Sparse)
        block = data.x.to_scipy()[begin : begin + 4096].toarray()
        digest.update(np.ascontiguousarray(block))
    digest.update(data.edge_index.numpy())
    digest.update(data.y.numpy())
    assert digest.hexdigest()[:20] == "84c25670b1dd35700d2d"


@pytest.mark.data
def test_pygs_own_layout(data_root: Path) -> None:
    assert load("Cora", root=data_root / "Planetoid").num_nodes == 2708
