"""A whole weighted query in one pass over the CPU: exclusions, row keys, draws and log-probabilities.

The draws are those of `kernels.alias`, block by block, so that the lines they need arrive together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from graphns.kernels.alias import AliasTable
from graphns.kernels.bits import GOLDEN, bounded, compiled, mix, prefetch, product_high
from graphns.kernels.complement import keep_valid
from graphns.kernels.edge_filter import edge_code, filter_words, pattern, word_of
from graphns.kernels.guide import Guide, guided
from graphns.kernels.membership import holds
from graphns.kernels.memory import empty
from graphns.kernels.query import ROWS, ROWS_AT_ONCE, SLOTS, log_share, prepare
from graphns.kernels.threads import run
from graphns.kernels.weighted import num_passed, passed_weight, skips
from graphns.streams import MASK_64, Stream

_1, _2, _3 = np.uint64(1), np.uint64(2), np.uint64(3)
_NONE = np.uint64(0xFFFFFFFFFFFFFFFF)


class Tables(NamedTuple):
    """What is prepared of the weights: see `kernels.weighted` and `kernels.alias`; `row_weight` is `row_weights`."""

    cumulative: Tensor
    keys: Tensor
    guide: Guide
    alias: AliasTable
    row_weight: Tensor


class Drawn(NamedTuple):
    """ids [B, k] int64; left [B] int64, the weight of each row's candidates; log_prob [B, k] float32, 0 without any."""

    ids: Tensor
    left: Tensor
    log_prob: Tensor


def weighted_negatives(
    indptr: Tensor, indices: Tensor, tables: Tables, anchor: Tensor, positive: Tensor, row: Tensor, stream: Stream,
    k: int, *, exclude_row: bool, exclude_anchor: bool, exclude_positive: bool, self_loops: bool = True,
    edge_filter: Tensor | None = None,
) -> Drawn | None:
    """Draw k ids per anchor in proportion to their weights, outside what is excluded; CPU tensors only.

    Args:
        indptr: [R + 1] int64 row starts.
        indices: [E] int32 or int64, each row sorted and without duplicates.
        tables: of the weights.
        anchor: [B] int64.
        positive: [B] int64.
        row: [B] int64 names of the rows' random sequences.
        stream: the randomness.
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
    left = empty(len(anchor))
    log_prob = empty(len(anchor), k, dtype=np.float32)
    entry = tables.alias.entry.numpy().ravel()
    outside = np.zeros(1, dtype=np.bool_)
    run(_weighted, len(anchor), indptr.numpy(), indices.numpy(), tables.cumulative.numpy(), tables.keys.numpy(),
        tables.guide.start.numpy(), tables.guide.shift, entry, entry.view(np.float32), np.uint64(tables.alias.bits),
        tables.row_weight.numpy(), anchor.numpy(), positive.numpy(), row.numpy(), np.uint64(stream.key & MASK_64),
        exclude_row, exclude_anchor, exclude_positive, int(exclude_anchor and not self_loops),
        filter_words(edge_filter), ids.numpy(), left.numpy(), log_prob.numpy(), outside, cost=2 * k + 4)
    return None if outside[0] else Drawn(ids, left, log_prob)


@compiled
def _weighted(begin, end, indptr, indices, cumulative, weight_keys, guide, shift, entry, logs, bits, row_weight, anchor,
              positive, row, key, exclude_row, exclude_anchor, exclude_positive, sure, words, ids, left, log_prob,
              outside):
    total, k = np.uint64(cumulative[-1]), ids.shape[1]
    below, two = (_1 << bits) - _1, (_1 << (bits + _1)) - _1
    rows, keys = np.empty(ROWS_AT_ONCE, np.int64), np.empty(ROWS_AT_ONCE, np.uint64)
    extra = np.full((ROWS_AT_ONCE, 2 if exclude_anchor and exclude_positive else 1), np.int64(-1))
    last = np.uint64(extra.shape[1] - 1)
    start, degree = np.empty(ROWS, np.uint64), np.empty(ROWS, np.uint64)
    log_left = np.empty(ROWS, np.float32)
    drawn, at = np.empty((SLOTS, ROWS), np.uint64), np.empty((SLOTS, ROWS), np.uint64)
    bucket, bit = np.empty((SLOTS, ROWS), np.uint64), np.empty((SLOTS, ROWS), np.uint32)
    place, gone, valid = np.zeros(2, np.int64), np.zeros(2, np.int64), np.empty((2, ROWS), np.uint64)
    room, sought = np.empty((4, ROWS), np.uint64), np.empty(ROWS, np.int64)
    first, second = np.empty(ROWS, np.uint64), np.empty(ROWS, np.uint64)
    found, hit, packed = np.empty(ROWS, np.uint32), np.empty(ROWS, np.bool_), np.empty(ROWS, np.uint64)
    filtered = words.shape[0] > 0
    for base in range(begin, end, ROWS):
        low = (base - begin) % ROWS_AT_ONCE
        if low == 0 and not prepare(anchor, positive, row, base, min(ROWS_AT_ONCE, end - base), indptr, key,
                                    exclude_row, exclude_anchor, exclude_positive, rows, extra, keys):
            outside[0] = True
        size = min(ROWS, end - base)
        for i in range(low + size, min(low + size + ROWS, ROWS_AT_ONCE, low + end - base)):
            prefetch(indptr, np.uint64(max(rows[i], 0)))
        for i in range(size):
            r = np.uint64(max(rows[low + i], 0))
            start[i] = np.uint64(indptr[r])
            degree[i] = np.uint64(indptr[r + _1]) - start[i] if rows[low + i] >= 0 else np.uint64(0)
            prefetch(row_weight, r)
        _weight_left(indices, cumulative, row_weight, rows[low : low + size], extra[low : low + size], words, sure,
                     start, degree, valid, left[base : base + size], room, sought)
        for i in range(size):
            weight = left[base + i]
            log_left[i] = log_share(weight, cumulative[-1]) if weight > 0 else 0.0
            first[i], second[i] = np.uint64(extra[low + i, 0]), np.uint64(extra[low + i, last])
        none_left = left[base : base + size].min() == 0
        for slot in range(0, k, SLOTS):
            slots = min(SLOTS, k - slot)
            for j in range(slots):
                step = np.uint64(slot + j + 1) * GOLDEN
                for i in range(size):
                    drawn[j, i] = product_high(mix(keys[low + i] + step), total)
                    bucket[j, i] = drawn[j, i] >> bits
                for i in range(size):
                    prefetch(entry, bucket[j, i] << _1)
            for j in range(slots):
                for i in range(size):
                    packed[i] = entry[bucket[j, i] << _1]
                for i in range(size):  # no load and no branch: all rows at once
                    own = (drawn[j, i] & below) < (packed[i] & two)
                    drawn[j, i] = bucket[j, i] if own else packed[i] >> (bits + _1)
                    bucket[j, i] = (bucket[j, i] << _2) + (_2 if own else _3)
                    code = edge_code(drawn[j, i])
                    at[j, i] = word_of(code, start[i], degree[i])
                    bit[j, i] = pattern(code)
                for i in range(size):
                    log_prob[base + i, slot + j] = logs[bucket[j, i]] - log_left[i]
                if filtered:
                    for i in range(size):
                        prefetch(words, at[j, i])
            for j in range(slots):
                for i in range(size):
                    ids[base + i, slot + j] = drawn[j, i]
                    found[i] = words[at[j, i]] if filtered else bit[j, i]
                some = False  # in few blocks, so that the others compare all rows at once
                for i in range(size):
                    hit[i] = (found[i] & bit[j, i]) == bit[j, i]
                    hit[i] |= (drawn[j, i] == first[i]) | (drawn[j, i] == second[i]) | none_left
                    some |= hit[i]
                if not some:
                    continue
                for i in range(size):
                    value = np.int64(drawn[j, i])
                    own = (drawn[j, i] == first[i]) | (drawn[j, i] == second[i])
                    if hit[i] and (own or left[base + i] == 0 or holds(indices, start[i], start[i] + degree[i], value)):
                        word = mix(keys[low + i] + np.uint64(k + slot + j + 1) * GOLDEN)
                        ids[base + i, slot + j], log_prob[base + i, slot + j] = _among_others(
                            indices, weight_keys, np.int64(start[i]), np.int64(start[i] + degree[i]), extra[low + i],
                            cumulative, guide, shift, place, gone, left[base + i], word)


@compiled
def _weight_left(indices, cumulative, row_weight, rows, extra, words, sure, start, degree, valid, left, room, sought):
    """The weight of each row's candidates."""
    for i in range(len(rows)):
        for s in range(extra.shape[1]):
            prefetch(cumulative, np.uint64(max(extra[i, s], 0)))
        left[i] = cumulative[-1]
        if rows[i] >= 0:
            left[i] -= row_weight[np.uint64(rows[i])]
    for s in range(extra.shape[1]):
        keep_valid(indices, start, degree, extra, s, sure, cumulative.shape[0] - 1, words, valid[s], room, sought)
        for i in range(len(rows)):
            value = valid[s, i]
            if value != _NONE and not (s > 0 and value == valid[0, i]):
                left[i] -= cumulative[value + _1] - cumulative[value]


@compiled
def _among_others(indices, weight_keys, start, stop, extra, cumulative, guide, shift, place, gone, left, word):
    """An id of the weight left, and its log-probability; 0 and 0 where no weight is left."""
    if left == 0:
        return np.int64(0), np.float32(0.0)
    skips(indices, weight_keys, start, stop, extra, cumulative, place, gone)
    number = bounded(word, left)
    for s in range(len(extra)):
        if number >= place[s]:
            number += gone[s]
    number += passed_weight(indices, weight_keys, start, num_passed(weight_keys, start, stop, number), cumulative)
    value = guided(cumulative, guide, shift, number)
    weight = cumulative[np.uint64(value) + _1] - cumulative[np.uint64(value)]
    return value, np.float32(np.log(np.float64(weight) / np.float64(left)))
