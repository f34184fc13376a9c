"""Files of links: what `LinkData.save` writes, and the folders that HeaRT's authors pass on; read, never executed."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.data.link import LinkData, LinkPart
from graphns.encoders.sparse import Sparse

_VERSION = "links_version"
_BROKEN = (ValueError, TypeError, KeyError, OSError, EOFError, zipfile.BadZipFile)
_SCALARS = ("num_nodes", "undirected", "metric", "setting", "repeats")


def write_links(data: LinkData, path: str | PathLike[str]) -> None:
    """Write links to one `.npz` of plain arrays, whole or not at all: under another name, then renamed.

    Raises:
        ValueError: the name does not end in .npz.
    """
    path = Path(path).expanduser()
    if path.suffix != ".npz":
        raise ValueError(f"links are saved as .npz, got {path}")
    arrays: dict[str, Any] = {_VERSION: 1, **{key: getattr(data, key) for key in _SCALARS}, "train": data.train}
    for name in ("valid", "test"):
        part = data.part(name)
        arrays |= {f"{name}_positive": part.positive, f"{name}_negative": part.negative}
    if isinstance(data.x, Sparse):
        matrix = data.x.matrix
        arrays |= {"x_indptr": matrix.crow_indices(), "x_indices": matrix.col_indices(), "x_values": matrix.values(),
                   "x_shape": np.array(data.x.shape)}
    elif data.x is not None:
        arrays["x"] = data.x
    plain: dict[str, Any] = {
        key: value.cpu().numpy() if isinstance(value, Tensor) else value for key, value in arrays.items()}
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part.npz")
    try:
        np.savez_compressed(temporary, **plain)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def is_links(path: Path) -> bool:
    """Whether a file is an `.npz` that `write_links` wrote."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return _VERSION in file.files
    except (*_BROKEN, AttributeError):
        return False


def read_links(path: Path) -> LinkData:
    """What `write_links` wrote.

    Raises:
        ValueError: the file is damaged or of a later version, or what `LinkData` refuses.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {key: file[key] for key in file.files}
        version = int(found[_VERSION])
        scalars = {key: found[key].item() for key in _SCALARS}
        pairs = {key: torch.from_numpy(found[key])
                 for key in ("train", *(f"{part}_{what}" for part in ("valid", "test")
                                        for what in ("positive", "negative")))}
    except _BROKEN as error:
        raise ValueError(f"{path} holds no whole links: {error}") from error
    if version != 1:
        raise ValueError(f"{path} holds links of version {version}; this graphns reads version 1: update it")
    return LinkData(path.stem, train=pairs["train"], x=_features(found),
                    valid=LinkPart(pairs["valid_positive"], pairs["valid_negative"]),
                    test=LinkPart(pairs["test_positive"], pairs["test_negative"]), **scalars)


def _features(found: Mapping[str, np.ndarray[Any, Any]]) -> Tensor | Sparse | None:
    if "x_indptr" in found:
        rows, columns = found["x_shape"].tolist()
        indptr, indices, values = (torch.from_numpy(found[f"x_{key}"]) for key in ("indptr", "indices", "values"))
        return Sparse.from_csr(indptr, indices, values, (rows, columns))
    return torch.from_numpy(found["x"]) if "x" in found else None


def is_heart(folder: Path) -> bool:
    """Whether a folder has a split in HeaRT's layout."""
    return all((folder / f"{part}_pos.txt").is_file() for part in ("train", "valid", "test"))


def read_heart(folder: Path, name: str, setting: str, num_nodes: int | None = None,
               x: Tensor | Sparse | None = None) -> LinkData:
    """The links of a folder in HeaRT's layout.

    train_pos.txt, valid_pos.txt and test_pos.txt have a pair a line, two ids separated by a tab or blanks;
    valid_neg.txt and test_neg.txt likewise the negatives of the existing setting, shared by all positives;
    heart_valid_samples.npy and heart_test_samples.npy (or .npz with one array) those of HeaRT, [P, n, 2], row i for
    line i of the positives. Self-loops among the training edges are left out, as HeaRT does.

    Args:
        folder: the files.
        name: of the data.
        setting: "heart" or "existing".
        num_nodes: N. None: rows of x, or the largest id plus one.
        x: [N, F] features. None: those of gnn_feature, a file of HeaRT's, if it is there.

    Raises:
        ValueError: a file is missing or is not what it should be, or a setting is unknown.
    """
    if setting not in ("heart", "existing"):
        raise ValueError(f"HeaRT's data have the settings 'heart' and 'existing', got {setting!r}")
    x = _gnn_feature(folder / "gnn_feature") if x is None else x
    positives = {part: _text(folder / f"{part}_pos.txt") for part in ("train", "valid", "test")}
    if num_nodes is None:
        num_nodes = x.shape[0] if x is not None else 1 + max(int(pairs.max()) for pairs in positives.values())
    parts = {part: LinkPart(positives[part], _text(folder / f"{part}_neg.txt") if setting == "existing" else
                            _samples(folder, part, positives[part])) for part in ("valid", "test")}
    try:
        return LinkData(name, num_nodes, positives["train"], parts["valid"], parts["test"], x, setting=setting)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error


def _text(path: Path) -> Tensor:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy would read 1.5 as 1, and an empty file, with no more than a warning
            table = np.loadtxt(path, dtype=np.int64, ndmin=2, encoding="utf-8")
        if table.shape[1] != 2:
            raise ValueError(f"has {table.shape[1]} columns")
    except (ValueError, OSError, Warning) as error:
        raise ValueError(f"{path} must have two integer ids a line: {error}") from error
    return torch.from_numpy(table.T.copy())


def _samples(folder: Path, part: str, positive: Tensor) -> Tensor:
    plain = folder / f"heart_{part}_samples"
    path = next((each for each in (plain.with_suffix(".npy"), plain.with_suffix(".npz")) if each.is_file()), None)
    if path is None:
        from graphns.data.named import DataNotFoundError

        raise DataNotFoundError(
            f"{folder} has no {plain.name}.npy, HeaRT's negatives, which github.com/Juanhui28/HeaRT says where to get; "
            "setting='existing' reads the shared negatives, and graphns.data.link_heart.heart_links makes HeaRT's anew")
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            array = found if isinstance(found, np.ndarray) else found[found.files[0]]
        size = positive.shape[1]
        if array.ndim != 3 or (array.shape[0], array.shape[2]) != (size, 2) or array.dtype.kind not in "iu":
            raise ValueError(f"{array.dtype} {array.shape} is no [{size}, n, 2] of integers")
    except (*_BROKEN, IndexError) as error:
        raise ValueError(f"{path} does not hold HeaRT's negatives: {error}") from error
    pairs = torch.from_numpy(array).long().permute(2, 0, 1).contiguous()
    strange = ~(pairs == positive[:, :, None]).any(0).all(1)
    if bool(strange.any()):
        row = int(strange.nonzero()[0, 0])
        raise ValueError(f"{path}: a negative of row {row} shares no end with line {row + 1} of {part}_pos.txt; the "
                         "two files are not of one split")
    return pairs


def _gnn_feature(path: Path) -> Tensor | None:
    if not path.is_file():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on odd pickles torch warns before it refuses
            found = torch.load(path, map_location="cpu", weights_only=True)
        features = found["entity_embedding"]
        if not isinstance(features, Tensor):
            raise TypeError(f"entity_embedding is a {type(features).__name__}")
    except (pickle.UnpicklingError, RuntimeError, AttributeError, *_BROKEN) as error:
        raise ValueError(f"{path} holds no tensor under 'entity_embedding' that can be read without executing it: "
                         f"{error}") from error
    return features
