"""The two layouts of `.npz` in which graphs for node classification are passed on, read without pickles."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.data.features import SPARSE_BELOW
from graphns.encoders.sparse import Sparse

_CSR = tuple(f"{what}_{part}" for what in ("adj", "attr") for part in ("data", "indices", "indptr", "shape"))
_LAYOUTS = {"rows": (*_CSR, "labels"), "splits": ("node_features", "node_labels", "edges")}
_SPLITS = {"train_mask": "train_masks", "val_mask": "val_masks", "test_mask": "test_masks"}


def read_arrays(path: Path, wanted: tuple[str, ...] = ()) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of an `.npz` that are wanted, and those of both layouts; arrays of objects are never opened.

    Raises:
        ValueError: no `.npz`, or a wanted array is no plain one.
    """
    names = {*wanted, *_LAYOUTS["rows"], *_LAYOUTS["splits"], *_SPLITS.values()}
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files if key in names}
    except (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no .npz of plain arrays: {error}") from error


def parse_raw(arrays: Mapping[str, np.ndarray[Any, Any]], path: Path) -> dict[str, Any] | None:
    """x, edge_index, y and masks of arrays in one of the two layouts; None where they are in neither.

    - Rows of CSR (Amazon, Coauthor, CitationFull): adj_data, adj_indices, adj_indptr, adj_shape, the same for attr,
      and labels. As PyG reads them: an edge for each stored entry, features above 0 become 1.
    - Ten splits (heterophilous graphs): node_features [N, F], edges [E, 2], node_labels [N], and train_masks,
      val_masks, test_masks [S, N], which become [N, S].

    The dense features of the first are never made where sparse products win: Physics has 1.16 GB of them.

    Raises:
        ValueError: the arrays do not fit together.
    """
    if all(key in arrays for key in _LAYOUTS["rows"]):
        return _rows(arrays, path)
    if all(key in arrays for key in _LAYOUTS["splits"]):
        return _splits(arrays)
    return None


def _rows(arrays: Mapping[str, np.ndarray[Any, Any]], path: Path) -> dict[str, Any]:
    attributes, adjacency = (_csr(arrays, what, path) for what in ("attr", "adj"))
    attributes.sum_duplicates()
    attributes.data = attributes.data.astype(np.float32)
    attributes.data[attributes.data > 0] = 1
    attributes.eliminate_zeros()
    share = attributes.nnz / max(attributes.shape[0] * attributes.shape[1], 1)
    x = Sparse.from_scipy(attributes) if share < SPARSE_BELOW else torch.from_numpy(attributes.toarray())
    source = np.arange(adjacency.shape[0]).repeat(np.diff(adjacency.indptr))
    edge_index = torch.stack([torch.from_numpy(source), torch.from_numpy(adjacency.indices).long()])
    return {"x": x, "edge_index": edge_index, "y": torch.from_numpy(arrays["labels"]).long()}


def _csr(arrays: Mapping[str, np.ndarray[Any, Any]], what: str, path: Path) -> Any:
    from scipy.sparse import csr_array

    values, indices, indptr, shape = (arrays[f"{what}_{part}"] for part in ("data", "indices", "indptr", "shape"))
    try:
        matrix = csr_array((values, indices, indptr), shape=tuple(shape.tolist()))
        matrix.check_format(full_check=True)
        if (np.diff(matrix.indptr) < 0).any():  # of a matrix without entries SciPy does not look
            raise ValueError("indptr falls")
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {what}_data, {what}_indices, {what}_indptr and {what}_shape are no CSR matrix: "
                         f"{error}") from error
    return matrix


def _splits(arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
    masks: dict[str, Tensor] = {name: torch.from_numpy(arrays[key]).T.bool()
                                for name, key in _SPLITS.items() if key in arrays}
    return {"x": torch.from_numpy(arrays["node_features"]).float(),
            "edge_index": torch.from_numpy(arrays["edges"]).T, "y": torch.from_numpy(arrays["node_labels"]).long(),
            **masks}
