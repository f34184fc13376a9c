"""Distinct draws in rounds: all versions agree, whatever the size of a part, and the rounds end."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from graphns.kernels import edge_filter, rounds
from graphns.kernels.rounds import distinct_in_rounds, rounds_torch
from graphns.streams import Stream
from tests.kernels.plain import run_as_python


def ranges(sizes: list[int], slots: list[int]) -> tuple[Tensor, Tensor]:
    size, count = torch.tensor(sizes), torch.tensor(slots)
    return size.repeat_interleave(count), (size.cumsum(0) - size).repeat_interleave(count)


CASES = {
    "one": ([100_000], [40_000]),
    "half of each": ([2, 40, 1000, 9], [1, 20, 500, 4]),
    "wide": ([2**40, 2**62], [20_000, 20_000]),
    "none": ([5], [0]),
    "a single slot": ([1], [1]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_compiled_and_torch_agree(case: str, seed: int) -> None:
    high, low = ranges(*CASES[case])
    values = distinct_in_rounds(high, low, Stream(seed))
    assert torch.equal(values, rounds_torch(high, low, Stream(seed)))
    assert len(values.unique()) == len(values)
    assert bool(((values >= low) & (values < low + high)).all())


@pytest.mark.parametrize("part_bits", [1, 5, 9, 13, 30])
def test_the_size_of_a_part_changes_nothing(part_bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    high, low = ranges([3000, 70_000], [1400, 35_000])
    want = rounds_torch(high, low, Stream(3))
    monkeypatch.setattr(rounds, "_PART_BITS", part_bits)
    assert torch.equal(distinct_in_rounds(high, low, Stream(3)), want)


def test_a_full_part_falls_back_to_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    in_parts = rounds._in_parts

    def spied(high: Tensor, low: Tensor, stream: Stream, bits: int, part_bits: int) -> Tensor | None:
        tried.append(in_parts(high, low, stream, bits, part_bits))
        return tried[-1]

    monkeypatch.setattr(rounds, "_PART_BITS", 1)  # two places a part: by chance more than two come to some
    monkeypatch.setattr(rounds, "_in_parts", spied)
    high, low = ranges([500], [200])
    values = distinct_in_rounds(high, low, Stream(0))
    assert tried[0] is None and len(tried) == 2
    assert torch.equal(values, rounds_torch(high, low, Stream(0)))


def test_many_rounds_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # a stream of few words: most slots collide at first, and redraw until every value is another
    monkeypatch.setattr(rounds, "bounded_torch", lambda words, high: (words % (high // 4) + (words >> 60) % 4) % high)
    assert len(rounds_torch(torch.full((9,), 40), torch.zeros(9, dtype=torch.int64), Stream(0)).unique()) == 9


def test_expanded_bounds_and_threads_do_not_matter() -> None:
    size = torch.tensor([10**12])
    high, low = size.expand(70_000), torch.zeros_like(size).expand(70_000)
    threads = torch.get_num_threads()
    found = []
    for number in (1, 2):
        torch.set_num_threads(number)
        found.append(distinct_in_rounds(high, low, Stream(1)))
    torch.set_num_threads(threads)
    found.append(distinct_in_rounds(high.contiguous(), low.contiguous(), Stream(1)))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_the_loops_as_python(monkeypatch: pytest.MonkeyPatch) -> None:
    high, low = ranges([60, 40], [30, 20])
    want = rounds_torch(high, low, Stream(2))
    run_as_python(monkeypatch, rounds, edge_filter)
    for part_bits in (4, 30):
        monkeypatch.setattr(rounds, "_PART_BITS", part_bits)
        assert torch.equal(distinct_in_rounds(high, low, Stream(2)), want)
