"""What two rows of neighbours have in common, each common neighbour with a whole weight: sums of integers are exact.

Integers add up to the same in any order, so pairs whose common neighbours weigh alike tie exactly, (u, v) scores as
(v, u), and both versions agree bit for bit. In floating point 1/2 + 1/3 + 1/7 is not always 1/7 + 1/3 + 1/2, and ranks
hang on the last digit.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled
from graphns.kernels.membership import find, in_rows_torch
from graphns.kernels.threads import run

_MARKED = 8  # from so many ids of one row its neighbours are marked once; below, two rows are gone through side by side
_UNEVEN = 16  # so much longer, and ids are looked up in the longer row


def fixed_point(weight: Tensor, terms: int) -> tuple[Tensor, int]:
    """Weights [N] float64 >= 0 as int64, and the bits after the point, so that `terms` of them stay below 2^62."""
    most = float(weight.max()) * max(terms, 1) if len(weight) else 0.0
    bits = min(61, 61 - math.ceil(math.log2(most))) if most > 0 else 0
    return (weight * 2.0**bits).round().long(), bits


def overlap(indptr: Tensor, indices: Tensor, weight: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
    """The weight of the common neighbours of each row [B] and each of its ids [B|1, m].

    Args:
        indptr: [N + 1] int64 row starts.
        indices: [E] int32 or int64, each row sorted and distinct.
        weight: [N] int64; sums stay below 2^63.
        rows: [B] int64 in [0, N).
        ids: [B|1, m] int64 in [0, N).

    Returns:
        [B, m] int64.
    """
    ids = ids.expand(len(rows), ids.shape[1])
    if indptr.device.type != "cpu":
        return overlap_torch(indptr, indices, weight, rows, ids)
    found = torch.empty(ids.shape, dtype=torch.int64)
    degree = max(1, len(indices) // max(len(indptr) - 1, 1))
    order = rows.argsort(stable=True)  # a row that comes often is marked for all of its ids
    run(_overlap, len(rows), indptr.numpy(), indices.numpy(), weight.numpy(), rows.numpy(), order.numpy(), ids.numpy(),
        found.numpy(), cost=ids.shape[1] * degree)
    return found


def overlap_torch(indptr: Tensor, indices: Tensor, weight: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
    """The definition, on any device: every neighbour of every id is looked up in its row."""
    ids = ids.expand(len(rows), ids.shape[1])
    flat = ids.reshape(-1)
    pair, neighbor = _neighbors_of(indptr, indices, flat)
    row = rows.repeat_interleave(ids.shape[1])[pair]
    inside = in_rows_torch(indptr, indices, row, neighbor[:, None])[:, 0]
    found = torch.zeros(len(flat), dtype=torch.int64, device=rows.device)
    return found.index_add_(0, pair[inside], weight[neighbor[inside]]).view(ids.shape)


def overlap_rows(indptr: Tensor, indices: Tensor, weight: Tensor, rows: Tensor) -> Tensor:
    """`overlap` of each row [B] with all N: [B, N] int64; takes the two steps that lead there.

    The rows must be symmetric: v stands in row w where w stands in row v.
    """
    if indptr.device.type != "cpu":
        return overlap_rows_torch(indptr, indices, weight, rows)
    found = torch.zeros((len(rows), len(indptr) - 1), dtype=torch.int64)
    run(_overlap_rows, len(rows), indptr.numpy(), indices.numpy(), weight.numpy(), rows.numpy(), found.numpy(),
        cost=len(indptr))
    return found


def overlap_rows_torch(indptr: Tensor, indices: Tensor, weight: Tensor, rows: Tensor) -> Tensor:
    """The definition, on any device."""
    size = len(indptr) - 1
    row, first = _neighbors_of(indptr, indices, rows)
    step, second = _neighbors_of(indptr, indices, first)
    found = torch.zeros(len(rows) * size, dtype=torch.int64, device=rows.device)
    return found.index_add_(0, row[step] * size + second, weight[first[step]]).view(len(rows), size)


def _neighbors_of(indptr: Tensor, indices: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """The neighbours [e] int64 of nodes [n], one node after the other, and which of the nodes each belongs to [e]."""
    degree = indptr[nodes + 1] - indptr[nodes]
    owner = torch.repeat_interleave(torch.arange(len(nodes), device=nodes.device), degree)
    within = torch.arange(len(owner), device=nodes.device) - (degree.cumsum(0) - degree)[owner]
    return owner, indices[indptr[nodes][owner] + within].long()


@compiled
def _in_common(indices, weight, begin, end, other, stop):
    """The weight of what indices[begin:end] and indices[other:stop] share."""
    if end - begin > stop - other:
        begin, end, other, stop = other, stop, begin, end
    total = np.int64(0)
    if stop - other > _UNEVEN * (end - begin):
        for at in range(begin, end):
            other = find(indices, other, stop, indices[at])
            if other < stop and indices[other] == indices[at]:
                total += weight[indices[at]]
        return total
    while begin < end and other < stop:
        left, right = indices[begin], indices[other]
        if left == right:
            total += weight[left]
        begin += left <= right
        other += right <= left
    return total


@compiled
def _overlap(begin, end, indptr, indices, weight, rows, order, ids, found):
    held = np.zeros(weight.shape[0], dtype=np.int64)
    while begin < end:
        row = rows[order[begin]]
        first, last = indptr[row], indptr[row + 1]
        stop = begin + 1
        while stop < end and rows[order[stop]] == row:
            stop += 1
        if (stop - begin) * ids.shape[1] >= _MARKED:
            for at in range(first, last):
                held[indices[at]] = weight[indices[at]]
            for i in range(begin, stop):
                b = order[i]
                for j in range(ids.shape[1]):
                    total = np.int64(0)
                    for at in range(indptr[ids[b, j]], indptr[ids[b, j] + 1]):
                        total += held[indices[at]]
                    found[b, j] = total
            for at in range(first, last):
                held[indices[at]] = 0
        else:
            for i in range(begin, stop):
                b = order[i]
                for j in range(ids.shape[1]):
                    node = ids[b, j]
                    found[b, j] = _in_common(indices, weight, first, last, indptr[node], indptr[node + 1])
        begin = stop


@compiled
def _overlap_rows(begin, end, indptr, indices, weight, rows, found):
    for b in range(begin, end):
        for at in range(indptr[rows[b]], indptr[rows[b] + 1]):
            node = indices[at]
            for to in range(indptr[node], indptr[node + 1]):
                found[b, indices[to]] += weight[node]
