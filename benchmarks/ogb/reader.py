"""OGB's data and evaluators, read by OGB itself."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from graphns.data.node import NodeData

NAMES = ("ogbn-arxiv", "ogbn-products")


def read(name: str, root: Path, description: Path | None = None) -> NodeData:
    """A data set with its official split, in the form of the pipelines: undirected, features as OGB has them.

    Args:
        name: one of `NAMES`; with a description any.
        root: the folder that OGB's loaders call so; OGB downloads into it what is missing.
        description: the meta_dict.pt of `ogb.io.DatasetSaver`, of a data set that lies beside it.

    Raises:
        ValueError: the data are not there and cannot be downloaded, or have not one class and features a node.
    """
    meta = None
    if description is not None:
        try:
            meta = torch.load(description, weights_only=True)
            meta["dir_path"] = str(description.parent / Path(meta["dir_path"]).name)  # wherever it was written
        except Exception as error:
            raise ValueError(f"{description} is no meta_dict.pt of ogb.io.DatasetSaver ({type(error).__name__})"
                             ) from error
    elif name not in NAMES:
        raise ValueError(f"{name!r} cannot be read; there are: {', '.join(NAMES)}, and others with --meta_dict")
    plain = name.replace("-", "_")
    folders = [Path(meta["dir_path"])] if meta else [root / plain, root / f"{plain}_pyg"]
    for folder in folders:
        if folder.is_dir() and not list(folder.glob("RELEASE_v*.txt")):  # OGB would ask whether to delete it
            raise ValueError(f"{folder} has no RELEASE_v….txt: it is no whole download of OGB; move it away")
    if meta and not folders[0].is_dir():
        raise ValueError(f"there is no folder {folders[0]} beside {description}")
    module, fresh = ogb(), not any(folder.exists() for folder in folders)
    try:
        with loading():
            whole = module.PygNodePropPredDataset(name, root=str(root), meta_dict=meta)
            data, split = whole[0], whole.get_idx_split()
    except UnpicklingError as error:
        unknown = re.search(r"GLOBAL (\S+)", str(error))
        what = unknown[1] if unknown else "a pickle"
        raise ValueError(f"a .pt file in {folders[0]} holds {what}, which is no array of numbers, or is another "
                         "NumPy's name for one; if it lies in processed, delete that folder") from error
    except (OSError, EOFError) as error:  # EOFError: OGB asks before it loads 1 GB, and nobody is there
        if fresh:
            shutil.rmtree(folders[0], ignore_errors=True)  # PyG has made it: it would be taken for a download
        raise ValueError(f"no {name} in {root}, and downloading it failed ({type(error).__name__}: {error})") from error
    if data.x is None or data.y.shape != (data.num_nodes, 1) or data.y.is_floating_point():
        raise ValueError(f"{name} has no features, or not one class a node")
    edge_index = data.edge_index
    if whole.meta_info["add_inverse_edge"] == "True":
        # OGB has doubled every edge, and NodeData does so again: half of them, 1 GB of ogbn-products, will do
        edge_index = edge_index[:, edge_index[0] <= edge_index[1]]
    masks = []
    for part in ("train", "valid", "test"):
        masks.append(torch.zeros(data.num_nodes, dtype=torch.bool))
        masks[-1][torch.as_tensor(split[part])] = True
    return NodeData(name, data.x.float(), edge_index, data.y[:, 0], *masks)


def evaluator(name: str) -> Any:
    """OGB's evaluator of a data set.

    Raises:
        ValueError: OGB knows none of this name, or it does not measure the accuracy of one class a node.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = ogb().Evaluator(name)
    except ValueError as error:
        raise ValueError(f"OGB has no evaluator called {name!r}; ogbn-arxiv's measures accuracy") from error
    if (found.eval_metric, found.num_tasks) != ("acc", 1):
        raise ValueError(f"the evaluator of {name} measures {found.eval_metric} of {found.num_tasks} tasks, not the "
                         "accuracy of one class; ogbn-arxiv's does")
    return found


def ogb() -> Any:
    """The module `ogb.nodeproppred`.

    Raises:
        ValueError: it is not installed.
    """
    # at its import OGB asks PyPI for a newer release, in a thread, through a package that it can do without; None is
    # Python's word for a module that is not to be had
    hidden = "outdated" not in sys.modules
    if hidden:
        sys.modules["outdated"] = None  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".torch\.jit\..* is deprecated", DeprecationWarning)  # PyG's import
            import ogb.nodeproppred
    except ModuleNotFoundError as error:
        raise ValueError(f"this needs the package {error.name}: pip install 'graphns[ogb]'") from error
    finally:
        if hidden:
            del sys.modules["outdated"]
    return ogb.nodeproppred


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Where OGB 1.3.6 calls `torch.load` without a word on what is to come: files are read, none is executed.

    PyG's classes and arrays of numbers are allowed; torch before 2.6 is told to allow nothing else. What OGB prints is
    kept from the results. OGB's form without a library cannot be read so: its pickles are of a protocol that torch's
    safe reader does not know.
    """
    from torch_geometric.data import Data
    from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
    from torch_geometric.data.storage import GlobalStorage

    numbers = [np.ndarray, np.dtype, type(np.dtype(np.int64)), np.zeros(0).__reduce__()[0], np.int64(0).__reduce__()[0]]
    allowed: list[Any] = [Data, DataEdgeAttr, DataTensorAttr, GlobalStorage, *numbers]
    with torch.serialization.safe_globals(allowed), patch.dict(os.environ, TORCH_FORCE_WEIGHTS_ONLY_LOAD="1"), \
            contextlib.redirect_stdout(sys.stderr):
        os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)  # torch refuses both at once; put back after the block
        yield
