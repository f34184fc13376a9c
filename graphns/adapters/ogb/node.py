"""OGB's node classification: data sets with their official split, and the official evaluator."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.data.pyg_files import data_allowed

NAMES = ("ogbn-arxiv", "ogbn-products")
"""The data sets that can be read: one kind of node, features, one class a node, and small enough for one machine."""
LEFT_OUT = {
    "ogbn-mag": "it has several kinds of nodes and edges",
    "ogbn-proteins": "its nodes have no features, and 112 yes/no labels each instead of one class",
    "ogbn-papers100M": "a graph of 111 million nodes is not trained on whole",
}
"""OGB's other sets of nodes, and why each is left out."""
_PROCESSED = "geometric_data_processed.pt"


def read_node(name: str, root: Path, meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A data set in OGB's own format, by OGB's own reader; downloaded by OGB where it is missing.

    The files are looked for in root/ogb/ogbn_name and root/ogbn_name. What OGB makes of them (minutes for
    ogbn-products) is kept there, as OGB does: written elsewhere and put in place by one rename.

    Args:
        name: one of `NAMES`; or with `meta` any.
        root: folder of the data sets.
        meta: the description that `ogb.io.DatasetSaver` gives; "dir_path" is then the folder, and root is not looked
            at.

    Returns:
        x [N, F] float32, as OGB has it; edge_index [2, E] int64; y [N] int64, -1 where the class is unknown;
        train_mask, val_mask and test_mask [N] bool, the official split.

    Raises:
        FileNotFoundError: the files are not there and cannot be downloaded.
        ValueError: `ogb` is not installed, or the data set is of another kind.
    """
    if meta is None and name not in NAMES:
        raise ValueError(f"{name} cannot be read: {LEFT_OUT.get(name, 'OGB has no such data set')}; of OGB there are: "
                         f"{', '.join(NAMES)}")
    ogb = _ogb()
    folder = _find(name, root) if meta is None else Path(meta["dir_path"]).resolve()
    with tempfile.TemporaryDirectory(prefix="graphns-") as private:
        if folder is None:
            folder = _download(ogb, name, root, Path(private))
        copy = _linked(folder, Path(private) / "read" / folder.name)
        fresh = not (copy / "processed" / _PROCESSED).exists()
        with _loading(quiet=not fresh):
            described = None if meta is None else {**meta, "dir_path": str(copy)}
            try:
                whole = ogb.PygNodePropPredDataset(name, root=str(copy.parent), meta_dict=described)
                data, parts = whole[0], whole.get_idx_split()
            except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
                what = "without executing it" if isinstance(error, pickle.UnpicklingError) else f"({error})"
                raise ValueError(f"{folder} holds a file that cannot be read {what}: delete its processed folder, or "
                                 "the data, which are then downloaded again") from error
        found = _checked(name, data, parts)
        if whole.meta_info["add_inverse_edge"] == "True":
            # half of the edges are the other half turned round, and whoever takes them makes them undirected again
            found["edge_index"] = found["edge_index"][:, found["edge_index"][0] < found["edge_index"][1]]
        if fresh:
            _publish(copy / "processed", folder / "processed")
    return found


def accuracy(name: str, y_true: Tensor, y_pred: Tensor) -> float:
    """The official figure of a data set, in [0, 1], by OGB's `Evaluator`.

    Args:
        name: one of `NAMES`.
        y_true: [n] classes.
        y_pred: [n] predicted classes.

    Raises:
        ValueError: `ogb` is not installed.
    """
    found: float = _ogb().Evaluator(name).eval({"y_true": y_true[:, None], "y_pred": y_pred[:, None]})["acc"]
    return found


def _ogb() -> Any:
    # OGB asks PyPI at every import whether it is outdated, through a package that it can do without
    kept = sys.modules.get("outdated")
    sys.modules["outdated"] = None  # type: ignore[assignment]  # Python's own way to say: not to be imported
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch deprecates what PyG's import calls
            import ogb.nodeproppred
    except ModuleNotFoundError as error:
        raise ValueError(f"OGB's data sets need the package {error.name}: pip install 'graphns[ogb]'") from error
    finally:
        if kept is None:
            del sys.modules["outdated"]
        else:
            sys.modules["outdated"] = kept
    return ogb.nodeproppred


@contextlib.contextmanager
def _loading(quiet: bool) -> Iterator[None]:
    """OGB 1.3.6 calls torch.load without saying what it expects, which torch >= 2.6 takes for nothing but tensors."""
    # sizes are NumPy numbers and splits may be its arrays; what is named here makes those and nothing else
    numbers: list[Any] = [np.ndarray, np.dtype, type(np.dtype(np.int64)), np.zeros(0).__reduce__()[0],
                          np.int64(0).__reduce__()[0]]
    with data_allowed(*numbers), _nothing_executed(), warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")
        # OGB prints what it does; where it takes minutes that is worth reading, but not among results
        stack.enter_context(contextlib.redirect_stdout(io.StringIO() if quiet else sys.stderr))
        yield


@contextlib.contextmanager
def _nothing_executed() -> Iterator[None]:
    """Before torch 2.6 its load, unless told, executes what a file says; OGB does not tell it, an environment can."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _find(name: str, root: Path) -> Path | None:
    plain = name.replace("-", "_")
    for folder in (root / "ogb" / plain, root / plain, root / "ogb" / f"{plain}_pyg", root / f"{plain}_pyg"):
        if (folder / "raw").is_dir() and (folder / "split").is_dir():
            return folder.resolve()
    return None


def _linked(folder: Path, copy: Path) -> Path:
    """A folder whose parts are links into another, so that what OGB writes beside its files lands here."""
    copy.mkdir(parents=True)
    for part in folder.iterdir():
        if part.name != "processed" or (part / _PROCESSED).is_file():
            (copy / part.name).symlink_to(part)
    if not list(copy.glob("RELEASE_v*.txt")):  # OGB would ask at the terminal whether to delete the data
        raise FileNotFoundError(f"{folder} has no RELEASE_v….txt beside its data: it is no whole download of OGB")
    return copy


def _download(ogb: Any, name: str, root: Path, private: Path) -> Path:
    kept = root / "ogb" / name.replace("-", "_")
    try:
        with _loading(quiet=False):
            ogb.PygNodePropPredDataset(name, root=str(private))
    # SystemExit: OGB asks before it loads more than 1 GB, and leaves if the answer is no; EOFError: nobody answers
    except (OSError, RuntimeError, EOFError, SystemExit) as error:
        raise FileNotFoundError(
            f"no {name} in {root}, and downloading it failed ({type(error).__name__}: {error}); pass root=DIR or set "
            f"GRAPHNS_DATA=DIR, where DIR/ogb/{kept.name} holds what ogb.nodeproppred downloads") from error
    _publish(private / kept.name, kept)
    if not kept.is_dir():
        raise FileNotFoundError(f"{name} was downloaded, but {kept.parent} cannot be written")
    return kept.resolve()


def _publish(made: Path, kept: Path) -> None:
    """Copy a folder beside its place and rename it into it; whoever comes second keeps what is there.

    Where nothing may be written, nothing is kept: what reads comes out the same, only later.
    """
    arriving = kept.parent / f".{kept.name}-{os.getpid()}"
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made, arriving)
        if kept.is_dir() and not any(each.is_file() for each in kept.iterdir()):
            kept.rmdir()  # OGB's own empty folder
        arriving.rename(kept)
    except OSError:
        shutil.rmtree(arriving, ignore_errors=True)


def _checked(name: str, data: Any, parts: Mapping[str, Any]) -> dict[str, Any]:
    if data.x is None or data.y.dim() != 2 or data.y.shape[1] != 1:
        raise ValueError(f"{name} has no features, or not one class a node; a probe needs both")
    y = data.y[:, 0]
    y = torch.where(y.isnan(), -1, y).long() if y.is_floating_point() else y
    found = {"x": data.x.float(), "edge_index": data.edge_index, "y": y}
    for mask, part in (("train_mask", "train"), ("val_mask", "valid"), ("test_mask", "test")):
        found[mask] = torch.zeros(len(y), dtype=torch.bool)
        found[mask][torch.as_tensor(parts[part])] = True
    return found
