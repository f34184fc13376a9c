"""The known positives of a batch as flat pairs: rows of different length without padding."""

from __future__ import annotations

import torch
from torch import Tensor


def row_entries(indptr: Tensor, indices: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """All entries of rows [B] of a CSR matrix, one after another; rows of -1 have none.

    Returns:
        For each entry, the place in `rows` that it belongs to and its column: both [n] int64, by place.

    Example:
        >>> row_entries(torch.tensor([0, 2, 3]), torch.tensor([4, 7, 5]), torch.tensor([1, -1, 0]))
        (tensor([0, 2, 2]), tensor([5, 4, 7]))
    """
    at = rows.clamp(min=0)
    start = indptr[at]
    end = indptr[(at + 1).clamp(max=len(indptr) - 1)]  # a matrix without rows has no second entry
    size = torch.where(rows < 0, 0, end - start)
    place = torch.repeat_interleave(torch.arange(len(rows), device=rows.device), size)
    within = torch.arange(len(place), device=rows.device) - (size.cumsum(0) - size)[place]
    return place, indices[start[place] + within].long()
