"""Running a compiled loop over blocks of rows on several threads, safe to fork.

Every compiled kernel has the form `kernel(start, stop, *arrays)`, is `nogil`, and writes only rows start … stop-1.
Its draws are keyed by row, so any cut into blocks gives the same answer. Python threads carry the blocks: OpenMP, which
Numba's own parallel loops use, refuses to run in a child that was forked after a parallel call, and that is how
PyTorch's loaders make their workers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import torch
from torch.utils.data import get_worker_info

_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    # threads do not survive a fork: the child starts a pool of its own
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def num_threads() -> int:
    """Threads a kernel may use: torch's number, and 1 in a loader worker, which has its siblings for company."""
    return 1 if get_worker_info() is not None else torch.get_num_threads()


def run(kernel: Callable[..., None], rows: int, *arrays: Any, cost: int = 1) -> None:
    """Call `kernel(start, stop, *arrays)` over blocks that cover 0 … rows-1.

    Args:
        kernel: a compiled, nogil loop over rows.
        rows: how many rows there are.
        arrays: its further arguments.
        cost: about how many draws a row makes; below some 2^15 in all, one thread is faster than two.
    """
    global _pool
    threads = min(num_threads(), rows)
    if threads <= 1 or rows * cost < 1 << 15:
        kernel(0, rows, *arrays)
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="graphns")
    # a few blocks a thread, because rows of hubs cost more than others
    blocks = threads * (4 if rows * cost >= 1 << 18 else 1)
    take = count().__next__  # one C call, so no two threads get the same number

    def work() -> None:
        while (block := take()) < blocks:
            kernel(rows * block // blocks, rows * (block + 1) // blocks, *arrays)

    # the caller is one of the threads: one more than there are cores would share a core with another, and the
    # scheduler takes longer to notice than a kernel to run
    helpers = [_pool.submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        for helper in helpers:
            if not helper.cancel():  # one that has not begun is not waited for: its blocks are done
                helper.result()
