"""What a compiled query does around its draws: rows, further exclusions and random sequences first, logarithms last."""

from __future__ import annotations

import numpy as np

from graphns.kernels.bits import GOLDEN, compiled, mix, prefetch

ROWS_AT_ONCE = 1024  # what is known of so many rows stays in the second-level cache
ROWS, SLOTS = 32, 8  # rows, and draws of each, whose lines are asked for together: they stay in the nearest cache
_ONE = np.uint64(1)


@compiled
def prepare(anchor, positive, row, base, size, indptr, key, exclude_row, exclude_anchor, exclude_positive, rows, extra,
            keys):
    """Fill rows, extra and keys for anchors base … base+size-1; whether each of them is a row of the graph.

    `extra` has a column for each of the anchor and the positive that is to be excluded.
    """
    most = np.uint64(0)
    for i in range(size):
        rows[i] = anchor[base + i]
        most = max(most, np.uint64(anchor[base + i]))  # a negative id is a huge one
        keys[i] = mix((np.uint64(row[base + i]) + _ONE) * GOLDEN + key)
    inside = most < np.uint64(indptr.shape[0] - 1)
    if not inside:
        for i in range(size):
            if rows[i] < 0 or rows[i] >= indptr.shape[0] - 1:
                rows[i] = -1
    if exclude_anchor:
        for i in range(size):
            extra[i, 0] = rows[i]
    if exclude_positive:
        for i in range(size):
            extra[i, extra.shape[1] - 1] = positive[base + i]
    if not exclude_row:
        rows[:size] = -1
    for i in range(min(size, ROWS)):  # the loop over rows asks for the later ones
        prefetch(indptr, np.uint64(max(rows[i], 0)))
    return inside


@compiled
def log_share(part, whole):
    """log(part / whole) for 0 < part <= whole, in float64.

    Most rows exclude little: of what is left, 1 - x, the series of the logarithm needs few terms, and no call.
    """
    x = np.float64(whole - part) / np.float64(whole)
    if x < 0.0078125:  # the term left out is below 2^-51
        return -x * (1 + x * (1 / 2 + x * (1 / 3 + x * (1 / 4 + x * (1 / 5 + x * (1 / 6 + x / 7))))))
    return np.log(np.float64(part) / np.float64(whole))
