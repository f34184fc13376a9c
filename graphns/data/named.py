"""Data sets that PyG knows by name, read from local files; downloaded by PyG where they are missing."""

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

from torch import Tensor

if TYPE_CHECKING:
    from graphns.data.node import NodeData


class DataNotFoundError(ValueError):
    """The files of a data set are not there; the message says how to get them."""


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    Args:
        family: the class in `torch_geometric.datasets`, which is also the folder of the family.
        name: the name that the class takes.
        folder: its folder, as PyG spells it.
    """

    family: str
    name: str
    folder: str


SOURCES = {
    "Cora": Source("Planetoid", "Cora", "Cora"),
    "CiteSeer": Source("Planetoid", "CiteSeer", "CiteSeer"),
    "PubMed": Source("Planetoid", "PubMed", "PubMed"),
    "Computers": Source("Amazon", "Computers", "Computers"),
    "CS": Source("Coauthor", "CS", "CS"),
    "Physics": Source("Coauthor", "Physics", "Physics"),
    "Cora_ML": Source("CitationFull", "Cora_ML", "cora_ml"),
}


def default_root() -> Path:
    """Where data are looked for: the folder in GRAPHNS_DATA, else ~/.cache/graphns/data."""
    return Path(os.environ.get("GRAPHNS_DATA") or Path.home() / ".cache" / "graphns" / "data")


def named(name: str, root: str | Path | None = None) -> NodeData:
    """The data set `name` of `SOURCES`, features normalised by row, as GRACE's code does.

    The raw files are looked for in root/Family/Name/raw and root/Name/raw. They are read from a private copy: PyG
    writes beside what it reads, and several processes may share the folder.

    Raises:
        DataNotFoundError: the files are not there and cannot be downloaded.
    """
    from graphns.data.node import NodeData

    source = SOURCES[name]
    root = default_root() if root is None else Path(root).expanduser()
    with tempfile.TemporaryDirectory(prefix="graphns-") as private:
        raw = _find(source, root)
        if raw is not None:
            shutil.copytree(raw, Path(private) / source.folder / "raw")
            data = _read(source, private)
        else:
            data = _download(source, root, private)
    masks = (getattr(data, mask, None) for mask in ("train_mask", "val_mask", "test_mask"))
    return NodeData(name, normalize_rows(data.x), data.edge_index, data.y, *masks)


def normalize_rows(x: Tensor) -> Tensor:
    """Features divided by the sum of their row, at least 1: PyG's `NormalizeFeatures`."""
    x = x - x.min()
    return x / x.sum(1, keepdim=True).clamp(min=1.0)


def _find(source: Source, root: Path) -> Path | None:
    for raw in (root / source.family / source.folder / "raw", root / source.folder / "raw"):
        if raw.is_dir() and any(raw.iterdir()):
            return raw
    return None


def _read(source: Source, root: str) -> Any:
    # PyG reports its progress on stderr, where a progress bar may be; torch deprecates what PyG's import calls, and
    # NumPy what the pickles of Planetoid name
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric import datasets

        return getattr(datasets, source.family)(root, source.name)[0]


def _download(source: Source, root: Path, private: str) -> Any:
    try:
        data = _read(source, private)
    except (OSError, RuntimeError) as error:
        raise DataNotFoundError(
            f"no {source.name} in {root}, and downloading it failed ({type(error).__name__}: {error}); pass "
            f"root=DIR or set GRAPHNS_DATA=DIR, where DIR/{source.family}/{source.folder}/raw holds the files that "
            f"torch_geometric.datasets.{source.family} downloads; 'digits' needs no files"
        ) from error
    kept = root / source.family / source.folder / "raw"
    kept.parent.mkdir(parents=True, exist_ok=True)
    # one rename publishes the files; whoever comes second keeps what is there
    arriving = kept.parent / f".raw-{os.getpid()}"
    shutil.copytree(Path(private) / source.folder / "raw", arriving)
    try:
        arriving.rename(kept)
    except OSError:
        shutil.rmtree(arriving)
    return data
