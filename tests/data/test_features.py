"""Row normalisation of sparse features: the numbers of the dense one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.data.features import check_features, normalize_rows
from graphns.encoders.sparse import Sparse


def test_normalized_rows() -> None:
    x = normalize_rows(torch.tensor([[2.0, 6.0], [0.0, 0.5], [0.0, 0.0]]))
    assert x.tolist() == [[0.25, 0.75], [0.0, 0.5], [0.0, 0.0]]


@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_sparse_rows_are_the_dense_ones(num_rows: int, width: int, draw: st.DataObject) -> None:
    # integers: their sums are exact in any order
    entries = draw.draw(st.lists(st.integers(-1, 4), min_size=num_rows * width, max_size=num_rows * width))
    dense = torch.tensor(entries).view(num_rows, width).float()
    found = normalize_rows(Sparse.from_dense(dense))
    assert torch.equal(found.to_dense() if isinstance(found, Sparse) else found, normalize_rows(dense))
    stays = not (dense < 0).any() and bool((dense == 0).any())
    assert isinstance(found, Sparse) == (stays or not bool((dense != 0).any()))


def test_the_same_as_pygs() -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.data import Data
        from torch_geometric.transforms import NormalizeFeatures
    x = torch.rand(9, 5, generator=torch.Generator().manual_seed(0)) * 3 - 1
    assert torch.equal(normalize_rows(x), NormalizeFeatures()(Data(x=x.clone())).x)


@pytest.mark.parametrize("x", [torch.zeros(2), torch.zeros(2, 2, 2).to_sparse(), torch.zeros(2).to_sparse()])
def test_what_is_no_matrix(x: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"floating-point features \[N, F\]"):
        check_features(x)
