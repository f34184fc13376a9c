"""The two raw layouts: CSR against PyG's own parser, ten splits, and refusals."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.data.node import NodeData
from graphns.data.raw_npz import parse_raw, read_arrays
from graphns.encoders.sparse import Sparse

HERE = Path("file.npz")


def csr(entries: list[tuple[int, int, float]], shape: tuple[int, int], what: str) -> dict[str, Any]:
    """Unsorted CSR with entries that may come twice."""
    rows = [[(column, value) for row, column, value in entries if row == number] for number in range(shape[0])]
    flat = [each for row in rows for each in row]
    return {f"{what}_data": np.array([value for _, value in flat]), f"{what}_shape": np.array(shape),
            f"{what}_indices": np.array([column for column, _ in flat], dtype=np.int32),
            f"{what}_indptr": np.cumsum([0, *map(len, rows)]).astype(np.int32)}


ENTRIES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([0.0, 0.25, 1.0, 3.0, -2.0])),
                   max_size=12)


@given(ENTRIES, ENTRIES)
def test_as_pyg_parses_it(attributes: list[Any], edges: list[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.io.npz import parse_npz
    arrays = {**csr(attributes, (5, 5), "attr"), **csr(edges, (5, 5), "adj"), "labels": np.arange(5)}
    theirs = parse_npz({key: value.copy() for key, value in arrays.items()})
    found = parse_raw(arrays, HERE)
    assert found is not None
    ours = NodeData("any", **found)
    assert torch.equal(ours.dense, theirs.x) and torch.equal(ours.y, theirs.y)
    assert torch.equal(ours.edge_index, NodeData("any", theirs.x, theirs.edge_index, theirs.y).edge_index)


def test_few_entries_stay_sparse() -> None:
    arrays = {**csr([(0, 1, 5.0)], (5, 5), "attr"), **csr([], (5, 5), "adj"), "labels": np.arange(5)}
    few = parse_raw(arrays, HERE)
    many = parse_raw({**arrays, **csr([(row, row, 1.0) for row in range(5)], (5, 5), "attr")}, HERE)
    assert few is not None and isinstance(few["x"], Sparse)
    assert many is not None and isinstance(many["x"], torch.Tensor)


@pytest.mark.parametrize(("change", "message"), [
    ({"attr_indices": np.array([9])}, "file.npz: attr_data, .* are no CSR matrix"),
    ({"attr_indptr": np.array([0, 1])}, "file.npz: attr_data, .* are no CSR matrix"),
    ({"adj_indptr": np.array([0, 1, 0, 0, 0, 0])}, "file.npz: adj_data, .* are no CSR matrix"),
    ({"adj_shape": np.array(5)}, "file.npz: adj_data, .* are no CSR matrix"),
])
def test_arrays_that_do_not_fit(change: dict[str, Any], message: str) -> None:
    arrays = {**csr([(0, 1, 5.0)], (5, 5), "attr"), **csr([], (5, 5), "adj"), "labels": np.arange(5)}
    with pytest.raises(ValueError, match=message):
        parse_raw({**arrays, **change}, HERE)


def test_ten_splits() -> None:
    masks = np.arange(30).reshape(10, 3) % 3 == 0
    found = parse_raw({"node_features": np.eye(3), "node_labels": np.array([0, 1, 0]), "edges": np.array([[0, 1]]),
                       "train_masks": masks, "val_masks": ~masks, "test_masks": masks}, HERE)
    assert found is not None and found["edge_index"].tolist() == [[0], [1]]
    assert found["train_mask"].shape == (3, 10) and found["val_mask"][:, 4].tolist() == (~masks[4]).tolist()


def test_neither_layout() -> None:
    assert parse_raw({"x": np.eye(2)}, HERE) is None


def test_objects_are_never_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", labels=np.arange(2), names=np.array([{}], dtype=object))
    assert list(read_arrays(tmp_path / "a.npz")) == ["labels"]
    np.savez(tmp_path / "b.npz", labels=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"no \.npz of plain arrays"):
        read_arrays(tmp_path / "b.npz")
