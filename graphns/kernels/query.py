"""What a compiled query does first: the rows, further exclusions and random sequences of some anchors."""

from __future__ import annotations

import numpy as np

from graphns.kernels.bits import GOLDEN, compiled, mix, prefetch

ROWS_AT_ONCE = 1024  # what is known of so many rows stays in the second-level cache
ROWS, SLOTS = 32, 8  # rows, and draws of each, whose lines are asked for together: they stay in the nearest cache


@compiled
def prepare(anchor, positive, row, base, size, indptr, key, exclude_row, exclude_anchor, exclude_positive, rows, extra,
            keys):
    """Fill rows, extra and keys for anchors base … base+size-1; whether each of them is a row of the graph.

    `extra` has a column for each of the anchor and the positive that is to be excluded.
    """
    inside = True
    for i in range(size):
        source = anchor[base + i]
        if source < 0 or source >= indptr.shape[0] - 1:
            inside, source = False, -1
        rows[i] = source if exclude_row else -1
        if i < ROWS:  # the loop over rows asks for the later ones
            prefetch(indptr, np.uint64(max(rows[i], 0)))
        keys[i] = mix((np.uint64(row[base + i]) + np.uint64(1)) * GOLDEN + key)
        if exclude_anchor:
            extra[i, 0] = source
        if exclude_positive:
            extra[i, extra.shape[1] - 1] = positive[base + i]
    return inside
