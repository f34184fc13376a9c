"""Blocks of rows on several threads: each row once, errors told, and no wait for threads that are busy elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from graphns.kernels import threads


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("cost", [1, 1 << 14, 1 << 18])
def test_every_row_is_done_once(rows: int, cost: int) -> None:
    seen = np.zeros(rows, dtype=np.int64)

    def kernel(begin: int, end: int, into: np.ndarray) -> None:
        into[begin:end] += 1

    threads.run(kernel, rows, seen, cost=cost)
    assert (seen == 1).all()


def test_the_caller_and_one_helper_share_the_blocks() -> None:
    who: set[int] = set()
    both = threading.Barrier(2)

    def kernel(begin: int, end: int) -> None:
        who.add(threading.get_ident())
        if begin in (0, 50):  # each of two threads holds a block: neither can take both
            both.wait(timeout=30)

    threads.run(kernel, 100, cost=1 << 10)
    assert len(who) == 2 and threading.get_ident() in who


@pytest.mark.parametrize("thread", ["caller", "helper"])
def test_an_error_in_any_block_reaches_the_caller(thread: str) -> None:
    caller = threading.get_ident()
    both = threading.Barrier(2)

    def kernel(begin: int, end: int) -> None:
        both.wait(timeout=30)
        if (threading.get_ident() == caller) == (thread == "caller"):
            raise ZeroDivisionError(thread)

    with pytest.raises(ZeroDivisionError, match=thread):
        threads.run(kernel, 2, cost=1 << 15)


def test_busy_threads_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    pool = ThreadPoolExecutor(1)
    monkeypatch.setattr(threads, "_pool", pool)
    pool.submit(release.wait)
    seen = np.zeros(100, dtype=np.int64)

    def kernel(begin: int, end: int, into: np.ndarray) -> None:
        into[begin:end] += 1

    threads.run(kernel, 100, seen, cost=1 << 18)  # would hang
    release.set()
    pool.shutdown()
    assert (seen == 1).all()
