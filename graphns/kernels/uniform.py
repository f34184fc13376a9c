"""A whole uniform query in one pass over the CPU: exclusions, row keys, draws and log-probabilities.

The steps are those of `kernels.complement`, block by block on scratch arrays. Done one by one in torch, each step of a
large batch would wake torch's own threads, which then keep a core busy while ours want it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled
from graphns.kernels.complement import _complement_uniform
from graphns.kernels.edge_filter import filter_words
from graphns.kernels.memory import empty
from graphns.kernels.query import ROWS_AT_ONCE, log_share, prepare
from graphns.kernels.threads import run
from graphns.streams import MASK_64, Stream


class Drawn(NamedTuple):
    """ids [B, k] int64; counts [B] int64, the candidates of each row; some [B] bool, whether there is one.

    log_prob [B] float32 of each of a row's draws, 0 where it has no candidate.
    """

    ids: Tensor
    counts: Tensor
    some: Tensor
    log_prob: Tensor


def uniform_negatives(
    indptr: Tensor, indices: Tensor, anchor: Tensor, positive: Tensor, row: Tensor, stream: Stream,
    num_candidates: int, k: int, *, exclude_row: bool, exclude_anchor: bool, exclude_positive: bool,
    self_loops: bool = True, edge_filter: Tensor | None = None,
) -> Drawn | None:
    """Draw k ids per anchor uniformly from [0, num_candidates) outside what is excluded; CPU tensors only.

    Args:
        indptr: [R + 1] int64 row starts.
        indices: [E] int32 or int64, each row sorted and without duplicates.
        anchor: [B] int64.
        positive: [B] int64.
        row: [B] int64 names of the rows' random sequences.
        stream: the randomness.
        num_candidates: N.
        k: draws per anchor.
        exclude_row: the anchor's row.
        exclude_anchor: the anchor itself.
        exclude_positive: the positive, in the row or not.
        self_loops: False: a promise that no anchor stands in its own row, which is then not looked for.
        edge_filter: bit table of the rows, for speed.

    Returns:
        What was drawn, or None where an anchor is no row of the graph.
    """
    ids = empty(len(anchor), k)
    counts = empty(len(anchor))
    some = np.empty(len(anchor), dtype=np.bool_)
    log_prob = empty(len(anchor), dtype=np.float32)
    outside = np.zeros(1, dtype=np.bool_)
    run(_uniform, len(anchor), indptr.numpy(), indices.numpy(), anchor.numpy(), positive.numpy(), row.numpy(),
        np.uint64(stream.key & MASK_64), num_candidates, exclude_row, exclude_anchor, exclude_positive,
        int(exclude_anchor and not self_loops), filter_words(edge_filter), ids.numpy(), counts.numpy(),
        some, log_prob.numpy(), outside, cost=k + 2)
    return None if outside[0] else Drawn(ids, counts, torch.from_numpy(some), log_prob)


@compiled
def _uniform(begin, end, indptr, indices, anchor, positive, row, key, num_candidates, exclude_row, exclude_anchor,
             exclude_positive, sure, words, ids, counts, some, log_prob, outside):
    width = (1 if exclude_anchor else 0) + (1 if exclude_positive else 0)
    rows, keys = np.empty(ROWS_AT_ONCE, np.int64), np.empty(ROWS_AT_ONCE, np.uint64)
    extra = np.empty((ROWS_AT_ONCE, width), np.int64)
    log_all = np.log(np.float64(num_candidates))
    for base in range(begin, end, ROWS_AT_ONCE):
        size = min(ROWS_AT_ONCE, end - base)
        if not prepare(anchor, positive, row, base, size, indptr, key, exclude_row, exclude_anchor, exclude_positive,
                       rows, extra, keys):
            outside[0] = True
        _complement_uniform(0, size, indptr, indices, rows, extra, num_candidates, keys, words, sure,
                            ids[base : base + size], counts[base : base + size])
        for i in range(base, base + size):
            log_prob[i] = -(log_all + log_share(counts[i], num_candidates)) if counts[i] > 0 else 0.0
            some[i] = counts[i] > 0
