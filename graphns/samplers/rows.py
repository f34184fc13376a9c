"""Some of a query's rows, and which of them a state keeps where an anchor has several."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from graphns.base import Query


def part_of(query: Query, at: Tensor) -> Query:
    """The question for the pairs at places [n], with the draws that they have in the whole."""
    time = None if query.time is None else query.time[at]
    return replace(query, anchor=query.anchor[at], positive=query.positive[at], row=query.row[at], time=time)


def latest(rows: Tensor) -> Tensor:
    """The last place [U] int64 of each distinct row of rows [B], by rising row; rows of -1 have none.

    So a write per place is a write per row: nothing hangs on the order in which a device writes.

    Example:
        >>> latest(torch.tensor([4, 2, -1, 4, 2, 0]))
        tensor([5, 4, 3])
    """
    order = rows.argsort(stable=True)
    ordered = rows[order]
    last = torch.ones_like(ordered, dtype=torch.bool)
    last[:-1] = ordered[1:] != ordered[:-1]
    return order[last & (ordered >= 0)]
