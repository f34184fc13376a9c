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
from graphns.kernels.query import ROWS, ROWS_AT_ONCE, SLOTS, prepare
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
    k: int, *, exclude_row: bool, exclude_anchor: bool, edge_filter: Tensor | None = None,
) -> Drawn | None:
    """Draw k ids per anchor in proportion to their weights, outside what is excluded; CPU tensors only.

    Args:
        indptr: [R + 1] int64 row starts.
        indices: [E] int32 or int64, each row sorted and without duplicates.
        tables: of the weights.
        anchor: [B] int64.
        positive: [B] int64, excluded.
        row: [B] int64 names of the rows' random sequences.
        stream: the randomness.
        k: draws per anchor.
        exclude_row: the anchor's row.
        exclude_anchor: the anchor itself.
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
        exclude_row, exclude_anchor, filter_words(edge_filter), ids.numpy(), left.numpy(), log_prob.numpy(), outside,
        cost=2 * k + 4)
    return None if outside[0] else Drawn(ids, left, log_prob)


@compiled
def _weighted(begin, end, indptr, indices, cumulative, weight_keys, guide, shift, entry, logs, bits, row_weight, anchor,
              positive, row, key, exclude_row, exclude_anchor, words, ids, left, log_prob, outside):
    rows, keys = np.empty(ROWS_AT_ONCE, np.int64), np.empty(ROWS_AT_ONCE, np.uint64)
    extra = np.empty((ROWS_AT_ONCE, 2 if exclude_anchor else 1), np.int64)
    for base in range(begin, end, ROWS_AT_ONCE):
        size = min(ROWS_AT_ONCE, end - base)
        if not prepare(anchor, positive, row, base, size, indptr, key, exclude_row, exclude_anchor, True, rows, extra,
                       keys):
            outside[0] = True
        for low in range(0, size, ROWS):
            high = min(low + ROWS, size)
            for b in range(high, min(high + ROWS, size)):
                prefetch(indptr, np.uint64(max(rows[b], 0)))
            at = base + low
            _block(indptr, indices, cumulative, weight_keys, guide, shift, entry, logs, bits, row_weight,
                   rows[low:high], extra[low:high], keys[low:high], words, ids[at : at + high - low],
                   left[at : at + high - low], log_prob[at : at + high - low])


@compiled
def _block(indptr, indices, cumulative, weight_keys, guide, shift, entry, logs, bits, row_weight, rows, extra, keys,
           words, ids, left, log_prob):
    total = np.uint64(cumulative[-1])
    size, k = ids.shape
    start, degree = np.empty(ROWS, np.uint64), np.empty(ROWS, np.uint64)
    log_left = np.empty(ROWS, np.float32)
    drawn, at = np.empty((SLOTS, ROWS), np.uint64), np.empty((SLOTS, ROWS), np.uint64)
    bucket, bit = np.empty((SLOTS, ROWS), np.uint64), np.empty((SLOTS, ROWS), np.uint32)
    place, gone = np.zeros(2, np.int64), np.zeros(2, np.int64)
    for i in range(size):
        r = np.uint64(max(rows[i], 0))
        start[i] = np.uint64(indptr[r])
        degree[i] = np.uint64(indptr[r + _1]) - start[i] if rows[i] >= 0 else np.uint64(0)
        prefetch(row_weight, r)
    _weight_left(indices, cumulative, row_weight, rows, extra, words, start, degree, left)
    for i in range(size):
        log_left[i] = np.log(np.float64(left[i]) / np.float64(total)) if left[i] > 0 else 0.0
    below, two = (_1 << bits) - _1, (_1 << (bits + _1)) - _1
    for slot in range(0, k, SLOTS):
        slots = min(SLOTS, k - slot)
        for j in range(slots):
            step = np.uint64(slot + j + 1) * GOLDEN
            for i in range(size):
                drawn[j, i] = product_high(mix(keys[i] + step), total)
                bucket[j, i] = drawn[j, i] >> bits
            for i in range(size):
                prefetch(entry, bucket[j, i] << _1)
        for j in range(slots):
            for i in range(size):
                packed = np.uint64(entry[bucket[j, i] << _1])
                own = (drawn[j, i] & below) < (packed & two)
                drawn[j, i] = bucket[j, i] if own else packed >> (bits + _1)
                share = logs[(bucket[j, i] << _2) + (_2 if own else _3)]
                log_prob[i, slot + j] = share - log_left[i]
                code = edge_code(drawn[j, i])
                at[j, i] = word_of(code, start[i], degree[i])
                bit[j, i] = pattern(code)
            if words.shape[0] > 0:
                for i in range(size):
                    prefetch(words, at[j, i])
        for j in range(slots):
            for i in range(size):
                value = np.int64(drawn[j, i])
                ids[i, slot + j] = value
                hit = (value == extra[i, 0]) | (value == extra[i, extra.shape[1] - 1]) | (left[i] == 0)
                if not hit and (words.shape[0] == 0 or (words[at[j, i]] & bit[j, i]) == bit[j, i]):
                    hit = holds(indices, start[i], start[i] + degree[i], value)
                if hit:
                    ids[i, slot + j] = 0
                    log_prob[i, slot + j] = 0.0
                    if left[i] > 0:
                        skips(indices, weight_keys, np.int64(start[i]), np.int64(start[i] + degree[i]), extra[i],
                              cumulative, place, gone)
                        word = mix(keys[i] + np.uint64(k + slot + j + 1) * GOLDEN)
                        value = _among_others(indices, weight_keys, np.int64(start[i]),
                                              np.int64(start[i] + degree[i]), extra.shape[1], cumulative, guide, shift,
                                              place, gone, bounded(word, left[i]))
                        ids[i, slot + j] = value
                        weight = cumulative[np.uint64(value) + _1] - cumulative[np.uint64(value)]
                        log_prob[i, slot + j] = np.log(np.float64(weight) / np.float64(left[i]))


@compiled
def _weight_left(indices, cumulative, row_weight, rows, extra, words, start, degree, left):
    """The weight of each row's candidates."""
    for i in range(len(rows)):
        left[i] = cumulative[-1]
        if rows[i] >= 0:
            left[i] -= row_weight[np.uint64(rows[i])]
        for s in range(extra.shape[1]):
            prefetch(cumulative, np.uint64(max(extra[i, s], 0)))
    valid = np.empty((2, ROWS), np.uint64)
    for s in range(extra.shape[1]):
        keep_valid(indices, start, degree, extra, s, cumulative.shape[0] - 1, words, valid[s])
        for i in range(len(rows)):
            value = valid[s, i]
            if value != _NONE and not (s > 0 and value == valid[0, i]):
                left[i] -= cumulative[value + _1] - cumulative[value]


@compiled
def _among_others(indices, weight_keys, start, stop, num_skips, cumulative, guide, shift, place, gone, number):
    """The id of a number below the weight left, given what `skips` wrote."""
    for s in range(num_skips):
        if number >= place[s]:
            number += gone[s]
    number += passed_weight(indices, weight_keys, start, num_passed(weight_keys, start, stop, number), cumulative)
    return guided(cumulative, guide, shift, number)
