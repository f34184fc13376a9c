"""One negative for every edge: for each (u, v), an id outside the row of u, uniform, with no rejection.

The one-to-one map of `kernels.complement`, with one word per edge and no keys per row, because a graph's edges are
many: the e-th edge takes the e-th word of the stream. Where the edges are the graph's own, their sources come out of
the row starts.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import GOLDEN, compiled, mix, prefetch, product_high
from graphns.kernels.complement import candidate_at, exchange_torch
from graphns.kernels.edge_filter import ask, edge_code, filter_words, may_have, pattern, word_of
from graphns.kernels.membership import holds, in_rows_torch
from graphns.kernels.memory import empty
from graphns.kernels.threads import run
from graphns.streams import MASK_64, Stream, bounded, words_at

_BLOCK = 64  # edges at a time: what is known of them stays in the nearest cache
_RING = 256  # edges on their way
_LAST, _ONE = np.uint64(_RING - 1), np.uint64(1)
_NONE = np.uint64(0xFFFFFFFFFFFFFFFF)  # as int64: -1


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
    word = np.uint64(int(key) & MASK_64)
    rows = indptr.numpy(), indices.numpy(), num_candidates, word, exclude_self, filter_words(edge_filter)
    if source is None:
        edges = empty(2, len(indices))
        ids = empty(len(indices))
        run(_of_rows, len(ids), *rows, edges.numpy(), ids.numpy(), cost=2)
        return edges, ids
    ids = empty(len(source))
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
def _draw(indices, num_candidates, key, words, first, start, degree, own, ids):
    """Draw for edges first … first+size-1 of rows from `start` of `degree` edges, whose `own` is the source or none."""
    size = len(start)
    ranks, high, at = np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint64)
    bits = np.empty(_BLOCK, np.uint32)
    for i in range(size):
        high[i] = np.uint64(num_candidates) - min(degree[i] + (own[i] != _NONE), np.uint64(num_candidates))
        ranks[i] = product_high(mix(key + np.uint64(first + i + 1) * GOLDEN), high[i])
    if words.shape[0] > 0:
        for i in range(size):
            code = edge_code(ranks[i])
            at[i] = word_of(code, start[i], degree[i])
            bits[i] = pattern(code)
        for i in range(size):
            prefetch(words, at[i])
    for i in range(size):
        passes = words.shape[0] == 0 or (words[at[i]] & bits[i]) == bits[i]
        ids[first + i] = ranks[i]
        if passes or ranks[i] == own[i] or high[i] == 0:
            ids[first + i] = _looked_up(indices, num_candidates, start[i], degree[i], own[i], high[i], ranks[i])


@compiled
def _looked_up(indices, num_candidates, start, degree, own, high, rank):
    """The id of a rank that may be excluded, or -1 where the row has no candidate."""
    if high == 0:
        return np.int64(-1)
    return candidate_at(indices, np.int64(start), np.int64(start + degree), np.int64(own), np.int64(-1), num_candidates,
                        np.int64(high), np.int64(rank))


@compiled
def _self(indices, num_candidates, words, start, degree, source):
    """The source where it is a candidate of its own row but for this rule, else all ones."""
    if source >= num_candidates:
        return _NONE
    if words.shape[0] > 0 and not may_have(words, start, degree, source):
        return np.uint64(source)
    return _NONE if holds(indices, start, start + degree, source) else np.uint64(source)


@compiled
def _of_rows(begin, end, indptr, indices, num_candidates, key, exclude_self, words, edges, ids):
    start, degree, own = np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint64)
    row = np.int64(np.searchsorted(indptr, begin, side="right") - 1)  # the row that holds edge `begin`
    row_own, row_stop = _NONE, np.int64(-1)
    for first in range(begin, end, _BLOCK):
        size = min(_BLOCK, end - first)
        for i in range(size):
            if first + i >= row_stop:
                while first + i >= indptr[row + 1]:
                    row += 1
                row_start, row_stop = np.uint64(indptr[row]), indptr[row + 1]
                row_degree = np.uint64(row_stop) - row_start
                if exclude_self:
                    row_own = _self(indices, num_candidates, words, row_start, row_degree, row)
            start[i], degree[i], own[i] = row_start, row_degree, row_own
            edges[0, first + i] = row
        for i in range(first, first + size):
            edges[1, i] = indices[i]
        _draw(indices, num_candidates, key, words, first, start[:size], degree[:size], own[:size], ids)


@compiled
def _of_sources(begin, end, indptr, indices, num_candidates, key, exclude_self, words, sources, ids):
    # each edge goes through four steps, and other edges' steps lie between its own, so that its lines arrive meanwhile
    start, degree, own = np.empty(_RING, np.uint64), np.empty(_RING, np.uint64), np.empty(_RING, np.uint64)
    ranks, high, at = np.empty(_RING, np.uint64), np.empty(_RING, np.uint64), np.empty(_RING, np.uint64)
    bits = np.empty(_RING, np.uint32)
    ahead, filtered = _RING // 4, words.shape[0] > 0
    for turn in range(begin, end + 3 * ahead):
        if turn < end:
            prefetch(indptr, np.uint64(sources[turn]))
        e = turn - ahead
        if e >= begin and e < end:
            i, source = np.uint64(e) & _LAST, np.uint64(sources[e])
            start[i] = np.uint64(indptr[source])
            degree[i] = np.uint64(indptr[source + _ONE]) - start[i]
            if exclude_self and filtered:
                ask(words, start[i], degree[i], source)
        e -= ahead
        if e >= begin and e < end:
            i, own_id = np.uint64(e) & _LAST, _NONE
            if exclude_self:
                own_id = _self(indices, num_candidates, words, start[i], degree[i], sources[e])
            own[i] = own_id
            high[i] = np.uint64(num_candidates) - min(degree[i] + (own_id != _NONE), np.uint64(num_candidates))
            ranks[i] = product_high(mix(key + np.uint64(e + 1) * GOLDEN), high[i])
            if filtered:
                code = edge_code(ranks[i])
                at[i] = word_of(code, start[i], degree[i])
                bits[i] = pattern(code)
                prefetch(words, at[i])
        e -= ahead
        if e >= begin:
            i = np.uint64(e) & _LAST
            passes = not filtered or (words[at[i]] & bits[i]) == bits[i]
            ids[e] = ranks[i]
            if passes or ranks[i] == own[i] or high[i] == 0:
                ids[e] = _looked_up(indices, num_candidates, start[i], degree[i], own[i], high[i], ranks[i])
