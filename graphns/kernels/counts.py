"""Which nodes random walks visit most: walks and counting in one loop, with no walk stored.

A start's walks share one row of the stream: walk w begins at slot 2 * length * w. The compiled loop moves up to 64
walks in lockstep, of one start or of several, and counts into a small hash table per start that stays in the nearest
cache.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import GOLDEN, compiled, mix, prefetch, product_high
from graphns.kernels.bits import unit as _unit
from graphns.kernels.membership import find, in_rows_torch
from graphns.kernels.memory import empty
from graphns.kernels.threads import run
from graphns.kernels.walks import LANES, walk_torch
from graphns.streams import GOLDEN as WORD_STEP
from graphns.streams import to_signed, unit, words_at

_FEW = 64  # so many best nodes are kept sorted as they come
_ONE = np.uint64(1)


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
    if len(indices) == 0:
        indices = indices.new_zeros(1)  # the loop reads before it knows that a node does not move
    ids = empty(len(start), top)
    counts = empty(len(start), top)
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
def _add(table, used, num_used, g, mask, shift, count_bits, node):
    """Count one visit in the g-th open-addressed table, of entries node * 2^count_bits + visits; 0 is a free place."""
    place = (node * GOLDEN) >> shift
    entry = table[g, place]
    while (entry != 0) & (entry >> count_bits != node):
        place = (place + _ONE) & mask
        entry = table[g, place]
    # half of the visits are first ones, which no processor guesses: no branch depends on it
    used[g, np.uint64(num_used[g])] = place
    num_used[g] += np.int64(entry == 0)
    table[g, place] = (entry if entry != 0 else node << count_bits) + _ONE


@compiled
def _insert(best, size, key):
    """Keep the least keys seen, sorted: `size` of them so far; how many now."""
    if size == best.shape[0]:
        if key >= best[size - 1]:
            return size
        size -= 1
    j = size - 1
    while j >= 0 and best[j] > key:
        best[j + 1] = best[j]
        j -= 1
    best[j + 1] = key
    return size + 1


@compiled
def _count_visits(begin, end, indptr, indices, start, row_keys, num_walks, length, restart, stop, exclude_start,
                  exclude_neighbors, first_counted, ids, counts):
    num_nodes, most, top = indptr.shape[0] - 1, num_walks * length, ids.shape[1]
    group = max(1, LANES // num_walks)
    capacity, bits = 2, 1
    while capacity < 2 * most:
        capacity, bits = 2 * capacity, bits + 1
    shift, count_bits = np.uint64(64 - bits), np.uint64(bits)
    table = np.zeros((group, capacity), dtype=np.uint64)
    used = np.empty((group, most + 1), dtype=np.uint64)
    num_used = np.zeros(group, dtype=np.int64)
    keys = np.empty(most if top > _FEW else top, dtype=np.int64)
    mask = np.uint64(capacity - 1)
    node, lane_key = np.empty(LANES, dtype=np.uint64), np.empty(LANES, dtype=np.uint64)
    place, owner = np.empty(LANES, dtype=np.uint64), np.empty(LANES, dtype=np.uint64)
    moves, ended = np.empty(LANES, dtype=np.uint64), np.empty(LANES, dtype=np.bool_)
    last = np.uint64(indices.shape[0] - 1)
    for first in range(begin, end, group):
        walks = min(group, end - first) * num_walks
        for base in range(0, walks, LANES):
            lanes = min(LANES, walks - base)
            for i in range(lanes):
                owner[i] = np.uint64((base + i) // num_walks)
                which = (base + i) % num_walks
                lane_key[i] = np.uint64(row_keys[np.uint64(first) + owner[i]]) + np.uint64(2 * length * which) * GOLDEN
                node[i], ended[i] = np.uint64(start[np.uint64(first) + owner[i]]), False
                prefetch(indptr, node[i])
            for step in range(length):
                slot = np.uint64(2 * step + 1) * GOLDEN
                for i in range(lanes):
                    row = np.uint64(indptr[node[i]])
                    moves[i] = np.uint64(indptr[node[i] + _ONE]) - row
                    place[i] = min(row + product_high(mix(lane_key[i] + slot), moves[i]), last)
                    prefetch(indices, place[i])
                for i in range(lanes):
                    home = np.uint64(start[np.uint64(first) + owner[i]])
                    following = np.uint64(indices[place[i]])
                    node[i] = following if moves[i] != 0 else node[i]
                    if restart > 0 and _unit(mix(lane_key[i] + slot + GOLDEN)) < restart:
                        node[i] = home
                        ended[i] |= stop
                    prefetch(indptr, node[i])
                    if ended[i] or node[i] < np.uint64(first_counted) or (exclude_start and node[i] == home):
                        continue
                    _add(table, used, num_used, owner[i], mask, shift, count_bits, node[i])
        for g in range(min(group, end - first)):
            b = first + g
            low, high = indptr[start[b]], indptr[start[b] + 1]
            size = 0
            for i in range(num_used[g]):
                entry = table[g, used[g, i]]
                table[g, used[g, i]] = 0
                visited = np.int64(entry >> count_bits)
                if exclude_neighbors:
                    at = find(indices, low, high, visited)
                    if at < high and indices[at] == visited:
                        continue
                key = (most - np.int64(entry & mask)) * num_nodes + visited
                if top > _FEW:
                    keys[size] = key
                    size += 1
                else:
                    size = _insert(keys, size, key)
            num_used[g] = 0
            if top > _FEW:
                keys[:size].sort()
            for i in range(top):
                ids[b, i] = keys[i] % num_nodes if i < size else -1
                counts[b, i] = most - keys[i] // num_nodes if i < size else 0
