"""Sparse matrices times dense ones, with a gradient for the dense one: what graph encoders spend their time on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from graphns.base import TensorData
from graphns.kernels.csr import build_csr
from graphns.kernels.sparse_rows import flip, select_rows


class Sparse(TensorData):
    """A fixed sparse matrix [n, m] and its transpose, both as CSR, so that forward and backward are row by row.

    Args:
        matrix: [n, m] sparse CSR.
        transposed: [m, n] sparse CSR.

    Example:
        >>> sparse = Sparse.from_dense(torch.tensor([[0.0, 2.0], [0.0, 0.0], [1.0, 0.0]]))
        >>> (sparse @ torch.ones(2, 1)).T
        tensor([[2., 0., 1.]])
    """

    def __init__(self, matrix: Tensor, transposed: Tensor) -> None:
        self.matrix = matrix
        self.transposed = transposed

    @classmethod
    def from_entries(cls, row: Tensor, col: Tensor, value: Tensor, shape: tuple[int, int]) -> Sparse:
        """The matrix with `value` [e] at (row, col) [e]; entries at the same place are added."""
        return cls._of_rows(*_rows(row, col, value, shape), shape)

    @classmethod
    def _of_rows(cls, indptr: Tensor, indices: Tensor, values: Tensor, shape: tuple[int, int]) -> Sparse:
        other = flip(indptr, indices, values, shape[1])
        return cls(_csr(indptr, indices, values, shape), _csr(*other, (shape[1], shape[0])))

    @classmethod
    def from_dense(cls, dense: Tensor) -> Sparse:
        """The nonzero entries of a matrix [n, m]."""
        row, col = dense.nonzero(as_tuple=True)
        return cls.from_entries(row, col, dense[row, col], (dense.shape[0], dense.shape[1]))

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return self.matrix.shape[0], self.matrix.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the entries live."""
        return self.matrix.device

    def rows(self, index: Tensor) -> Sparse:
        """Some rows [r, m], in the order of `index` [r] int64; a row may come twice.

        Example:
            >>> sparse = Sparse.from_dense(torch.tensor([[0.0, 2.0], [0.0, 0.0], [1.0, 0.0]]))
            >>> sparse.rows(torch.tensor([2, 0])).matrix.to_dense()
            tensor([[1., 0.],
                    [0., 2.]])
        """
        matrix = self.matrix
        chosen = select_rows(matrix.crow_indices(), matrix.col_indices(), matrix.values(), index)
        return self._of_rows(*chosen, (len(index), self.shape[1]))

    def map(self, function: Callable[[Tensor], Tensor]) -> Sparse:
        """The same matrix with `function` applied to both forms."""
        return Sparse(function(self.matrix), function(self.transposed))

    def to(self, device: torch.device | str) -> Sparse:
        """The matrix on another device; itself if it is there already."""
        return self if torch.device(device) == self.device else self.map(lambda tensor: tensor.to(device))

    def __matmul__(self, dense: Tensor) -> Tensor:
        """The product [n, d] with a dense matrix [m, d], differentiable in the dense one."""
        # sparse products exist in full precision only
        with torch.autocast(dense.device.type, enabled=False):
            product: Tensor = _Product.apply(  # type: ignore[no-untyped-call]
                dense.to(self.matrix.dtype), self.matrix, self.transposed
            )
        return product


class _Product(torch.autograd.Function):
    # torch's own backward of a CSR product transposes the matrix in every step; here both forms are kept
    @staticmethod
    def forward(ctx: Any, dense: Tensor, matrix: Tensor, transposed: Tensor) -> Tensor:
        ctx.transposed = transposed
        return matrix @ dense

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transposed @ grad, None, None


def _rows(row: Tensor, col: Tensor, value: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Row starts, columns and values, sorted; what stands at the same place is added."""
    indptr, indices, merged = build_csr(row, col, shape[0], shape[1], value.double())
    assert merged is not None
    return indptr, indices.long(), merged.to(value.dtype)


def _csr(indptr: Tensor, indices: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)
        return torch.sparse_csr_tensor(indptr, indices, values, shape, check_invariants=False)
