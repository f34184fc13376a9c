"""From a list of edges to sorted rows without duplicates: two stable counting passes, linear in the edges."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled


def build_csr(
    row: Tensor, col: Tensor, num_rows: int, num_cols: int, weight: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Sorted rows of the distinct edges; the weights of equal edges are added.

    Args:
        row: [E] int32 or int64 in [0, num_rows).
        col: [E] of the same dtype in [0, num_cols).
        weight: [E] float64, or None.

    Returns:
        indptr [num_rows + 1] int64, indices [E'] int32 below 2^31 columns else int64, weight [E'] float64 or None.

    Raises:
        ValueError: an id is out of range; the message names the edge.
    """
    width = torch.int32 if num_cols < 2**31 else torch.int64
    if row.device.type != "cpu":
        return _build_csr_torch(row, col, num_rows, num_cols, weight, width)
    indptr = np.zeros(num_rows + 1, dtype=np.int64)
    by_col = np.zeros(num_cols + 1, dtype=np.int64)
    r, c = row.contiguous().numpy(), col.contiguous().numpy()
    bad = _count(r, c, indptr, by_col)
    if bad >= 0:
        _refuse(int(row[bad]), int(col[bad]), bad, num_rows, num_cols)
    indices = np.empty(len(r), dtype=np.int32 if width == torch.int32 else np.int64)
    if weight is None:
        sources = np.empty(len(r), dtype=np.int32 if num_rows < 2**31 else np.int64)
        kept, merged = _fill(r, c, indptr, by_col, indices, sources), None
    else:
        sums = np.empty(len(r))
        kept = _fill_weighted(r, c, weight.contiguous().numpy(), indptr, by_col, indices, sums)
        merged = torch.from_numpy(sums[:kept].copy())
    flat = torch.from_numpy(indices)
    return torch.from_numpy(indptr), flat if kept == len(flat) else flat[:kept].clone(), merged


def _refuse(row: int, col: int, edge: int, num_rows: int, num_cols: int) -> None:
    end, value, size = ("source", row, num_rows) if not 0 <= row < num_rows else ("destination", col, num_cols)
    raise ValueError(
        f"edge {edge} has {end} id {value}, outside [0, {size}); pass the right num_nodes, or remap the ids to 0 … N-1"
    )


def _build_csr_torch(
    row: Tensor, col: Tensor, num_rows: int, num_cols: int, weight: Tensor | None, width: torch.dtype
) -> tuple[Tensor, Tensor, Tensor | None]:
    outside = (row < 0) | (row >= num_rows) | (col < 0) | (col >= num_cols)
    if bool(outside.any()):
        bad = int(outside.nonzero()[0])
        _refuse(int(row[bad]), int(col[bad]), bad, num_rows, num_cols)
    flat, inverse = torch.unique(row.long() * num_cols + col, return_inverse=True)
    source = flat // max(num_cols, 1)
    indptr = torch.zeros(num_rows + 1, dtype=torch.int64, device=row.device)
    indptr[1:] = torch.bincount(source, minlength=num_rows).cumsum(0)
    merged = None
    if weight is not None:
        merged = torch.zeros(len(flat), dtype=torch.float64, device=row.device).index_add_(0, inverse, weight)
    return indptr, (flat - source * num_cols).to(width), merged


@compiled
def _count(row, col, indptr, by_col):
    """Count rows and columns, shifted by one; the first edge out of range, or -1."""
    num_rows, num_cols = indptr.shape[0] - 1, by_col.shape[0] - 1
    for e in range(row.shape[0]):
        if row[e] < 0 or row[e] >= num_rows or col[e] < 0 or col[e] >= num_cols:
            return e
        indptr[row[e] + 1] += 1
        by_col[col[e] + 1] += 1
    for i in range(num_rows):
        indptr[i + 1] += indptr[i]
    for i in range(num_cols):
        by_col[i + 1] += by_col[i]
    return -1


@compiled
def _fill(row, col, indptr, by_col, indices, by_column):
    """Order the edges by column, then stably by row; drop duplicates and rewrite indptr. The number kept.

    `by_column` is room for the sources in order of their columns.
    """
    num_rows, num_cols = indptr.shape[0] - 1, by_col.shape[0] - 1
    for e in range(row.shape[0]):
        at = by_col[col[e]]
        by_col[col[e]] = at + 1
        by_column[at] = row[e]
    # by_col[c] is now where column c ends; the columns come in order, so they need not be carried along
    place = indptr[:num_rows].copy()
    begin, kept = 0, 0
    for c in range(num_cols):
        for i in range(begin, by_col[c]):
            r = by_column[i]
            at = place[r]
            if at > indptr[r] and indices[at - 1] == c:
                continue
            indices[at] = c
            place[r] = at + 1
            kept += 1
        begin = by_col[c]
    if kept < row.shape[0]:
        filled, begin = 0, 0
        for r in range(num_rows):
            stop = place[r]
            for at in range(begin, stop):
                indices[filled] = indices[at]
                filled += 1
            begin = indptr[r + 1]
            indptr[r + 1] = filled
    return kept


@compiled
def _fill_weighted(row, col, weight, indptr, by_col, indices, sums):
    """As `_fill`; the weights of equal edges are added in the order of the input."""
    num_rows = indptr.shape[0] - 1
    ordered = np.empty(row.shape[0], dtype=np.int64)
    for e in range(row.shape[0]):
        at = by_col[col[e]]
        by_col[col[e]] = at + 1
        ordered[at] = e
    place = indptr[:num_rows].copy()
    for e in ordered:
        at = place[row[e]]
        place[row[e]] = at + 1
        indices[at] = col[e]
        sums[at] = weight[e]
    kept, start = 0, 0
    for r in range(num_rows):
        stop = indptr[r + 1]
        first = kept
        for at in range(start, stop):
            if kept > first and indices[kept - 1] == indices[at]:
                sums[kept - 1] += sums[at]
                continue
            indices[kept] = indices[at]
            sums[kept] = sums[at]
            kept += 1
        start = stop
        indptr[r + 1] = kept
    return kept
