"""The form of a data set: what it refuses, and features that stay sparse."""

from __future__ import annotations

from typing import Any

import pytest
import scipy.sparse
import torch

from graphns.data.node import NodeData
from graphns.encoders.gcn import GCN
from graphns.encoders.sparse import Sparse
from tests.data.small import tensors


@pytest.mark.parametrize(("change", "message"), [
    ({"x": torch.zeros(4, 3, dtype=torch.int64)}, r"floating-point features \[N, F\], got torch.int64"),
    ({"x": torch.zeros(4)}, r"features \[N, F\], got torch.float32 \(4,\)"),
    ({"x": torch.full((4, 3), torch.inf)}, "NaN or infinite features"),
    ({"y": torch.zeros(3, dtype=torch.int64)}, r"integer classes \[4\], got torch.int64 \(3,\)"),
    ({"y": torch.zeros(4)}, "integer classes"),
    ({"edge_index": torch.tensor([[0], [4]])}, "4"),
    ({"edge_index": torch.tensor([[0, 1]])}, r"\[2, E\]"),
    ({"edge_index": torch.tensor([[0.0], [1.0]])}, "integers"),
    ({"val_mask": torch.ones(3, dtype=torch.bool)}, r"val_mask must be bool \[4\], got torch.bool \(3,\)"),
    ({"test_mask": torch.ones(4)}, "test_mask must be bool"),
])
def test_bad_values_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NodeData("tiny", **{**tensors(), **change})


def test_features_are_sparse_where_that_pays() -> None:
    few = NodeData("few", torch.eye(40), torch.tensor([[0], [1]]), torch.zeros(40, dtype=torch.int64))
    many = NodeData("many", torch.ones(40, 4), torch.tensor([[0], [1]]), torch.zeros(40, dtype=torch.int64))
    assert type(few.features).__name__ == "Sparse" and isinstance(many.features, torch.Tensor)
    assert few.to("cpu") is few and few.device == torch.device("cpu")


def pair() -> tuple[NodeData, NodeData]:
    """The same data with dense and with sparse features."""
    x = torch.rand(30, 50, generator=torch.Generator().manual_seed(0))
    x = x * (x > 0.95)
    edges, y = torch.stack([torch.arange(29), torch.arange(1, 30)]), torch.arange(30) % 3
    sparse = Sparse.from_scipy(scipy.sparse.csr_matrix(x.double().numpy()))  # float64, as SciPy usually has it
    return NodeData("any", x, edges, y), NodeData("any", sparse, edges, y)


def test_sparse_features_say_what_dense_ones_say() -> None:
    dense, sparse = pair()
    for name in ("num_nodes", "num_features", "num_classes", "device"):
        assert getattr(sparse, name) == getattr(dense, name)
    assert isinstance(sparse.x, Sparse) and sparse.x.values.dtype == torch.float32
    assert sparse.features is sparse.x and torch.equal(sparse.dense, dense.x) and dense.dense is dense.x
    encoder = GCN(50, 4)
    assert torch.equal(encoder(sparse.features, sparse.adjacency), encoder(dense.features, dense.adjacency))
    assert sparse.to("cpu") is sparse


def test_a_copy_on_another_device_keeps_all() -> None:
    _, sparse = pair()
    sparse.num_splits, sparse.test_mask = 4, torch.arange(30) < 9
    moved = sparse.to("cpu:0")  # another name, so it is not handed back as it is
    assert moved is not sparse and moved.num_splits == 4 and torch.equal(moved.dense, sparse.dense)
    assert moved.test_mask is not None and torch.equal(moved.test_mask, sparse.test_mask) and moved.val_mask is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_sparse_features_on_an_accelerator() -> None:
    dense, sparse = pair()
    moved, encoder = sparse.to("cuda"), GCN(50, 4)
    assert moved.device.type == "cuda" and torch.equal(moved.dense.cpu(), dense.x)
    wanted = encoder(dense.features, dense.adjacency)
    torch.testing.assert_close(encoder.cuda()(moved.features, moved.adjacency).cpu(), wanted)


@pytest.mark.parametrize(("x", "message"), [
    (torch.tensor([[1, 0], [0, 0]]).to_sparse(), r"floating-point features \[N, F\], got torch.int64 \(2, 2\)"),
    (torch.tensor([[torch.nan, 0.0], [0.0, 0.0]]).to_sparse(), "NaN or infinite features"),
    (torch.zeros(3, 2).to_sparse(), r"integer classes \[3\], got torch.int64 \(2,\)"),
    (torch.zeros(0, 2).to_sparse(), r"got torch.float32 \(0, 2\)"),
])
def test_bad_sparse_features(x: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NodeData("any", x, torch.tensor([[0], [1]]), torch.tensor([0, 1]))
