"""Which nodes random walks visit most: walks and counting in one loop, with no walk stored.

A start's walks share one row of the stream: walk w begins at slot 2 * length * w. The compiled loop moves up to 64
walks in lockstep, of one start or of several, and counts into a small hash table per start that stays in the nearest
cache.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import GOLDEN, compiled, prefetch, word_at
from graphns.kernels.bits import unit as _unit
from graphns.kernels.membership import find, in_rows_torch
from graphns.kernels.threads import run
from graphns.kernels.walks import LANES, step_position, walk_torch
from graphns.streams import GOLDEN as WORD_STEP
from graphns.streams import to_signed, unit, words_at


def count_visits(
    indptr: Tensor, indices: Tensor, start: Tensor, row_keys: Tensor, num_walks: int, length: int, restart: float,
    top: int, stop: bool = False, exclude_start: bool = True, exclude_neighbors: bool = False, first_counted: int = 0,
) -> tuple[Tensor, Tensor]:
    """The `top` nodes that `num_walks` walks from each start visit most, by count falling, then id rising.

    Args:
        indptr: [N + 1] int64 row starts.
        indices: [E] int32 or int64, rows sorted.
        start: [B] int64.
        row_keys: [B] int64 from `Stream.row_keys`.
        num_walks: walks per start.
        length: steps per walk; every step counts the node that it reaches.
        restart: probability that a step leads back to the start.
        top: how many nodes to give.
        stop: a walk that would restart ends instead.
        exclude_start: the start is not counted.
        exclude_neighbors: its row is not counted.
        first_counted: ids below are not counted.

    Returns:
        ids [B, top] int64, -1 for none; counts [B, top] int64.
    """
    options = (num_walks, length, restart, top, stop, exclude_start, exclude_neighbors, first_counted)
    if indptr.device.type != "cpu":
        return count_visits_torch(indptr, indices, start, row_keys, *options)
    ids = torch.empty((len(start), top), dtype=torch.int64)
    counts = torch.empty((len(start), top), dtype=torch.int64)
    run(_count_visits, len(start), indptr.numpy(), indices.numpy(), start.numpy(), row_keys.numpy(), num_walks, length,
        float(restart), stop, exclude_start, exclude_neighbors, first_counted, ids.numpy(), counts.numpy(),
        cost=num_walks * length)
    return ids, counts


def count_visits_torch(
    indptr: Tensor, indices: Tensor, start: Tensor, row_keys: Tensor, num_walks: int, length: int, restart: float,
    top: int, stop: bool = False, exclude_start: bool = True, exclude_neighbors: bool = False, first_counted: int = 0,
) -> tuple[Tensor, Tensor]:
    """The definition, on any device: walk, sort the visits, count equal ones."""
    size, num_nodes = len(start), len(indptr) - 1
    which = torch.arange(num_walks, device=start.device) * (2 * length)
    keys = (row_keys[:, None] + which * to_signed(WORD_STEP)).flatten()
    nodes = walk_torch(indptr, indices, start.repeat_interleave(num_walks), keys, length, restart)[:, 1:]
    counted = torch.ones_like(nodes, dtype=torch.bool)
    if stop and restart > 0:
        counted = (unit(words_at(keys, 2 * length)[:, 1::2]) < restart).cumsum(1) == 0
    nodes, counted = nodes.reshape(size, -1), counted.reshape(size, -1) & (nodes.reshape(size, -1) >= first_counted)
    if exclude_start:
        counted &= nodes != start[:, None]
    if exclude_neighbors:
        counted &= ~in_rows_torch(indptr, indices, start, nodes)
    flat = (torch.arange(size, device=start.device)[:, None] * num_nodes + nodes)[counted]
    pairs, visits = torch.unique(flat, return_counts=True)  # sorted by start, then id
    order = torch.argsort(visits, descending=True, stable=True)
    order = order[torch.argsort(pairs[order] // num_nodes, stable=True)]
    owner, node, visits = pairs[order] // num_nodes, pairs[order] % num_nodes, visits[order]
    many = torch.bincount(owner, minlength=size)
    rank = torch.arange(len(owner), device=start.device) - (many.cumsum(0) - many)[owner]
    ids = start.new_full((size, top), -1)
    counts = start.new_zeros((size, top))
    kept = rank < top
    ids[owner[kept], rank[kept]] = node[kept]
    counts[owner[kept], rank[kept]] = visits[kept]
    return ids, counts


@compiled
def _add(table, count, used, num_used, shift, node):
    """Count one visit in an open-addressed table; the number of its used places."""
    mask = table.shape[0] - 1
    place = np.int64((np.uint64(node) * GOLDEN) >> shift)
    while table[place] != node:
        if table[place] < 0:
            table[place] = node
            used[num_used] = place
            count[place] = 1
            return num_used + 1
        place = (place + 1) & mask
    count[place] += 1
    return num_used


@compiled
def _order(keys, size):
    """Sort the first `size` keys: by insertion while they are few."""
    if size > 48:
        keys[:size].sort()
        return
    for i in range(1, size):
        key = keys[i]
        j = i - 1
        while j >= 0 and keys[j] > key:
            keys[j + 1] = keys[j]
            j -= 1
        keys[j + 1] = key


@compiled
def _count_visits(begin, end, indptr, indices, start, row_keys, num_walks, length, restart, stop, exclude_start,
                  exclude_neighbors, first_counted, ids, counts):
    num_nodes, most = indptr.shape[0] - 1, num_walks * length
    group = max(1, LANES // num_walks)
    capacity, bits = 2, 1
    while capacity < 2 * most:
        capacity, bits = 2 * capacity, bits + 1
    shift = np.uint64(64 - bits)
    table = np.full((group, capacity), -1, dtype=np.int64)
    count = np.zeros((group, capacity), dtype=np.int64)
    used = np.empty((group, most), dtype=np.int64)
    num_used = np.zeros(group, dtype=np.int64)
    keys = np.empty(most, dtype=np.int64)
    node, position = np.empty(LANES, dtype=np.int64), np.empty(LANES, dtype=np.int64)
    owner, lane_key = np.empty(LANES, dtype=np.int64), np.empty(LANES, dtype=np.int64)
    nothing = np.empty(0, dtype=np.int64)
    for first in range(begin, end, group):
        walks = min(group, end - first) * num_walks
        for base in range(0, walks, LANES):
            lanes = min(LANES, walks - base)
            for i in range(lanes):
                owner[i] = (base + i) // num_walks
                which = (base + i) - owner[i] * num_walks
                lane_key[i] = np.int64(np.uint64(row_keys[first + owner[i]]) + np.uint64(2 * length * which) * GOLDEN)
                node[i] = start[first + owner[i]]
                prefetch(indptr, node[i])
            for step in range(length):
                for i in range(lanes):
                    if node[i] < 0:
                        continue
                    if restart > 0 and _unit(word_at(lane_key[i], 2 * step + 1)) < restart:
                        position[i] = -2
                        continue
                    position[i] = step_position(indptr, nothing, node[i], word_at(lane_key[i], 2 * step))
                    if position[i] >= 0:
                        prefetch(indices, position[i])
                for i in range(lanes):
                    if node[i] < 0:
                        continue
                    if position[i] >= 0:
                        node[i] = indices[position[i]]
                    elif position[i] == -2:
                        if stop:
                            node[i] = -1  # this walk has ended
                            continue
                        node[i] = start[first + owner[i]]
                    prefetch(indptr, node[i])
                    g = owner[i]
                    if node[i] >= first_counted and not (exclude_start and node[i] == start[first + g]):
                        num_used[g] = _add(table[g], count[g], used[g], num_used[g], shift, node[i])
        for g in range(min(group, end - first)):
            b = first + g
            low, high = indptr[start[b]], indptr[start[b] + 1]
            size = 0
            for i in range(num_used[g]):
                place = used[g, i]
                visited = table[g, place]
                table[g, place] = -1
                if exclude_neighbors:
                    at = find(indices, low, high, visited)
                    if at < high and indices[at] == visited:
                        continue
                keys[size] = (most - count[g, place]) * num_nodes + visited
                size += 1
            num_used[g] = 0
            _order(keys, size)
            for i in range(ids.shape[1]):
                ids[b, i] = keys[i] % num_nodes if i < size else -1
                counts[b, i] = most - keys[i] // num_nodes if i < size else 0
