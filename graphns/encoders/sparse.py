"""Sparse matrices times dense ones, with a gradient for the dense one: what graph encoders spend their time on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
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
        """The matrix with `value` [e] at (row, col) [e] int64; entries at the same place are added.

        Raises:
            ValueError: a row or column is outside `shape`.
        """
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

    @classmethod
    def from_csr(cls, indptr: Tensor, indices: Tensor, values: Tensor, shape: tuple[int, int]) -> Sparse:
        """The matrix of a CSR triple: row i has `values` at the columns `indices[indptr[i]:indptr[i + 1]]`.

        Args:
            indptr: [n + 1] integers.
            indices: [e] integers, in any order within a row; entries at the same place are added.
            values: [e] floating point.
            shape: (n, m).

        Raises:
            ValueError: the three do not fit together or the shape.

        Example:
            >>> whole = Sparse.from_csr(torch.tensor([0, 1, 1]), torch.tensor([2]), torch.tensor([5.0]), (2, 3))
            >>> whole.to_dense()
            tensor([[0., 0., 5.],
                    [0., 0., 0.]])
        """
        indptr, indices = indptr.long(), indices.long()
        if indptr.shape != (shape[0] + 1,) or int(indptr[0]) or bool((indptr.diff() < 0).any()):
            raise ValueError(f"indptr must rise from 0 in {shape[0] + 1} numbers, got {tuple(indptr.shape)}")
        if indices.shape != (int(indptr[-1]),) or values.shape != indices.shape:
            raise ValueError(f"need {int(indptr[-1])} indices and values, as indptr says, got {tuple(indices.shape)} "
                             f"and {tuple(values.shape)}")
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < shape[1]:
            raise ValueError(f"indices must lie in [0, {shape[1]}), got {int(indices.min())} to {int(indices.max())}")
        row = torch.arange(shape[0], device=indptr.device).repeat_interleave(indptr.diff())
        return cls.from_entries(row, indices, values, shape)

    @classmethod
    def from_scipy(cls, matrix: Any) -> Sparse:
        """A SciPy sparse matrix [n, m] of any format; whole numbers and flags become float32."""
        csr = matrix.tocsr()
        values = np.asarray(csr.data)
        values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)
        indptr, indices, entries = (torch.from_numpy(np.asarray(part)) for part in (csr.indptr, csr.indices, values))
        return cls.from_csr(indptr, indices, entries, (int(csr.shape[0]), int(csr.shape[1])))

    @classmethod
    def from_torch(cls, matrix: Tensor) -> Sparse:
        """A sparse tensor of torch [n, m], of any layout.

        Raises:
            ValueError: it has not two dimensions.
        """
        if matrix.dim() != 2:
            raise ValueError(f"need a matrix [n, m], got {tuple(matrix.shape)}")
        entries = matrix.detach().to_sparse(layout=torch.sparse_coo).coalesce()
        row, col = entries.indices()
        return cls.from_entries(row, col, entries.values(), (matrix.shape[0], matrix.shape[1]))

    def to_dense(self) -> Tensor:
        """The whole matrix [n, m], zeros and all."""
        return self.matrix.to_dense()

    def to_scipy(self) -> Any:
        """The matrix as SciPy's `csr_array`."""
        from scipy.sparse import csr_array

        csr = self.matrix.detach().cpu()
        return csr_array((csr.values().numpy(), csr.col_indices().numpy(), csr.crow_indices().numpy()), self.shape)

    @property
    def values(self) -> Tensor:
        """The entries that are stored, row by row."""
        return self.matrix.values()

    @property
    def row(self) -> Tensor:
        """The row [e] of each stored entry."""
        indptr = self.matrix.crow_indices()
        return torch.arange(self.shape[0], device=self.device).repeat_interleave(indptr.diff())

    @property
    def share(self) -> float:
        """The share of the matrix that is stored."""
        return len(self.values) / max(self.shape[0] * self.shape[1], 1)

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
