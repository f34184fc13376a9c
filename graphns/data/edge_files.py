"""A user's own edge list as a graph: CSV, TSV, npz, npy, GraphML, `edge_index.pt`; files are read, never executed."""

from __future__ import annotations

import pickle
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
import torch
from torch import Tensor

from graphns.graph.graph import Graph, check_edge_index


@dataclass(frozen=True)
class EdgeFile:
    """What a file held.

    Args:
        graph: its edges.
        names: the label of each node, where the file has labels (GraphML); None where ids are the labels.
    """

    graph: Graph
    names: tuple[str, ...] | None = None

    def node(self, label: str) -> int:
        """The id of a node given as the user writes it.

        Raises:
            ValueError: there is no such node.
        """
        if self.names is not None:
            if label in self.names:
                return self.names.index(label)
            raise ValueError(f"the graph has no node {label!r}; its first nodes are {', '.join(self.names[:5])}")
        if not label.isdecimal() or int(label) >= self.graph.num_src:
            raise ValueError(f"anchor {label!r} is no node: ids run from 0 to {self.graph.num_src - 1}")
        return int(label)


def read(path: str | Path, num_nodes: int | None = None, undirected: bool = False) -> EdgeFile:
    """The graph in a file, by the ending of its name.

    .csv, .tsv, .txt, .edges: a line an edge; its first two fields, separated by comma, semicolon, tab or blanks, are
    integer ids; one header line and lines that begin with # are skipped, further fields are not read. .npz: an array
    `edge_index` [2, E], or what `scipy.sparse.save_npz` writes. .npy: an array [2, E]. .pt: a saved tensor [2, E], or a
    dict with one under "edge_index". .graphml: labels become names, and an undirected edge counts in both directions.
    Weights are not read.

    Args:
        path: the file.
        num_nodes: nodes of the graph. None: the largest id plus one, or what the file says.
        undirected: whether each edge counts in both directions.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not what its ending says, holds code instead of data, or its edges are wrong.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name the file with the edges")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path}: cannot tell the format of {path.suffix or 'a name without ending'!r}; "
                         f"known are {', '.join(_READERS)}")
    try:
        edge_index, size, names = reader(path)
        source, target = check_edge_index(edge_index)
        if not len(source):
            raise ValueError("holds no edges")
        if num_nodes is not None and isinstance(size, tuple):
            raise ValueError(f"is a matrix of {size[0]} by {size[1]} nodes; leave num_nodes out")
        if undirected and isinstance(size, tuple):
            raise ValueError("is bipartite: its edges have one direction only")
        edge_index = torch.stack([source, target]).long()
        if undirected:
            edge_index = torch.cat([edge_index, edge_index.flip(0)], 1)
        return EdgeFile(Graph.from_edge_index(edge_index, size if num_nodes is None else num_nodes), names)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


Found = tuple[Tensor, "int | tuple[int, int] | None", "tuple[str, ...] | None"]


def _text(path: Path) -> Found:
    delimiter, header = _first_line(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy would read 1.5 as 1 with no more than a warning
            table = np.loadtxt(path, dtype=np.int64, delimiter=delimiter, usecols=(0, 1), skiprows=header, ndmin=2,
                               encoding="utf-8")
    except (ValueError, Warning) as error:
        raise ValueError(_what_is_wrong(path, delimiter, header) or "holds no edges") from error
    return torch.from_numpy(table.T.copy()), None, None


def _fields(line: str, delimiter: str | None) -> list[str]:
    return [field.strip().strip('"') for field in line.split("#")[0].strip().split(delimiter)]


def _first_line(path: Path) -> tuple[str | None, int]:
    """The delimiter (None: blanks), and how many lines come before the first edge."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if line.split("#")[0].strip():
                    delimiter = next((mark for mark in ",;\t" if mark in line), None)
                    is_header = not any(_is_number(field) for field in _fields(line, delimiter)[:2])
                    return delimiter, number + is_header
    except UnicodeDecodeError as error:
        raise ValueError("is not a text file in UTF-8") from error
    raise ValueError("holds no edges")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _what_is_wrong(path: Path, delimiter: str | None, header: int) -> str:
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            fields = _fields(line, delimiter)
            if number <= header or not any(fields):
                continue
            if len(fields) < 2:
                return f"line {number} is {line.strip()!r}; an edge needs two ids"
            for field in fields[:2]:
                if not field.removeprefix("-").isdecimal() or len(field) > 18:
                    return f"line {number} has {field!r} where an integer id is needed"
    return ""


_BROKEN = (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile, zlib.error)


def _numpy(path: Path) -> tuple[Any, list[str] | None]:
    """The array of a file and None; or of an archive its edge_index, if it has one, and the names that it holds."""
    try:
        # our own handle: NumPy leaves its open when an archive is broken
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found, None
            return found.get("edge_index"), found.files
    except _BROKEN as error:
        if "allow_pickle" in str(error):
            raise ValueError("holds Python objects (a pickle), which could run code and are not loaded; save plain "
                             "arrays instead") from error
        raise ValueError("is not a NumPy file, or is cut off") from error


def _npz(path: Path) -> Found:
    array, names = _numpy(path)
    if array is not None:
        return _as_tensor(array), None, None
    if names is not None and "format" in names:
        return _sparse(path)
    raise ValueError(f"holds {', '.join(names or []) or 'nothing'}; an array 'edge_index' or a scipy sparse matrix is "
                     "needed")


def _sparse(path: Path) -> Found:
    import scipy.sparse

    try:
        matrix = scipy.sparse.load_npz(path).tocoo()
    except (*_BROKEN, TypeError, IndexError) as error:
        raise ValueError("is not a whole scipy sparse matrix") from error
    kept = matrix.data != 0
    edge_index = np.stack([matrix.row[kept], matrix.col[kept]]).astype(np.int64)
    rows, columns = (int(size) for size in matrix.shape)
    return torch.from_numpy(edge_index), rows if rows == columns else (rows, columns), None


def _as_tensor(array: Any) -> Tensor:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"edge_index must hold integers, got {array.dtype}")
    return torch.from_numpy(np.ascontiguousarray(array))


def _npy(path: Path) -> Found:
    array, names = _numpy(path)
    if names is not None:
        raise ValueError("is an npz archive under the name of an npy file; rename it")
    return _as_tensor(array), None, None


def _torch(path: Path) -> Found:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on odd pickles torch warns before it refuses
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
        raise ValueError("is not a saved tensor; other objects could run code and are not loaded: save "
                         "data.edge_index alone with torch.save") from error
    if isinstance(loaded, dict) and "edge_index" in loaded:
        loaded = loaded["edge_index"]
    if not isinstance(loaded, Tensor):
        raise ValueError(f"holds a {type(loaded).__name__}; a tensor edge_index [2, E] is needed")
    return loaded, None, None


def _graphml(path: Path) -> Found:
    import networkx as nx

    try:
        found = nx.read_graphml(path)
    except (ParseError, nx.NetworkXError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"is not GraphML: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
                         ) from error
    names = tuple(str(node) for node in found)
    place = {node: at for at, node in enumerate(found)}
    pairs = np.array([(place[a], place[b]) for a, b in found.edges()], dtype=np.int64).reshape(-1, 2)
    if not found.is_directed():
        pairs = np.concatenate([pairs, pairs[:, ::-1]])
    return torch.from_numpy(pairs.T.copy()), len(names), names


_READERS: dict[str, Callable[[Path], Found]] = {
    ".csv": _text, ".tsv": _text, ".txt": _text, ".edges": _text, ".npz": _npz, ".npy": _npy, ".graphml": _graphml,
    ".pt": _torch,
}
