"""Weighted draws with one memory access: Walker's alias table over integer weights, and an exact second draw.

Candidates fill buckets of 2^b numbers. A bucket holds numbers of its own id and of one other, so a number is turned
into its id by one look, and each id has exactly as many numbers as its weight (Vose 1991). The draw is over all
candidates. If it falls on an excluded one, of weight X among W, a second word draws among the others, exactly
(`kernels.weighted`). So candidate i comes with probability

    w_i / W + X / W * w_i / (W - X) = w_i / (W - X),

whatever X is: one look for most, two draws for the rest, no loop.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.bits import compiled
from graphns.kernels.membership import in_rows_torch
from graphns.kernels.memory import empty
from graphns.kernels.weighted import complement_weighted_torch, passed_torch, row_spans, skips_torch
from graphns.streams import bounded, words_at


class AliasTable(NamedTuple):
    """`entry` [M, 2] int64, of the weights 0 … N-1 in `cumulative`, and `bits`, the b of its buckets of 2^b numbers.

    A bucket's first number is alias * 2^(b + 1) + t: numbers below t are the bucket's own, the others its alias's. The
    second holds two float32: the logs of the two ids' shares of the whole weight.
    """

    entry: Tensor
    bits: int


def build_alias(cumulative: Tensor) -> AliasTable:
    """The table of `cumulative` [N + 1] int64, summing below 2^61; made on the CPU for any device.

    M is N + 1 for weights from `fixed_point`, and at most 2N + 1: 16 bytes each.
    """
    total, num = int(cumulative[-1]), len(cumulative) - 1
    weight = cumulative.cpu().diff()
    if total <= num:  # numbers so few that each has a bucket, all its alias's
        bits, size = 0, max(total, num, 1)
        owner = torch.repeat_interleave(torch.arange(num), weight).numpy()
        entry = np.zeros((size, 2), dtype=np.int64)
        entry[: len(owner), 0] = owner << 1
    else:
        # the greatest b with more than N full buckets: the last, which may be partly filled, is then no id's own
        bits = ((total - 1) // num).bit_length() - 1
        entry = empty(-(-total >> bits), 2).numpy()
        own = np.zeros(len(entry), dtype=np.int64)
        own[:num] = weight.numpy()
        _fill_alias(own, total, bits, entry)
    share = np.full(len(entry), -np.inf, dtype=np.float32)
    share[:num] = weight.double().log().numpy() - np.log(max(total, 1))
    logs = entry.view(np.float32)
    logs[:, 2], logs[:, 3] = share, share[entry[:, 0] >> (bits + 1)]
    return AliasTable(torch.from_numpy(entry).to(cumulative.device), bits)


def row_weights(indptr: Tensor, indices: Tensor, keys: Tensor, cumulative: Tensor) -> Tensor:
    """The weight of each row's ids together [R] int64, from `weighted_keys`."""
    rows = torch.arange(len(indptr) - 1, device=indptr.device)
    start, degree = row_spans(indptr, rows)
    whole = passed_torch(indices, keys, start, degree[:, None], cumulative)[:, 0]
    return empty(len(whole)).copy_(whole) if whole.device.type == "cpu" else whole


def alias_complement_torch(
    indptr: Tensor, indices: Tensor, keys: Tensor, rows: Tensor, extra: Tensor, cumulative: Tensor, table: AliasTable,
    row_keys: Tensor, k: int,
) -> tuple[Tensor, Tensor]:
    """The definition, on any device: words 0 … k-1 of a row draw among all, words k … 2k-1 among those not excluded.

    Args:
        indptr, indices, keys, rows, extra, cumulative, row_keys: as for `complement_weighted`.
        table: `build_alias(cumulative)`.
        k: draws per row.

    Returns:
        ids [B, k] int64 and the weight left to each row [B] int64; where that is 0, ids are 0.
    """
    number = bounded(words_at(row_keys, k), cumulative[-1])
    bucket = number >> table.bits
    entry = table.entry[bucket, 0]
    own = (number & ((1 << table.bits) - 1)) < (entry & ((2 << table.bits) - 1))
    ids = torch.where(own, bucket, entry >> (table.bits + 1))
    hit = in_rows_torch(indptr, indices, rows, ids)
    for column in extra.T:
        hit = hit | (ids == column[:, None])
    left = skips_torch(indptr, indices, keys, rows, extra, cumulative)[2]
    again, _ = complement_weighted_torch(indptr, indices, keys, rows, extra, cumulative, row_keys, k, first_slot=k)
    return torch.where((left > 0)[:, None], torch.where(hit, again, ids), 0), left


@compiled
def _fill_alias(weight, total, bits, entry):
    """Fill entry[:, 0] from the weight of each bucket's own id [M], which is used up.

    A bucket that is short of numbers gets all it lacks from one that has too many: more than 2^b, so enough for any.
    """
    num, size = weight.shape[0], np.int64(1) << bits
    last = total - (num - 1) * size  # the numbers of the last bucket
    short, long = np.empty(num, dtype=np.int64), np.empty(num, dtype=np.int64)
    num_short, num_long = 0, 0
    for i in range(num):
        entry[i, 0] = weight[i]
        if weight[i] > size:
            long[num_long] = i
            num_long += 1
        elif weight[i] < size:
            short[num_short] = i
            num_short += 1
    while num_short > 0:
        # what buckets lack and what others have too much is the same in sum, so there is a long one
        num_short -= 1
        at, other = short[num_short], long[num_long - 1]
        lacks = (last if at == num - 1 else size) - weight[at]
        entry[at, 0] = (other << (bits + 1)) | weight[at]
        weight[other] -= lacks
        entry[other, 0] = weight[other]
        if weight[other] <= size:
            num_long -= 1
            if weight[other] < size:
                short[num_short] = other
                num_short += 1
