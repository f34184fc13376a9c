"""The common neighbours of pairs of nodes: two sorted rows walked side by side, or a short one looked up in a long."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled, prefetch
from graphns.kernels.membership import holds, in_rows_torch
from graphns.kernels.threads import run

_FAR = 16  # a row so many times as long as the other is searched, not walked


def common_neighbors(indptr: Tensor, indices: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """The nodes that stand in both rows of each pair.

    Args:
        indptr: [N + 1] int64 row starts.
        indices: [E] int32 or int64, each row sorted and without copies.
        left: [P] int64 rows.
        right: [P] int64 rows.

    Returns:
        starts [P + 1] int64 and ids [c], rising within a pair, of the dtype of `indices`.
    """
    if indptr.device.type != "cpu":
        return common_neighbors_torch(indptr, indices, left, right)
    starts = torch.zeros(len(left) + 1, dtype=torch.int64)
    arrays = (indptr.numpy(), indices.numpy(), left.numpy(), right.numpy(), starts.numpy())
    nothing = torch.empty(0, dtype=indices.dtype)
    run(_common_neighbors, len(left), *arrays, True, nothing.numpy(), cost=32)
    starts = starts.cumsum(0)
    ids = torch.empty(int(starts[-1]), dtype=indices.dtype)
    run(_common_neighbors, len(left), *arrays[:-1], starts.numpy(), False, ids.numpy(), cost=32)
    return starts, ids


def common_neighbors_torch(indptr: Tensor, indices: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """The definition, on any device: every entry of the shorter row is looked up in the longer one."""
    degree = indptr.diff()
    shorter = degree[left] <= degree[right]
    short, long = torch.where(shorter, left, right), torch.where(shorter, right, left)
    size = degree[short]
    owner = torch.repeat_interleave(torch.arange(len(left), device=left.device), size)
    at = torch.arange(len(owner), device=left.device) - (size.cumsum(0) - size)[owner] + indptr[short][owner]
    ids = indices[at]
    kept = in_rows_torch(indptr, indices, long[owner], ids[:, None].long())[:, 0]
    count = torch.bincount(owner[kept], minlength=len(left))
    return torch.cat([count.new_zeros(1), count.cumsum(0)]), ids[kept]


@compiled
def _common_neighbors(begin, end, indptr, indices, left, right, starts, counting, ids):
    for p in range(begin, end):
        if p + 8 < end:
            for node in (left[p + 8], right[p + 8]):
                if indptr[node] < indptr[node + 1]:
                    prefetch(indices, indptr[node])
        i, i_stop = indptr[left[p]], indptr[left[p] + 1]
        j, j_stop = indptr[right[p]], indptr[right[p] + 1]
        if i_stop - i > j_stop - j:
            i, i_stop, j, j_stop = j, j_stop, i, i_stop
        place = np.int64(0) if counting else starts[p]
        if (j_stop - j) > _FAR * (i_stop - i):
            while i < i_stop:
                if holds(indices, j, j_stop, indices[i]):
                    if not counting:
                        ids[place] = indices[i]
                    place += 1
                i += 1
        else:
            while i < i_stop and j < j_stop:
                if indices[i] < indices[j]:
                    i += 1
                elif indices[i] > indices[j]:
                    j += 1
                else:
                    if not counting:
                        ids[place] = indices[i]
                    place += 1
                    i += 1
                    j += 1
        if counting:
            starts[p + 1] = place
