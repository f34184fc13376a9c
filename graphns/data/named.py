"""Data sets that have a name, read from local files; downloaded by PyG or OGB where they are missing."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphns.data.features import normalize_rows

if TYPE_CHECKING:
    from graphns.data.node import NodeData


class DataNotFoundError(ValueError):
    """The files of a data set are not there; the message says how to get them."""


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    Args:
        family: the class in `torch_geometric.datasets`; or "OGB".
        name: the name that the class takes.
        folder: its folder, as PyG spells it.
        file: its one raw file, an `.npz` in a layout of `parse_raw`; None: several, which PyG reads.
        normalized: whether features are divided by the sum of their row.
    """

    family: str
    name: str
    folder: str
    file: str | None = None
    normalized: bool = True

    @property
    def family_folder(self) -> str:
        """The folder of the family."""
        return self.family.removesuffix("Dataset")


def _citation(name: str) -> Source:
    return Source("CitationFull", name, name.lower(), f"{name.lower()}.npz")


def _heterophilous(name: str) -> Source:
    folder = name.lower().replace("-", "_")
    return Source("HeterophilousGraphDataset", name, folder, f"{folder}.npz", normalized=False)


SOURCES = {
    "Cora": Source("Planetoid", "Cora", "Cora"),
    "CiteSeer": Source("Planetoid", "CiteSeer", "CiteSeer"),
    "PubMed": Source("Planetoid", "PubMed", "PubMed"),
    "Computers": Source("Amazon", "Computers", "Computers", "amazon_electronics_computers.npz"),
    "Photo": Source("Amazon", "Photo", "Photo", "amazon_electronics_photo.npz"),
    "CS": Source("Coauthor", "CS", "CS", "ms_academic_cs.npz"),
    "Physics": Source("Coauthor", "Physics", "Physics", "ms_academic_phy.npz"),
    "Cora_ML": _citation("Cora_ML"),
    "DBLP": _citation("DBLP"),
    "CitationFull-Cora": _citation("Cora"),
    "CitationFull-CiteSeer": _citation("CiteSeer"),
    "CitationFull-PubMed": _citation("PubMed"),
    "Roman-empire": _heterophilous("Roman-empire"),
    "Amazon-ratings": _heterophilous("Amazon-ratings"),
    "Minesweeper": _heterophilous("Minesweeper"),
    "Tolokers": _heterophilous("Tolokers"),
    "Questions": _heterophilous("Questions"),
    "ogbn-arxiv": Source("OGB", "ogbn-arxiv", "ogbn_arxiv", normalized=False),
    "ogbn-products": Source("OGB", "ogbn-products", "ogbn_products", normalized=False),
}


def default_root() -> Path:
    """Where data are looked for: the folder in GRAPHNS_DATA, else ~/.cache/graphns/data."""
    return Path(os.environ.get("GRAPHNS_DATA") or Path.home() / ".cache" / "graphns" / "data")


def named(name: str, root: str | Path | None = None, split: int = 0, normalize: bool | None = None) -> NodeData:
    """The data set `name` of `SOURCES`.

    The raw files are looked for in root/Family/Name/raw and root/Name/raw, those of OGB in root/ogb/name and root/name.
    What PyG reads is read from a private copy: PyG writes beside what it reads, and several processes may share the
    folder. Features of Planetoid, Amazon, Coauthor and CitationFull are normalised by row, as GRACE's code does; those
    of the heterophilous graphs and of OGB stay as they are.

    Args:
        name: as `SOURCES` spells it.
        root: see `graphns.data.load`.
        split: which of the data set's own splits becomes the masks; the heterophilous graphs have 10.
        normalize: whether features are divided by the sum of their row. None: as said above.

    Raises:
        DataNotFoundError: the files are not there and cannot be downloaded.
        ValueError: there is no such split, or the files are damaged.
    """
    from graphns.data.files import node_data

    source = SOURCES[name]
    root = default_root() if root is None else Path(root).expanduser()
    if source.family == "OGB":
        from graphns.adapters.ogb.node import read_node

        try:
            found = read_node(source.name, root)
        except FileNotFoundError as error:
            raise DataNotFoundError(str(error)) from error
    else:
        raw = _find(source, root) or _download(source, root)
        found = _planetoid(source, raw) if source.file is None else _raw(raw / source.file)
    if source.normalized if normalize is None else normalize:
        found = {**found, "x": normalize_rows(found["x"])}
    return node_data(name, found, split)


def _find(source: Source, root: Path) -> Path | None:
    for raw in (root / source.family_folder / source.folder / "raw", root / source.folder / "raw"):
        # by its file, for Cora and CitationFull's cora are one folder to some file systems
        if raw.is_dir() and (any(raw.iterdir()) if source.file is None else (raw / source.file).is_file()):
            return raw
    return None


def _raw(path: Path) -> dict[str, Any]:
    from graphns.data.raw_npz import parse_raw, read_arrays

    found = parse_raw(read_arrays(path), path)
    if found is None:
        raise ValueError(f"{path} is not the file that PyG downloads: delete it, and it is downloaded again")
    return found


def _planetoid(source: Source, raw: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="graphns-") as private:
        shutil.copytree(raw, Path(private) / source.folder / "raw")
        data = _pyg(source, private)
    return {key: getattr(data, key) for key in ("x", "edge_index", "y", "train_mask", "val_mask", "test_mask")}


@contextlib.contextmanager
def _silent() -> Any:
    # PyG reports its progress on stderr, where a progress bar may be; torch deprecates what PyG's import calls, and
    # NumPy what the pickles of Planetoid name
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _pyg(source: Source, root: str) -> Any:
    """What PyG makes of the raw files under root; it downloads them if they are not there."""
    with _silent():
        from torch_geometric import datasets

        return getattr(datasets, source.family)(root, source.name)[0]


def _fetch(source: Source, private: Path) -> None:
    """Download the raw files of a data set into private/folder/raw."""
    if source.file is None:
        _pyg(source, str(private))
        return
    with _silent():
        # the file alone: PyG would go on and make the features dense
        from torch_geometric import datasets
        from torch_geometric.data import download_url

        base = getattr(datasets, source.family).url
        name = source.file
        url = base.format(name.removesuffix(".npz")) if "{}" in base else f"{base.rstrip('/')}/{name}"
        download_url(url, str(private / source.folder / "raw"))


def _download(source: Source, root: Path) -> Path:
    with tempfile.TemporaryDirectory(prefix="graphns-") as private:
        try:
            _fetch(source, Path(private))
        except (OSError, RuntimeError) as error:
            raise DataNotFoundError(
                f"no {source.name} in {root}, and downloading it failed ({type(error).__name__}: {error}); pass "
                f"root=DIR or set GRAPHNS_DATA=DIR, where DIR/{source.family_folder}/{source.folder}/raw holds the "
                f"files that torch_geometric.datasets.{source.family} downloads; 'digits' needs no files"
            ) from error
        kept = root / source.family_folder / source.folder / "raw"
        kept.parent.mkdir(parents=True, exist_ok=True)
        # one rename publishes the files; whoever comes second keeps what is there
        arriving = kept.parent / f".raw-{os.getpid()}"
        shutil.copytree(Path(private) / source.folder / "raw", arriving)
    try:
        arriving.rename(kept)
    except OSError:
        shutil.rmtree(arriving)
    return kept
