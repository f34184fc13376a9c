"""A user's own data set from one file, read without executing it."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphns.data.node import NodeData
from graphns.data.pyg_files import data_allowed
from graphns.data.raw_npz import parse_raw, read_arrays
from graphns.encoders.sparse import Sparse

_NEEDED = ("x", "edge_index", "y")
_MASKS = ("train_mask", "val_mask", "test_mask")


def from_file(path: str | Path, split: int = 0) -> NodeData:
    """A data set from `.npz` or `.pt` with x [N, F], edge_index [2, E], y [N] and, if it has them, the three masks.

    A `.pt` file holds a PyG `Data`, a dict of tensors, or what PyG's `InMemoryDataset` keeps of one graph; x may be a
    sparse tensor. An `.npz` may also be in one of the layouts of `parse_raw`. Features stay as they are. Nothing in the
    file is executed: arrays of objects and pickled classes other than PyG's `Data` are refused.

    Args:
        path: of the file.
        split: the column of masks [N, S], for data with S splits.

    Raises:
        ValueError: no such file, another format, or a key is missing; or what `NodeData` refuses.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    found: Mapping[str, Any]
    if path.suffix == ".npz":
        arrays = read_arrays(path, (*_NEEDED, *_MASKS))
        found = parse_raw(arrays, path) or {key: torch.from_numpy(value) for key, value in arrays.items()}
    elif path.suffix in (".pt", ".pth"):
        found = _pt(path)
    else:
        raise ValueError(f"{path} is neither .npz nor .pt: save x, edge_index and y with numpy.savez or torch.save")
    missing = [key for key in _NEEDED if not isinstance(found.get(key), Tensor | Sparse)]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; it needs x [N, F], edge_index [2, E] and y [N]")
    return node_data(path.stem, found, split)


def node_data(name: str, found: Mapping[str, Any], split: int = 0) -> NodeData:
    """The data set of x, edge_index, y and masks, each [N] or [N, S]; the masks of split number `split`.

    Raises:
        ValueError: there is no such split; or what `NodeData` refuses.
    """
    masks = [found.get(key) for key in _MASKS]
    # a mask that is the same in all splits, such as WikiCS' test mask, has no second dimension
    counts = {mask.shape[1] for mask in masks if isinstance(mask, Tensor) and mask.dim() == 2}
    num_splits = max(counts, default=1)
    if len(counts) > 1:
        raise ValueError(f"the masks of {name} are of {' and '.join(map(str, sorted(counts)))} splits; they must agree")
    if not 0 <= split < num_splits:
        raise ValueError(f"{name} has {num_splits} split(s) of its own, numbered from 0; there is no split {split}")
    train, val, test = (mask[:, split].contiguous() if isinstance(mask, Tensor) and mask.dim() == 2 else mask
                        for mask in masks)
    return NodeData(name, found["x"], found["edge_index"], found["y"], train, val, test, num_splits)


def _pt(path: Path) -> dict[str, Any]:
    try:
        with data_allowed(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of pickle protocols before it refuses or reads them
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{path} is no PyG Data or dict of tensors that can be read without executing it; save "
                         "{'x': …, 'edge_index': …, 'y': …} with torch.save") from error
    if isinstance(found, tuple) and len(found) > 1 and found[1] is None:
        found = found[0]  # an InMemoryDataset of one graph: the graph, no slices, its class
    if hasattr(found, "to_dict"):  # of classes, PyG's Data alone may be in the file
        found = found.to_dict()
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds a {type(found).__name__}; it needs a PyG Data or a dict of tensors")
    return found
