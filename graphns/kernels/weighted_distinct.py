"""Weighted draws without replacement outside a sorted row: one after another, each in proportion to what is left.

An id that was drawn is one more id to skip (`kernels.weighted`): it holds an interval of the numbers outside the row,
and later draws jump over it. Exact and without rejection; k draws of a row cost k^2 / 2 jumps, so it is for small k.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import bounded as _bounded
from graphns.kernels.bits import compiled, word_at
from graphns.kernels.guide import Guide, build_guide, guided, search_torch
from graphns.kernels.membership import count_torch
from graphns.kernels.memory import empty
from graphns.kernels.threads import run
from graphns.kernels.weighted import (
    num_passed,
    passed_torch,
    passed_weight,
    row_spans,
    skips,
    skips_torch,
    weighted_keys,
)
from graphns.streams import bounded, words_at


def complement_weighted_distinct(
    indptr: Tensor, indices: Tensor, rows: Tensor, extra: Tensor, cumulative: Tensor, row_keys: Tensor, k: int,
    keys: Tensor | None = None, guide: Guide | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw k distinct ids per row outside the row and `extra`, each in proportion to the weights not drawn yet.

    Args:
        indptr, indices, rows, extra, cumulative, row_keys, keys, guide: as for `complement_weighted`.
        k: draws per row.

    Returns:
        ids [B, k] int64 and how many were found [B] int64: a row with fewer than k candidates of positive weight gives
        all of them, then 0.
    """
    if extra.shape[1] > 2:
        raise ValueError(f"at most 2 further exclusions per row, got {extra.shape[1]}")
    keys = weighted_keys(indptr, indices, cumulative) if keys is None else keys
    if indptr.device.type != "cpu":
        return complement_weighted_distinct_torch(indptr, indices, keys, rows, extra, cumulative, row_keys, k)
    guide = build_guide(cumulative) if guide is None else guide
    ids, found = empty(len(rows), k), empty(len(rows))
    run(_complement_weighted_distinct, len(rows), indptr.numpy(), indices.numpy(), keys.numpy(), rows.numpy(),
        extra.numpy(), cumulative.numpy(), guide.start.numpy(), guide.shift, row_keys.numpy(), ids.numpy(),
        found.numpy(), cost=k * (k + 4))
    return ids, found


def complement_weighted_distinct_torch(
    indptr: Tensor, indices: Tensor, keys: Tensor, rows: Tensor, extra: Tensor, cumulative: Tensor, row_keys: Tensor,
    k: int,
) -> tuple[Tensor, Tensor]:
    """The definition, on any device: the rows advance together, slot by slot."""
    start, _ = row_spans(indptr, rows)
    place, size, left = skips_torch(indptr, indices, keys, rows, extra, cumulative)
    words = words_at(row_keys, k)
    ids = torch.zeros((len(rows), k), dtype=torch.int64, device=rows.device)
    found = torch.zeros_like(rows)
    for j in range(k):
        some = left > 0
        order = place.argsort(1)
        place, size = place.gather(1, order), size.gather(1, order)
        at = bounded(words[:, j], left)
        for s in range(place.shape[1]):
            at = at + torch.where(at >= place[:, s], size[:, s], 0)
        count = count_torch(indptr, keys, rows, at[:, None] + 1)
        passed = passed_torch(indices, keys, start, count, cumulative)[:, 0]
        drawn = torch.where(some, search_torch(cumulative, at + passed), 0)
        weight = torch.where(some, cumulative[drawn + 1] - cumulative[drawn], 0)
        ids[:, j] = drawn
        found += some.long()
        place = torch.cat([place, (cumulative[drawn] - passed)[:, None]], 1)
        size = torch.cat([size, weight[:, None]], 1)
        left = left - weight
    return ids, found


@compiled
def _complement_weighted_distinct(
    begin, end, indptr, indices, keys, rows, extra, cumulative, guide, shift, row_keys, ids, found
):
    k = ids.shape[1]
    place, size = np.zeros(k + 2, dtype=np.int64), np.zeros(k + 2, dtype=np.int64)
    for b in range(begin, end):
        start, stop = np.int64(0), np.int64(0)
        if rows[b] >= 0:
            start, stop = indptr[rows[b]], indptr[rows[b] + 1]
        left = skips(indices, keys, start, stop, extra[b], cumulative, place, size)
        num = 0
        for s in range(extra.shape[1]):
            if size[s] > 0:
                place[num], size[num] = place[s], size[s]
                num += 1
        found[b] = 0
        for j in range(k):
            ids[b, j] = 0
            if left == 0:
                continue
            at, below = _bounded(word_at(row_keys[b], j), left), 0
            for s in range(num):
                if at >= place[s]:
                    at += size[s]
                    below = s + 1
            passed = passed_weight(indices, keys, start, num_passed(keys, start, stop, at), cumulative)
            drawn = guided(cumulative, guide, shift, at + passed)
            for s in range(num, below, -1):
                place[s], size[s] = place[s - 1], size[s - 1]
            place[below] = cumulative[drawn] - passed
            size[below] = cumulative[drawn + 1] - cumulative[drawn]
            left -= size[below]
            num += 1
            ids[b, j] = drawn
            found[b] += 1
