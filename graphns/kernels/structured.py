"""One negative for every edge: for each (u, v), an id outside the row of u, uniform, with no rejection.

The one-to-one map of `kernels.complement`, with one word per edge and no keys per row, because a graph's edges are
many: the e-th edge takes the e-th word of the stream. Where the edges are the graph's own, their sources come out of
the row starts.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import bounded as _bounded
from graphns.kernels.bits import compiled, prefetch, word_at
from graphns.kernels.complement import candidate_at, exchange_torch, filter_arguments, valid_extra
from graphns.kernels.edge_filter import ask, is_cold, may_have
from graphns.kernels.membership import in_rows_torch
from graphns.kernels.threads import run
from graphns.streams import Stream, bounded, words_at

_BLOCK = 512  # edges at a time: what is known of them stays in the nearest cache


def one_per_edge(
    indptr: Tensor, indices: Tensor, num_candidates: int, stream: Stream, *, source: Tensor | None = None,
    exclude_self: bool = False, edge_filter: Tensor | None = None,
) -> tuple[Tensor | None, Tensor]:
    """Draw one id per edge, uniformly from [0, num_candidates) outside the row of its source.

    Args:
        indptr: [R + 1] int64 row starts.
        indices: [E'] int32 or int64, each row sorted and without duplicates.
        num_candidates: N.
        stream: the randomness; the e-th edge depends on the stream and e alone.
        source: [E] int32 or int64 in [0, R), the source of each edge. None: the edges are the rows' own, in order.
        exclude_self: whether the source is no candidate either.
        edge_filter: `build_edge_filter(indptr, indices)` if at hand, for speed on the CPU.

    Returns:
        edges [2, E'] int64, the rows' own, if no source was given, else None; and ids [E] int64, -1 where a source has
        no candidate.
    """
    key = stream.row_keys(torch.zeros(1, dtype=torch.int64, device=indptr.device))
    if indptr.device.type != "cpu":
        return one_per_edge_torch(indptr, indices, num_candidates, key, source, exclude_self)
    words, shift = filter_arguments(edge_filter)
    rows = indptr.numpy(), indices.numpy(), num_candidates, int(key), exclude_self, words, shift
    if source is None:
        edges = torch.empty((2, len(indices)), dtype=torch.int64)
        ids = torch.empty(len(indices), dtype=torch.int64)
        run(_of_rows, len(ids), *rows, edges.numpy(), ids.numpy(), cost=2)
        return edges, ids
    ids = torch.empty(len(source), dtype=torch.int64)
    run(_of_sources, len(ids), *rows, source.contiguous().numpy(), ids.numpy(), cost=2)
    return None, ids


def one_per_edge_torch(
    indptr: Tensor, indices: Tensor, num_candidates: int, key: Tensor, source: Tensor | None, exclude_self: bool
) -> tuple[Tensor | None, Tensor]:
    """The definition, on any device."""
    edges = None
    if source is None:
        source = torch.repeat_interleave(torch.arange(len(indptr) - 1, device=indptr.device), indptr.diff())
        edges = torch.stack([source, indices.long()])
    source = source.long()
    count = num_candidates - (indptr[source + 1] - indptr[source])
    own = torch.zeros_like(source, dtype=torch.bool)
    if exclude_self:
        own = (source < num_candidates) & ~in_rows_torch(indptr, indices, source, source[:, None])[:, 0]
        count = count - own.long()
    ranks = torch.stack([bounded(words_at(key, len(source))[0], count), count], 1)
    ids, instead = exchange_torch(indptr, indices, source, num_candidates, ranks).unbind(1)
    return edges, torch.where(count > 0, torch.where(own & (ids == source), instead, ids), -1)


@compiled
def _draw(indptr, indices, num_candidates, key, words, shift, first, source, own, size, ranks, look, ids):
    """Draw for edges first … first+size-1, whose sources are given, and whose `own` is the source or -1."""
    for i in range(size):
        count = num_candidates - (indptr[source[i] + 1] - indptr[source[i]]) - (1 if own[i] >= 0 else 0)
        ranks[i] = _bounded(np.uint64(word_at(key, first + i)), max(count, 0)) if count > 0 else -1
    if is_cold(words):
        for i in range(size):
            ask(words, shift, np.uint64(source[i]), np.uint64(ranks[i]))
    if words.shape[0] > 0:
        for i in range(size):
            look[i] = may_have(words, shift, np.uint64(source[i]), np.uint64(ranks[i]))
    else:
        look[:size] = np.uint64(1)
    for i in range(size):
        ids[first + i] = ranks[i]
        if ranks[i] >= 0 and (look[i] != 0 or ranks[i] == own[i]):
            start, stop = indptr[source[i]], indptr[source[i] + 1]
            count = num_candidates - (stop - start) - (1 if own[i] >= 0 else 0)
            ids[first + i] = candidate_at(indices, start, stop, own[i], np.int64(-1), num_candidates, count, ranks[i])


@compiled
def _of_rows(begin, end, indptr, indices, num_candidates, key, exclude_self, words, shift, edges, ids):
    source, own, ranks = np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int64)
    look = np.empty(_BLOCK, np.uint64)
    row = np.int64(np.searchsorted(indptr, begin, side="right") - 1)  # the row that holds edge `begin`
    row_own = np.int64(-1)
    if exclude_self and begin < end:
        row_own = valid_extra(indices, indptr[row], indptr[row + 1], row, num_candidates)
    for first in range(begin, end, _BLOCK):
        size = min(_BLOCK, end - first)
        for i in range(size):
            while first + i >= indptr[row + 1]:
                row += 1
                if exclude_self and indptr[row] < indptr[row + 1]:
                    row_own = valid_extra(indices, indptr[row], indptr[row + 1], row, num_candidates)
            source[i], own[i] = row, row_own
            edges[0, first + i] = row
            edges[1, first + i] = indices[first + i]
        _draw(indptr, indices, num_candidates, key, words, shift, first, source, own, size, ranks, look, ids)


@compiled
def _of_sources(begin, end, indptr, indices, num_candidates, key, exclude_self, words, shift, sources, ids):
    source, own, ranks = np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int64)
    look = np.empty(_BLOCK, np.uint64)
    for first in range(begin, end, _BLOCK):
        size = min(_BLOCK, end - first)
        for i in range(size):
            if first + i + 32 < end:
                prefetch(indptr, sources[first + i + 32])
            source[i], own[i] = sources[first + i], -1
        if exclude_self:
            for i in range(size):
                near = source[min(i + 8, size - 1)]
                if indptr[near] < indptr[near + 1]:
                    prefetch(indices, (indptr[near] + indptr[near + 1]) >> 1)
                at = source[i]
                if words.shape[0] > 0 and may_have(words, shift, np.uint64(at), np.uint64(at)) == 0:
                    own[i] = at if at < num_candidates else -1
                else:
                    own[i] = valid_extra(indices, indptr[at], indptr[at + 1], at, num_candidates)
        _draw(indptr, indices, num_candidates, key, words, shift, first, source, own, size, ranks, look, ids)
