"""The compiled loops of `graphns.kernels.gather_dot`: four drawn rows at a time, the next four on their way.

One row at a time waits for memory between rows and reads and writes the row of sums once for each; four share that
row and hide one another's wait.
"""

from __future__ import annotations

import numba
import numpy as np

from graphns.kernels.bits import compiled, prefetch

# a reordered sum is what lets the compiler use vector registers; NaN and infinity keep their meaning
_fast = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@_fast
def dot_rows(begin, end, queries, table, ids, out):
    """out[b, j] = <queries[b], table[ids[b, j]]>."""
    k, width = ids.shape[1], queries.shape[1]
    flat, zero = table.reshape(-1), queries.dtype.type(0)
    for b in range(begin, end):
        query = queries[b]
        for j in range(k):
            if j + 4 < k:
                prefetch(flat, ids[b, j + 4] * width)
            row, total = table[ids[b, j]], zero
            for c in range(width):
                total += query[c] * row[c]
            out[b, j] = total


@_fast
def pull_rows(begin, end, weights, table, ids, out):
    """out[b] += sum_j weights[b, j] table[ids[b, j]]."""
    k, width = ids.shape[1], table.shape[1]
    flat = table.reshape(-1)
    for b in range(begin, end):
        sums, j = out[b], 0
        while j + 4 <= k:
            if j + 8 <= k:
                for ahead in range(j + 4, j + 8):
                    prefetch(flat, ids[b, ahead] * width)
            r0, r1, r2, r3 = table[ids[b, j]], table[ids[b, j + 1]], table[ids[b, j + 2]], table[ids[b, j + 3]]
            w0, w1, w2, w3 = weights[b, j], weights[b, j + 1], weights[b, j + 2], weights[b, j + 3]
            for c in range(width):
                sums[c] = sums[c] + w0 * r0[c] + w1 * r1[c] + w2 * r2[c] + w3 * r3[c]
            j += 4
        while j < k:
            row, weight = table[ids[b, j]], weights[b, j]
            for c in range(width):
                sums[c] += weight * row[c]
            j += 1


@compiled
def _sort(ids, weights, num_rows, queries, shares):
    """Fill in what `slots_by_id` returns; a counting sort, stable."""
    start = np.zeros(num_rows + 1, dtype=np.int64)
    for b in range(ids.shape[0]):
        for j in range(ids.shape[1]):
            start[ids[b, j] + 1] += 1
    for n in range(num_rows):
        start[n + 1] += start[n]
    place = start[:num_rows].copy()
    for b in range(ids.shape[0]):
        for j in range(ids.shape[1]):
            at = place[ids[b, j]]
            queries[at] = b
            shares[at] = weights[b, j]
            place[ids[b, j]] = at + 1
    return start


def slots_by_id(ids, weights, num_rows):
    """Slots as rows by id, in rising order: where each id's begin [N + 1], the query of each, and its weight.

    A query and its weight lie side by side in memory, so that either is written and read with the other.
    """
    integer = np.int32 if weights.dtype == np.float32 else np.int64
    pairs = np.empty((ids.size, 2), dtype=weights.dtype)
    queries, shares = pairs.view(integer)[:, 0], pairs[:, 1]
    return _sort(ids, weights, num_rows, queries, shares), queries, shares


@_fast
def push_rows(begin, end, start, rows, shares, queries, out):
    """out[n] += the sum over the slots of n of shares[slot] queries[rows[slot]]."""
    width, last = queries.shape[1], len(rows)
    flat = queries.reshape(-1)
    for n in range(begin, end):
        sums, at, stop = out[n], start[n], start[n + 1]
        while at + 4 <= stop:
            if at + 8 <= last:
                for ahead in range(at + 4, at + 8):
                    prefetch(flat, np.int64(rows[ahead]) * width)
            r0, r1, r2, r3 = queries[rows[at]], queries[rows[at + 1]], queries[rows[at + 2]], queries[rows[at + 3]]
            w0, w1, w2, w3 = shares[at], shares[at + 1], shares[at + 2], shares[at + 3]
            for c in range(width):
                sums[c] = sums[c] + w0 * r0[c] + w1 * r1[c] + w2 * r2[c] + w3 * r3[c]
            at += 4
        while at < stop:
            row, weight = queries[rows[at]], shares[at]
            for c in range(width):
                sums[c] += weight * row[c]
            at += 1
