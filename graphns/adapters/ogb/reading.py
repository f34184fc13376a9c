"""Reading OGB's files by OGB's own code, from a private copy, under current torch, without executing what they hold."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import pickle
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from graphns.data.pyg_files import data_allowed

Task = Literal["nodeproppred", "linkproppred"]
PROCESSED = "geometric_data_processed.pt"
_DATASETS = {"nodeproppred": "PygNodePropPredDataset", "linkproppred": "PygLinkPropPredDataset"}
_Found = TypeVar("_Found")


def _named(function: Callable[..., Any], module: str) -> Callable[..., Any]:
    """A function under the name by which a file knows it."""
    def call(*args: Any) -> Any:
        return function(*args)

    call.__module__, call.__name__, call.__qualname__ = module, function.__name__, function.__name__
    return call


# what makes arrays and numbers moved when NumPy became 2, and files name the place that it had when they were written
_MAKERS: tuple[Any, Any] = np.zeros(0).__reduce__()[0], np.int64(0).__reduce__()[0]
_NUMPY = [_named(each, f"numpy.{core}.multiarray") for core in ("core", "_core") for each in _MAKERS]


def read_ogb(task: Task, name: str, root: Path, meta: Mapping[str, Any] | None, take: Callable[[Any], _Found]
             ) -> _Found:
    """What `take` reads of a data set that OGB's own class has opened; downloaded by OGB where it is missing.

    The files are looked for in root/ogb/name and root/name, "_" for "-". What OGB makes of them is kept there, as OGB
    does: written elsewhere and put in place by one rename.

    Args:
        task: the part of OGB that has the class.
        name: OGB's name.
        root: folder of the data sets.
        meta: the description that `ogb.io.DatasetSaver` gives; "dir_path" is then the folder, and root is not looked
            at.
        take: reads the opened data set: its graph, its split.

    Raises:
        FileNotFoundError: the files are not there and cannot be downloaded.
        ValueError: `ogb` is not installed, or a file is damaged or would have to be executed.
    """
    ogb = import_ogb(task)
    folder = _find(name, root) if meta is None else Path(meta["dir_path"]).resolve()
    with tempfile.TemporaryDirectory(prefix="graphns-") as private:
        if folder is None:
            folder = _download(ogb, task, name, root, Path(private))
        copy = _linked(folder, Path(private) / "read" / folder.name)
        fresh = not (copy / "processed" / PROCESSED).exists()
        with loading(quiet=not fresh):
            described = None if meta is None else {**meta, "dir_path": str(copy)}
            try:
                found = take(getattr(ogb, _DATASETS[task])(name, root=str(copy.parent), meta_dict=described))
            except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
                what = "without executing it" if isinstance(error, pickle.UnpicklingError) else f"({error})"
                raise ValueError(f"{folder} holds a file that cannot be read {what}: delete its processed folder, or "
                                 "the data, which are then downloaded again") from error
        if fresh:
            publish(copy / "processed", folder / "processed")
    return found


def import_ogb(task: Task) -> Any:
    """The module `ogb.nodeproppred` or `ogb.linkproppred`.

    Raises:
        ValueError: `ogb` is not installed.
    """
    # OGB asks PyPI at every import whether it is outdated, through a package that it can do without
    kept = sys.modules.get("outdated")
    sys.modules["outdated"] = None  # type: ignore[assignment]  # Python's own way to say: not to be imported
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch deprecates what PyG's import calls
            return importlib.import_module(f"ogb.{task}")
    except ModuleNotFoundError as error:
        raise ValueError(f"OGB's data sets need the package {error.name}: pip install 'graphns[ogb]'") from error
    finally:
        if kept is None:
            del sys.modules["outdated"]
        else:
            sys.modules["outdated"] = kept


@cache
def evaluator(task: Task, name: str) -> Any:
    """OGB's `Evaluator` of a data set, made once: it reads a table of all of them.

    Raises:
        ValueError: `ogb` is not installed, or has no such data set.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # it prints an unknown name
        return import_ogb(task).Evaluator(name)


@contextlib.contextmanager
def loading(quiet: bool) -> Iterator[None]:
    """`safe_loading`, what OGB prints kept out of results."""
    # OGB prints what it does; where it takes minutes that is worth reading, but not among results
    with safe_loading(), contextlib.redirect_stdout(io.StringIO() if quiet else sys.stderr):
        yield


@contextlib.contextmanager
def safe_loading() -> Iterator[None]:
    """OGB 1.3.6 calls torch.load without saying what it expects, which torch >= 2.6 takes for nothing but tensors.

    Within the block torch also makes PyG's `Data` and arrays and numbers of NumPy, and executes nothing, whatever the
    environment says; after it, all is as before.
    """
    # sizes are NumPy numbers and splits may be its arrays; what is named here makes those and nothing else
    kinds = [type(np.dtype(kind)) for kind in (np.int64, np.int32, np.float64, np.float32)]
    with data_allowed(np.ndarray, np.dtype, *kinds, *_NUMPY), _nothing_executed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _nothing_executed() -> Iterator[None]:
    """Before torch 2.6 its load, unless told, executes what a file says; OGB does not tell it, an environment can.

    It can tell the opposite too, and torch refuses to be told both.
    """
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ[names[0]] = "1"
    try:
        yield
    finally:
        del os.environ[names[0]]
        os.environ.update(before)


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
        if part.name != "processed" or (part / PROCESSED).is_file():
            (copy / part.name).symlink_to(part)
    if not list(copy.glob("RELEASE_v*.txt")):  # OGB would ask at the terminal whether to delete the data
        raise FileNotFoundError(f"{folder} has no RELEASE_v….txt beside its data: it is no whole download of OGB")
    return copy


def _download(ogb: Any, task: Task, name: str, root: Path, private: Path) -> Path:
    kept = root / "ogb" / name.replace("-", "_")
    try:
        with loading(quiet=False):
            getattr(ogb, _DATASETS[task])(name, root=str(private))
    # SystemExit: OGB asks before it loads more than 1 GB, and leaves if the answer is no; EOFError: nobody answers
    except (OSError, RuntimeError, EOFError, SystemExit) as error:
        raise FileNotFoundError(
            f"no {name} in {root}, and downloading it failed ({type(error).__name__}: {error}); pass root=DIR or set "
            f"GRAPHNS_DATA=DIR, where DIR/ogb/{kept.name} holds what ogb.{task} downloads") from error
    publish(private / kept.name, kept)
    if not kept.is_dir():
        raise FileNotFoundError(f"{name} was downloaded, but {kept.parent} cannot be written")
    return kept.resolve()


def publish(made: Path, kept: Path) -> None:
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
