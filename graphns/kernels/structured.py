"""One negative for every edge: for each (u, v), an id outside the row of u, uniform, with no rejection.

The draws of `kernels.complement` with one word per edge and no keys per row, because a graph's edges are many: the
e-th edge takes the e-th word of the stream. Where the edges are the graph's own, their sources come out of the row
starts, so nothing but the rows is read.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import bounded as _bounded
from graphns.kernels.bits import compiled, prefetch, word_at
from graphns.kernels.complement import complement_keys, outside_row
from graphns.kernels.membership import find, in_rows_torch
from graphns.kernels.threads import run
from graphns.streams import Stream, bounded, words_at


def one_per_edge(
    indptr: Tensor, indices: Tensor, num_candidates: int, stream: Stream, *, source: Tensor | None = None,
    exclude_self: bool = False, keys: Tensor | None = None,
) -> tuple[Tensor | None, Tensor]:
    """Draw one id per edge, uniformly from [0, num_candidates) outside the row of its source.

    Args:
        indptr: [R + 1] int64 row starts.
        indices: [E'] int32 or int64, each row sorted and without duplicates.
        num_candidates: N.
        stream: the randomness; the e-th edge depends on the stream and e alone.
        source: [E] int32 or int64 in [0, R), the source of each edge. None: the edges are the rows' own, in order.
        exclude_self: whether the source is no candidate either.
        keys: `complement_keys(indptr, indices, N)` if at hand; only accelerators need it.

    Returns:
        edges [2, E'] int64, the rows' own, if no source was given, else None; and ids [E] int64, -1 where a source has
        no candidate.
    """
    key = stream.row_keys(torch.zeros(1, dtype=torch.int64, device=indptr.device))
    if indptr.device.type != "cpu":
        return one_per_edge_torch(indptr, indices, num_candidates, key, source, exclude_self, keys)
    if source is None:
        edges = torch.empty((2, len(indices)), dtype=torch.int64)
        ids = torch.empty(len(indices), dtype=torch.int64)
        run(_of_rows, len(ids), indptr.numpy(), indices.numpy(), num_candidates, int(key), exclude_self,
            edges.numpy(), ids.numpy(), cost=2)
        return edges, ids
    ids = torch.empty(len(source), dtype=torch.int64)
    run(_of_sources, len(ids), indptr.numpy(), indices.numpy(), num_candidates, int(key), exclude_self,
        source.contiguous().numpy(), ids.numpy(), cost=2)
    return None, ids


def one_per_edge_torch(
    indptr: Tensor, indices: Tensor, num_candidates: int, key: Tensor, source: Tensor | None, exclude_self: bool,
    keys: Tensor | None = None,
) -> tuple[Tensor | None, Tensor]:
    """The definition, on any device."""
    keys = complement_keys(indptr, indices, num_candidates) if keys is None else keys
    edges = None
    if source is None:
        source = torch.repeat_interleave(torch.arange(len(indptr) - 1, device=indptr.device), indptr.diff())
        edges = torch.stack([source, indices.long()])
    source = source.long()
    start = indptr[source]
    count = num_candidates - (indptr[source + 1] - start)
    own = torch.zeros_like(source, dtype=torch.bool)
    if exclude_self:
        own = (source < num_candidates) & ~in_rows_torch(indptr, indices, source, source[:, None])[:, 0]
        count = count - own.long()

    def outside(rank: Tensor) -> Tensor:
        return rank + torch.searchsorted(keys, source * (num_candidates + 1) + rank, right=True) - start

    ids = outside(bounded(words_at(key, len(source))[0], count))
    # exchange: the last free id is out of reach of the ranks, and takes the place of the source
    ids = torch.where(own & (ids == source), outside(count), ids)
    return edges, torch.where(count > 0, ids, -1)


@compiled
def _draw(indices, start, stop, num_candidates, source, own, word):
    """An id outside the sorted row indices[start:stop], and not the source if `own`; -1 if there is none."""
    count = num_candidates - (stop - start) - (1 if own else 0)
    if count <= 0:
        return np.int64(-1)
    drawn = outside_row(indices, start, stop, _bounded(word, count))
    # exchange: the last free id is out of reach of the ranks, and takes the place of the source
    return outside_row(indices, start, stop, count) if own and drawn == source else drawn


@compiled
def _is_own(indices, start, stop, num_candidates, source):
    """Whether the source is a candidate that its row does not exclude already."""
    at = find(indices, start, stop, source)
    return source < num_candidates and (at == stop or indices[at] != source)


@compiled
def _of_rows(begin, end, indptr, indices, num_candidates, key, exclude_self, edges, ids):
    # the row that holds edge `begin`: the last one that starts at or before it
    row = np.searchsorted(indptr, begin, side="right") - 1
    edge = begin
    while edge < end:
        start, stop = indptr[row], indptr[row + 1]
        own = exclude_self and _is_own(indices, start, stop, num_candidates, row)
        for e in range(edge, min(stop, end)):
            edges[0, e] = row
            edges[1, e] = indices[e]
            ids[e] = _draw(indices, start, stop, num_candidates, row, own, np.uint64(word_at(key, e)))
        edge = stop
        row += 1


@compiled
def _of_sources(begin, end, indptr, indices, num_candidates, key, exclude_self, source, ids):
    # rows are cold: ask for the row starts two blocks ahead and for the middle of the rows one block ahead
    block = 16
    for low in range(begin, end, block):
        high = min(low + block, end)
        for e in range(high + block, min(high + 2 * block, end)):
            prefetch(indptr, source[e])
        for e in range(high, min(high + block, end)):
            middle = (indptr[source[e]] + indptr[source[e] + 1]) >> 1
            if middle < indices.shape[0]:
                prefetch(indices, middle)
        for e in range(low, high):
            row = np.int64(source[e])
            start, stop = indptr[row], indptr[row + 1]
            own = exclude_self and _is_own(indices, start, stop, num_candidates, row)
            ids[e] = _draw(indices, start, stop, num_candidates, row, own, np.uint64(word_at(key, e)))
