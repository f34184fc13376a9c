"""A user's own data set from one file, read without executing it."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.data.node import NodeData

_NEEDED = ("x", "edge_index", "y")
_MASKS = ("train_mask", "val_mask", "test_mask")


def from_file(path: str | Path) -> NodeData:
    """A data set from `.npz` or `.pt` with x [N, F], edge_index [2, E], y [N] and, if it has them, the three masks.

    A `.pt` file holds a PyG `Data` or a dict of tensors. Nothing in the file is executed: arrays of objects and
    pickled classes other than PyG's `Data` are refused.

    Raises:
        ValueError: no such file, another format, or a key is missing; or what `NodeData` refuses.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    if path.suffix == ".npz":
        tensors = _npz(path)
    elif path.suffix in (".pt", ".pth"):
        tensors = _pt(path)
    else:
        raise ValueError(f"{path} is neither .npz nor .pt: save x, edge_index and y with numpy.savez or torch.save")
    missing = [key for key in _NEEDED if not isinstance(tensors.get(key), Tensor)]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; it needs x [N, F], edge_index [2, E] and y [N]")
    return NodeData(path.stem, *(tensors[key] for key in _NEEDED), *(tensors.get(key) for key in _MASKS))


def _npz(path: Path) -> dict[str, Tensor]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: torch.from_numpy(file[key]) for key in (*_NEEDED, *_MASKS) if key in file.files}
    except (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no .npz of plain arrays: {error}") from error


def _pt(path: Path) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch deprecates what PyG's import calls
        from torch_geometric.data import Data
        from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
        from torch_geometric.data.storage import GlobalStorage

    try:
        with torch.serialization.safe_globals([Data, DataEdgeAttr, DataTensorAttr, GlobalStorage]), \
                warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of pickle protocols before it refuses or reads them
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{path} is no PyG Data or dict of tensors that can be read without executing it; save "
                         "{'x': …, 'edge_index': …, 'y': …} with torch.save") from error
    found = found.to_dict() if isinstance(found, Data) else found
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds a {type(found).__name__}; it needs a PyG Data or a dict of tensors")
    return found
