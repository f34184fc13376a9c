"""The order in which a depth-first search meets the nodes of a graph.

A search is one step after another, so there is no vectorised twin: the loop's Python source is the definition.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled


def preorder(indptr: Tensor, indices: Tensor, root: int) -> Tensor:
    """All nodes [N] int64, each where the search first meets it; from `root`, then from the next node not met yet.

    Args:
        indptr: [N + 1] int64 row starts, on any device.
        indices: [E] int32 or int64; neighbours are tried in the order of the row.
        root: where the search begins, in [0, N).
    """
    order = torch.empty(len(indptr) - 1, dtype=torch.int64)
    _preorder(indptr.cpu().numpy(), indices.cpu().numpy(), root, order.numpy())
    return order.to(indptr.device)


@compiled
def _preorder(indptr, indices, root, order):
    num = len(indptr) - 1
    met = np.zeros(num, np.bool_)
    following = indptr[:-1].copy()  # the neighbour that each node tries next
    stack = np.empty(num, np.int64)
    found = 0
    for shift in range(num):
        start = (root + shift) % num
        if met[start]:
            continue
        met[start] = True
        order[found] = start
        found += 1
        stack[0] = start
        depth = 1
        while depth > 0:
            node = stack[depth - 1]
            if following[node] == indptr[node + 1]:
                depth -= 1
                continue
            other = indices[following[node]]
            following[node] += 1
            if not met[other]:
                met[other] = True
                order[found] = other
                found += 1
                stack[depth] = other
                depth += 1
