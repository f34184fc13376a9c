"""Graphs on disk: a folder of plain NumPy arrays, opened by mapping them into memory.

Nothing is read until it is used: sampling touches the rows that it needs. A mapped graph pickles as its path, so a
spawned loader worker maps the same pages instead of receiving a copy.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet

FORMAT = 1
_ABOUT = "graph.json"
_ARRAYS = ("indptr", "indices", "weight")


class MappedGraph(Graph):
    """A graph whose arrays are mapped from a folder; made by `open_graph`.

    It samples like any other and must not be written to (writes would stay private to the process). Pickling and
    copying reopen the folder; moving it to an accelerator makes a `Graph` in memory.
    """

    mapped = True

    def __init__(self, path: Path, made: str, arrays: dict[str, Tensor], num_dst: int | None) -> None:
        super().__init__(arrays["indptr"], arrays["indices"], num_dst, arrays.get("weight"))
        self.path = path
        self._made = made

    @property
    def edge_filter(self) -> Tensor | None:
        """None: the table would read every edge, and draws are the same without it."""
        return None

    def map(self, function: Callable[[Tensor], Tensor]) -> Graph:
        """The graph with `function` applied to its tensors; itself where that leaves them in place."""
        found = super().map(function)
        same = found.indptr.data_ptr() == self.indptr.data_ptr() and found.device == self.device
        return self if same else found

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the path, and what was found there."""
        return _reopen, (str(self.path), self._made)


def save(graph: Graph, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a graph to a folder: `graph.json` and one `.npy` file per array.

    The folder is written under a temporary name beside its place and then renamed, so that it is whole or not there.

    Args:
        graph: a `Graph`; an `EdgeSet` is refused, because its anchors are no rows.
        path: the folder to make.
        overwrite: replace a saved graph of that name.

    Returns:
        The absolute path.

    Raises:
        ValueError: something is there already, or is no saved graph and would be overwritten.

    Example:
        >>> import tempfile
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     open_graph(save(graph, folder + "/graph")).neighbors(1).tolist()
        [2]
    """
    if isinstance(graph, EdgeSet):
        raise ValueError("cannot save an EdgeSet as a graph; save its pairs() with torch.save")
    target = Path(path).absolute()
    if target.exists():
        if not overwrite:
            raise ValueError(f"{target} exists; pass overwrite=True to replace it")
        if not (target / _ABOUT).is_file():
            raise ValueError(f"{target} is no saved graph, so it is not overwritten; choose another path")
    target.parent.mkdir(parents=True, exist_ok=True)
    made = uuid.uuid4().hex
    whole = target.with_name(f".{target.name}.{made}.part")
    try:
        whole.mkdir()
        about: dict[str, Any] = {
            "format": FORMAT, "made": made, "bipartite": graph.bipartite, "num_src": graph.num_src,
            "num_dst": graph.num_dst, "arrays": {},
        }
        for name in _ARRAYS:
            tensor: Tensor | None = getattr(graph, name)
            if tensor is not None:
                array = np.ascontiguousarray(tensor.cpu().numpy())
                np.save(whole / f"{name}.npy", array, allow_pickle=False)
                about["arrays"][name] = {
                    "length": len(array), "dtype": str(array.dtype), "crc32": _checksum(array),
                }
        (whole / _ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
        if target.exists():
            # a reader that has the old files mapped keeps them: they are moved aside and unlinked, never rewritten
            aside = target.with_name(f".{target.name}.{made}.old")
            target.rename(aside)
            whole.rename(target)
            shutil.rmtree(aside)
        else:
            whole.rename(target)
    finally:
        if whole.exists():
            shutil.rmtree(whole)
    return target


def open_graph(path: str | os.PathLike[str], *, verify: bool = False) -> MappedGraph:
    """Open a saved graph without reading it: its arrays are mapped.

    Args:
        path: the folder that `save` wrote.
        verify: read everything once and compare the checksums. Otherwise sizes, types and ends are checked.

    Raises:
        ValueError: it is no saved graph, of a newer format, cut short, or damaged; the message says which.
    """
    folder = Path(path).absolute()
    about = _about(folder)
    arrays = {name: _mapped(folder, name, found, verify) for name, found in about["arrays"].items()}
    indptr, indices = arrays["indptr"], arrays["indices"]
    if len(indptr) != about["num_src"] + 1 or int(indptr[0]) != 0 or int(indptr[-1]) != len(indices):
        raise ValueError(f"{folder} is damaged: its row starts do not fit {about['num_src']} rows with {len(indices)} "
                         "edges; save the graph again")
    if "weight" in arrays and len(arrays["weight"]) != len(indices):
        raise ValueError(f"{folder} is damaged: {len(arrays['weight'])} weights for {len(indices)} edges; save the "
                         "graph again")
    return MappedGraph(folder, about["made"], arrays, about["num_dst"] if about["bipartite"] else None)


def _about(folder: Path) -> dict[str, Any]:
    file = folder / _ABOUT
    if not file.is_file():
        raise ValueError(f"{folder} is no saved graph: it has no {_ABOUT}; write one with graphns.graph.store.save")
    try:
        about: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if about["format"] > FORMAT:
            raise ValueError(f"{folder} has format {about['format']}, this graphns reads up to {FORMAT}: update "
                             "graphns")
        for name in ("made", "bipartite", "num_src", "num_dst"):
            about[name]
        names = set(about["arrays"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged ({type(error).__name__}: {error}); save the graph again") from error
    if not {"indptr", "indices"} <= names <= set(_ARRAYS):
        raise ValueError(f"{file} is damaged: it names the arrays {sorted(names)}; save the graph again")
    return about


def _mapped(folder: Path, name: str, expected: dict[str, Any], verify: bool) -> Tensor:
    file = folder / f"{name}.npy"
    allowed = {"indptr": ("int64",), "indices": ("int32", "int64"), "weight": ("float64",)}[name]
    try:
        # copy-on-write: torch takes the pages as writable without a warning, and the file stays as it is; an array
        # of no elements cannot be mapped
        array = np.load(file, mmap_mode="c" if expected["length"] else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{file} is missing, cut short or damaged ({error}); save the graph again") from error
    if array.shape != (expected["length"],) or str(array.dtype) not in allowed or array.dtype != expected["dtype"]:
        raise ValueError(f"{file} is damaged: it holds {array.dtype} {array.shape}, {_ABOUT} says {expected['dtype']} "
                         f"({expected['length']},); save the graph again")
    if verify and _checksum(array) != expected["crc32"]:
        raise ValueError(f"{file} is damaged: its checksum differs from the one in {_ABOUT}; save the graph again")
    return torch.from_numpy(np.asarray(array))


def _checksum(array: np.ndarray[Any, Any]) -> int:
    return zlib.crc32(array.view(np.uint8).data)


def _reopen(path: str, made: str) -> MappedGraph:
    graph = open_graph(path)
    if graph._made != made:
        raise ValueError(f"{path} was saved anew since this graph was opened; open it again")
    return graph
