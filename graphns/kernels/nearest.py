"""The best of many candidates, exactly: a rough score in float32 says which pairs can count, float64 decides.

A list holds the k best so far, best first, ties by lower id. Pairs come by rising id, so one that only equals the
last of a full list stays outside. A pair is scored in float64, always in the same order of sums: equal rows have
equal scores, bit for bit, on every machine and for every cut into blocks.
"""

from __future__ import annotations

import numpy as np

from graphns.kernels.bits import compiled

_CHUNK = 64  # rough scores that are looked at together: integer sums of comparisons use vector registers


@compiled
def pair_score(left, right, squared):
    """<left, right>, or with `squared` -|left - right|^2 / 2: float64 rows of one width, four sums side by side."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    width = left.shape[0]
    whole = width - width % 4
    if squared:
        for i in range(0, whole, 4):
            e, f, g, h = (left[i] - right[i], left[i + 1] - right[i + 1], left[i + 2] - right[i + 2],
                          left[i + 3] - right[i + 3])
            a -= e * e
            b -= f * f
            c -= g * g
            d -= h * h
        for i in range(whole, width):
            e = left[i] - right[i]
            a -= e * e
        return ((a + b) + (c + d)) / 2 + 0.0  # -0.0 is 0.0
    for i in range(0, whole, 4):
        a += left[i] * right[i]
        b += left[i + 1] * right[i + 1]
        c += left[i + 2] * right[i + 2]
        d += left[i + 3] * right[i + 3]
    for i in range(whole, width):
        a += left[i] * right[i]
    return (a + b) + (c + d) + 0.0


@compiled
def insert(score, ids, value, identity):
    """Put a pair into a list [k] where it belongs: behind those that equal it. The last falls out."""
    at = score.shape[0] - 1
    while at > 0 and value > score[at - 1]:
        score[at], ids[at] = score[at - 1], ids[at - 1]
        at -= 1
    score[at], ids[at] = value, identity


@compiled
def scan_loop(begin, end, rough, shift, base, reach, queries, block, first, skip, squared, score, ids):
    """Every pair of queries and a block of candidates.

    Args:
        begin: the first query.
        end: behind the last query.
        rough: [b, n] float32.
        shift: [n] float32; rough - shift is within `reach` of the pair's score + base.
        base: [b] float64.
        reach: [b] float64.
        queries: [b, d] float64.
        block: [n, d] float64.
        first: id of the block's first candidate.
        skip: [b] int64, an id that does not count for the query; -1: all count.
        squared: see `pair_score`.
        score: [b, k] float64, the lists so far; -inf at a place that is free.
        ids: [b, k] int64.
    """
    width, last = rough.shape[1], score.shape[1] - 1
    for i in range(begin, end):
        least = np.float32(score[i, last] + base[i] - reach[i])
        for start in range(0, width, _CHUNK):
            # slices, because places that may count from the end keep the compiler from vector registers
            near, less = rough[i, start : start + _CHUNK], shift[start : start + _CHUNK]
            count = np.int32(0)
            for j in range(near.shape[0]):
                count += np.int32(near[j] - less[j] >= least)
            if count == 0:
                continue
            for j in range(near.shape[0]):
                identity = first + start + j
                if near[j] - less[j] >= least and identity != skip[i]:
                    value = pair_score(queries[i], block[start + j], squared)
                    if value > score[i, last]:
                        insert(score[i], ids[i], value, identity)
                        least = np.float32(score[i, last] + base[i] - reach[i])


@compiled
def hits_loop(begin, end, start, hits, queries, block, first, skip, squared, score, ids):
    """As `scan_loop`, where hits[start[i]:start[i + 1]] are the places in the block that can count, rising."""
    last = score.shape[1] - 1
    for i in range(begin, end):
        for at in range(start[i], start[i + 1]):
            j = hits[at]
            if first + j != skip[i]:
                value = pair_score(queries[i], block[j], squared)
                if value > score[i, last]:
                    insert(score[i], ids[i], value, first + j)


@compiled
def rescore_loop(begin, end, queries, table, place, name, skip, squared, score, ids):
    """The best of given candidates: name [b, c] int64 rising ids, -1 no candidate; place [b, c] their rows in table."""
    last = score.shape[1] - 1
    for i in range(begin, end):
        before = np.int64(-1)
        for c in range(name.shape[1]):
            identity = name[i, c]
            if identity > before and identity != skip[i]:
                value = pair_score(queries[i], table[place[i, c]], squared)
                if value > score[i, last]:
                    insert(score[i], ids[i], value, identity)
            before = max(before, identity)
