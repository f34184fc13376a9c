"""Features of nodes as a data set holds them: dense, or sparse where few entries are nonzero."""

from __future__ import annotations

from typing import overload

import torch
from torch import Tensor

from graphns.encoders.sparse import Sparse

SPARSE_BELOW = 0.1
"""Share of nonzero features below which the sparse product wins (measured on Cora: 20 times)."""


def check_features(x: Tensor | Sparse) -> Tensor | Sparse:
    """Features [N, F] as float32, contiguous; sparse tensors of torch become `Sparse`.

    Raises:
        ValueError: no matrix of finite floating-point numbers, or no row.
    """
    if isinstance(x, Tensor) and x.layout != torch.strided and x.dim() == 2:
        x = Sparse.from_torch(x)
    values = x.values if isinstance(x, Sparse) else x
    if len(x.shape) != 2 or not values.is_floating_point() or not x.shape[0]:
        raise ValueError(f"x must be floating-point features [N, F], got {values.dtype} {tuple(x.shape)}")
    if not bool(torch.isfinite(values).all()):
        raise ValueError("x holds NaN or infinite features; replace them")
    if isinstance(x, Tensor):
        return x.float().contiguous()
    return x if values.dtype == torch.float32 else x.map(lambda tensor: tensor.float())


@overload
def normalize_rows(x: Tensor) -> Tensor: ...


@overload
def normalize_rows(x: Sparse) -> Tensor | Sparse: ...


def normalize_rows(x: Tensor | Sparse) -> Tensor | Sparse:
    r"""Features divided by the sum of their row, at least 1: PyG's `NormalizeFeatures`.

    .. math:: x'_{ij} = \frac{x_{ij} - m}{\max(1, \sum_j (x_{ij} - m))}, \qquad m = \min_{ij} x_{ij}

    Args:
        x: [N, F]. Sparse features stay sparse unless their minimum is not 0: then nothing is 0 any more.

    Example:
        >>> normalize_rows(torch.tensor([[2.0, 6.0], [0.0, 0.5]]))
        tensor([[0.2500, 0.7500],
                [0.0000, 0.5000]])
    """
    if isinstance(x, Tensor):
        x = x - x.min()
        return x / x.sum(1, keepdim=True).clamp(min=1.0)
    values, row = x.values, x.row
    full = len(values) == x.shape[0] * x.shape[1]
    if len(values) and (float(values.min()) < 0 or full):
        return normalize_rows(x.to_dense())
    total = values.new_zeros(x.shape[0]).index_add_(0, row, values).clamp(min=1.0)
    return Sparse.from_entries(row, x.matrix.col_indices(), values / total[row], x.shape)
