"""The nodes at a distance of a to b steps: a breadth-first search per anchor, exact."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled
from graphns.kernels.threads import run


def rings(indptr: Tensor, indices: Tensor, anchors: Tensor, low: int, high: int, first_kept: int = 0) -> tuple[
    Tensor, Tensor
]:
    """The nodes whose shortest path from each anchor has low to high edges.

    Args:
        indptr: [N + 1] int64 row starts.
        indices: [E] int32 or int64.
        anchors: [B] int64.
        low: least distance; 0 is the anchor itself.
        high: greatest distance.
        first_kept: ids below are searched through, but not given.

    Returns:
        starts [B + 1] int64 and ids [n], rising within an anchor, of the dtype of `indices`.
    """
    if indptr.device.type != "cpu":
        return rings_torch(indptr, indices, anchors, low, high, first_kept)
    starts = torch.zeros(len(anchors) + 1, dtype=torch.int64)
    arrays = (indptr.numpy(), indices.numpy(), anchors.numpy(), low, high, first_kept, starts.numpy())
    # the size of a ring is known once it is searched: one search to count, one to write
    cost = 64 * high
    nothing = torch.empty(0, dtype=indices.dtype)
    run(_rings, len(anchors), *arrays, True, nothing.numpy(), cost=cost)
    starts = starts.cumsum(0)
    ids = torch.empty(int(starts[-1]), dtype=indices.dtype)
    run(_rings, len(anchors), *arrays[:-1], starts.numpy(), False, ids.numpy(), cost=cost)
    return starts, ids


def rings_torch(indptr: Tensor, indices: Tensor, anchors: Tensor, low: int, high: int, first_kept: int = 0) -> tuple[
    Tensor, Tensor
]:
    """The definition, on any device: the frontiers of all anchors advance together, as (anchor, node) pairs."""
    num_nodes = len(indptr) - 1
    frontier = torch.arange(len(anchors), device=anchors.device) * num_nodes + anchors
    seen = frontier
    kept = [frontier] if low == 0 else []
    for distance in range(1, high + 1):
        owner, node = frontier // num_nodes, frontier % num_nodes
        degree = indptr[node + 1] - indptr[node]
        which = torch.repeat_interleave(torch.arange(len(node), device=node.device), degree)
        at = torch.arange(len(which), device=node.device) - (degree.cumsum(0) - degree)[which] + indptr[node][which]
        reached = torch.unique(owner[which] * num_nodes + indices[at].long())
        place = torch.searchsorted(seen, reached).clamp(max=max(len(seen) - 1, 0))
        frontier = reached[seen[place] != reached] if len(seen) else reached
        seen = torch.cat([seen, frontier]).sort().values
        if distance >= low:
            kept.append(frontier)
    pairs = torch.cat([anchors[:0], *kept]).sort().values
    pairs = pairs[pairs % num_nodes >= first_kept]
    starts = torch.zeros(len(anchors) + 1, dtype=torch.int64, device=anchors.device)
    starts[1:] = torch.bincount(pairs // num_nodes, minlength=len(anchors)).cumsum(0)
    return starts, (pairs % num_nodes).to(indices.dtype)


@compiled
def _rings(begin, end, indptr, indices, anchors, low, high, first_kept, starts, counting, ids):
    """Count each anchor's ring into starts[b + 1], or write it from ids[starts[b]] on."""
    stamp = np.full(indptr.shape[0] - 1, -1, dtype=np.int64)  # the anchor that saw a node last: never cleared
    queue = np.empty(indptr.shape[0] - 1, dtype=indices.dtype)
    for b in range(begin, end):
        stamp[anchors[b]] = b
        queue[0] = anchors[b]
        head, tail = 0, 1
        kept = 0
        for distance in range(high + 1):
            level = tail
            if distance >= low:
                for i in range(head, level):
                    if queue[i] >= first_kept:
                        if not counting:
                            ids[starts[b] + kept] = queue[i]
                        kept += 1
            if distance == high:
                break
            for i in range(head, level):
                node = queue[i]
                for at in range(indptr[node], indptr[node + 1]):
                    if stamp[indices[at]] != b:
                        stamp[indices[at]] = b
                        queue[tail] = indices[at]
                        tail += 1
            head = level
            if head == tail:
                break
        if counting:
            starts[b + 1] = kept
        else:
            ids[starts[b] : starts[b] + kept].sort()
