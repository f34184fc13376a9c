"""Sparse matrices times dense ones, with a gradient for the dense one: what graph encoders spend their time on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from graphns.base import TensorData


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
        return cls(_csr(row, col, value, shape), _csr(col, row, value, (shape[1], shape[0])))

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


def _csr(row: Tensor, col: Tensor, value: Tensor, shape: tuple[int, int]) -> Tensor:
    key, place = torch.unique(row * shape[1] + col, return_inverse=True)
    merged = value.new_zeros(len(key)).index_add_(0, place, value)
    indptr = torch.searchsorted(key, torch.arange(shape[0] + 1, device=key.device) * shape[1])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)
        return torch.sparse_csr_tensor(indptr, key % shape[1], merged, shape, check_invariants=False)
