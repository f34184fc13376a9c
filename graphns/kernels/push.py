"""Approximate personalised PageRank by forward push: the work is bounded by the accuracy, not by the graph."""

from __future__ import annotations

import numpy as np

from graphns.kernels.bits import compiled


@compiled
def push(begin, end, indptr, indices, share, sources, restart, tolerance, sizes, ids, values):
    """Fill row b of ids and values with the sizes[b] nodes of positive estimate, and sort them.

    `share` holds each edge's part of its source's step, or nothing for equal parts. A node waits in a queue, first in
    first out, while its residual is at least tolerance * max(degree, 1): the order is fixed, so are the roundings.
    """
    num_nodes = indptr.shape[0] - 1
    estimate, residual = np.zeros(num_nodes), np.zeros(num_nodes)
    waiting = np.zeros(num_nodes, dtype=np.bool_)
    touched = np.empty(num_nodes, dtype=np.int64)
    was_touched = np.zeros(num_nodes, dtype=np.bool_)
    queue = np.empty(num_nodes, dtype=np.int64)
    for b in range(begin, end):
        source = sources[b]
        residual[source] = 1.0
        touched[0] = source
        was_touched[source] = True
        num_touched = 1
        head, length = 0, 0
        if tolerance * max(indptr[source + 1] - indptr[source], 1) <= 1.0:
            queue[0], waiting[source], length = source, True, 1
        while length > 0:
            node = queue[head]
            head = head + 1 if head + 1 < num_nodes else 0
            length -= 1
            waiting[node] = False
            first, stop = indptr[node], indptr[node + 1]
            amount = residual[node]
            residual[node] = 0.0
            moves = stop > first and (share.shape[0] == 0 or share[first] >= 0)
            if not moves:
                estimate[node] += amount  # nowhere to go: it stays until the restart
                continue
            estimate[node] += restart * amount
            amount *= 1.0 - restart
            equal = amount / (stop - first)
            for at in range(first, stop):
                target = indices[at]
                if not was_touched[target]:
                    was_touched[target] = True
                    touched[num_touched] = target
                    num_touched += 1
                residual[target] += equal if share.shape[0] == 0 else amount * share[at]
                if not waiting[target] and residual[target] >= tolerance * max(indptr[target + 1] - indptr[target], 1):
                    waiting[target] = True
                    place = head + length
                    queue[place if place < num_nodes else place - num_nodes] = target
                    length += 1
        size = 0
        for i in range(num_touched):
            node = touched[i]
            if estimate[node] > 0:
                ids[b, size] = node
                size += 1
        ids[b, :size].sort()
        for i in range(size):
            values[b, i] = estimate[ids[b, i]]
        for i in range(num_touched):
            node = touched[i]
            estimate[node], residual[node], was_touched[node] = 0.0, 0.0, False
        sizes[b] = size
