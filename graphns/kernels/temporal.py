"""Where the past ends in rows that are sorted by time."""

from __future__ import annotations

from torch import Tensor

from graphns.kernels.bits import compiled, prefetch
from graphns.kernels.memory import empty
from graphns.kernels.threads import run
from graphns.kernels.walks import first_above


def past_stop(times: Tensor, first: Tensor, stop: Tensor, asked: Tensor) -> Tensor:
    """The first position in times[first:stop] whose time is after the one asked, or `stop`.

    Args:
        times: [E] numbers, rising within each row.
        first: [B] int64 row starts.
        stop: [B] int64 row ends.
        asked: [B] numbers; an equal time is in the past.

    Returns:
        [B] int64.
    """
    if times.device.type != "cpu":
        return first_above(times, first, stop, asked)
    found = empty(len(first))
    run(_past_stop, len(first), times.numpy(), first.numpy(), stop.numpy(), asked.contiguous().numpy(), found.numpy(),
        cost=4)
    return found


@compiled
def _past_stop(begin, end, times, first, stop, asked, found):
    for b in range(begin, end):
        if b + 8 < end and first[b + 8] < stop[b + 8]:
            prefetch(times, (first[b + 8] + stop[b + 8]) >> 1)
        start, size = first[b], stop[b] - first[b]
        while size > 0:
            half = size >> 1
            below = times[start + half] <= asked[b]
            start = start + half + 1 if below else start
            size = size - half - 1 if below else half
        found[b] = start
