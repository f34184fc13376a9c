"""How fast this machine reads cache lines at random places: the limit of every kernel that waits for memory."""

from __future__ import annotations

import time

import numpy as np
import torch

from graphns.kernels.bits import bounded, compiled, prefetch, word_at
from graphns.kernels.threads import run

LINE = 8  # int64 numbers in a cache line of 64 bytes


@compiled
def _gather(begin, end, table, key, total):
    """Read table lines at random places, each named by a word of its own, so that none waits for another."""
    ahead = 64
    places = np.empty(ahead, dtype=np.int64)
    lines = table.shape[0] // 8
    for i in range(begin, min(begin + ahead, end)):
        places[i % ahead] = bounded(word_at(key, i), lines) * 8
        prefetch(table, places[i % ahead])
    found = np.int64(0)
    for i in range(begin, end):
        found += table[places[i % ahead]]
        if i + ahead < end:
            places[i % ahead] = bounded(word_at(key, i + ahead), lines) * 8
            prefetch(table, places[i % ahead])
    total[begin] = found


def rate(num_bytes: int, reads: int, threads: int, repeats: int = 5) -> float:
    """Lines per second: the best of some repeats, for the limit is what the machine can do.

    Args:
        num_bytes: size of the array; many times the last-level cache.
        reads: random reads per repeat.
        threads: how many threads read.
    """
    table = np.arange(num_bytes // 8, dtype=np.int64)  # written, so that its pages exist
    total = np.zeros(reads, dtype=np.int64)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        run(_gather, reads, table, 1, total)
        seconds = []
        for repeat in range(repeats):
            start = time.perf_counter()
            run(_gather, reads, table, 2 + repeat, total)
            seconds.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return reads / min(seconds)
