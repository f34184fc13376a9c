"""One query and its answer at a frozen model: a part of its rows, and how fast it is drawn."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import torch

from graphns.base import Negatives, Query, Sampler

_SPEED = 103  # a stream of the audit, apart from those of training
_SECONDS = 0.3  # of drawing, for the speed


def speed(sampler: Sampler, query: Query) -> float:
    """Usable (anchor, negative) pairs a second, drawing alone."""
    count, spent, number = 0, 0.0, 0
    while spent < _SECONDS:
        asked = replace(query, stream=query.stream.child(_SPEED, number))
        start = time.perf_counter()
        negatives = sampler(asked)
        spent += time.perf_counter() - start
        count += int(negatives.mask.sum())
        number += 1
    return count / spent if count else math.nan


def some_rows(query: Query, negatives: Negatives, most: int) -> tuple[Query, Negatives]:
    """A part of the rows, spread evenly, where there are more than so many."""
    if query.batch_size <= most:
        return query, negatives
    rows = torch.arange(most, device=query.device) * query.batch_size // most
    ids = negatives.ids if len(negatives.ids) == 1 else negatives.ids[rows]
    some = replace(query, anchor=query.anchor[rows], positive=query.positive[rows], row=query.row[rows])
    return some, Negatives(ids, None, negatives.mask[rows])
