"""Keyed streams: the words against Python's big integers, and against chance."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2
from torch import Tensor

from graphns.streams import GOLDEN, MASK_64, Stream, bounded, mix, mix_tensor, to_signed, unit, unit_open, words_at

SEEDS = (0, 1, 2)
words64 = st.integers(0, MASK_64)


def unsigned(word: int) -> int:
    return word & MASK_64


def oracle_word(key: int, slot: int) -> int:
    """Splitmix64 by its definition, on Python integers: the slot-th step after the state `key`."""
    return mix((unsigned(key) + (slot + 1) * GOLDEN) & MASK_64)


def check_uniform(values: Tensor, cells: int, significance: float = 1e-6) -> None:
    counts = torch.bincount(values.flatten(), minlength=cells).double()
    expected = values.numel() / cells
    statistic = float(((counts - expected) ** 2 / expected).sum())
    assert chi2.sf(statistic, cells - 1) > significance, f"chi-square {statistic:.1f} in {cells} cells"


def test_splitmix64_reference_words() -> None:
    """The first words of the published generator from seed 1234567."""
    want = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [oracle_word(1234567, slot) for slot in range(4)] == want
    got = words_at(torch.tensor([1234567]), 4)[0].tolist()
    assert [unsigned(word) for word in got] == want


@given(words64)
def test_mix_tensor_is_mix(word: int) -> None:
    assert unsigned(int(mix_tensor(torch.tensor(to_signed(word))))) == mix(word)


@given(words64, st.integers(0, 2**40))
def test_words_are_the_oracles(key: int, slot: int) -> None:
    got = int(words_at(torch.tensor([to_signed(key)]), 1, first_slot=slot))
    assert unsigned(got) == oracle_word(key, slot)


def test_words_counted_from_a_later_slot_are_the_same() -> None:
    stream, row = Stream(7, 3), torch.tensor([5, 0, 2**40])
    assert torch.equal(stream.words(row, 10)[:, 4:], stream.words(row, 6, first_slot=4))


@given(words64, st.integers(0, 2**63 - 1))
def test_bounded_is_multiply_high(word: int, high: int) -> None:
    got = int(bounded(torch.tensor(to_signed(word)), high))
    assert got == (word * high) >> 64


@pytest.mark.parametrize("high", [0, 1, 2, 3, 2**31 - 1, 2**31, 2**32, 2**32 + 1, 2**62, 2**63 - 1])
@pytest.mark.parametrize("word", [0, 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, MASK_64])
def test_bounded_at_the_edges(word: int, high: int) -> None:
    assert int(bounded(torch.tensor(to_signed(word)), high)) == (word * high) >> 64


def test_bounded_broadcasts_over_rows() -> None:
    words = Stream(0).words(torch.arange(3), 4)
    high = torch.tensor([[1], [10], [2**40]])
    got = bounded(words, high)
    assert got.shape == (3, 4) and bool((got >= 0).all()) and bool((got < high).all())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("cells", [7, 64, 1000])
def test_bounded_words_are_uniform(seed: int, cells: int) -> None:
    check_uniform(bounded(Stream(seed).words(torch.arange(2000), 50), cells), cells)


@pytest.mark.parametrize("seed", SEEDS)
def test_neighbouring_slots_rows_steps_and_seeds_are_independent(seed: int) -> None:
    """Pairs of 3-bit numbers from neighbours along each coordinate of the key fill their 64 cells evenly."""
    row = torch.arange(3000)
    here = bounded(Stream(seed, 1).words(row, 20), 8)
    for other in (
        bounded(Stream(seed, 1).words(row, 20, first_slot=1), 8),
        bounded(Stream(seed, 1).words(row + 1, 20), 8),
        bounded(Stream(seed, 2).words(row, 20), 8),
        bounded(Stream(seed + 1, 1).words(row, 20), 8),
        bounded(Stream(seed, 1).child(0).words(row, 20), 8),
    ):
        check_uniform(here * 8 + other, 64)


@pytest.mark.parametrize("seed", SEEDS)
def test_low_and_high_bits_are_uniform(seed: int) -> None:
    words = Stream(seed).words(torch.arange(2000), 40)
    check_uniform(words & 0xFF, 256)
    check_uniform((words >> 56) & 0xFF, 256)


def test_unit_numbers() -> None:
    words = torch.tensor([0, -1, to_signed(1 << 63), 2047])
    assert unit(words).tolist() == [0.0, 1 - 2.0**-53, 0.5, 0.0]
    assert unit(words).dtype == torch.float64
    low = unit_open(words)
    assert bool((low > 0).all()) and bool(torch.isfinite(low.log()).all()) and bool((low[[0, 2, 3]] < 1).all())


def test_unit_open_is_never_one() -> None:
    assert float(unit_open(torch.tensor(-1))) < 1.0


def test_row_keys_are_distinct() -> None:
    for stream in (Stream(0), Stream(0, 1), Stream(-1), Stream(2**64 - 1, 10**9)):
        row = torch.cat([torch.arange(100_000), torch.tensor([2**31, 2**40, 2**62])])
        assert len(stream.row_keys(row).unique()) == len(row)


def test_streams_with_equal_names_are_the_same_stream() -> None:
    assert Stream(5, 2) == Stream(5, 2) and Stream(5, 2).key == Stream(5, 2).key
    assert Stream(5).at(2) == Stream(5, 2)
    # seeds are taken modulo 2^64
    assert Stream(5 + 2**64).key == Stream(5).key


def test_keys_of_seeds_steps_and_children_are_distinct() -> None:
    streams = [Stream(seed, step) for seed in range(30) for step in range(30)]
    children = [s.child(*path) for s in streams[:200] for path in ((0,), (1,), (2,), (0, 0), (0, 1), (1, 0))]
    keys = [s.key for s in streams] + [s.key for s in children]
    assert len(set(keys)) == len(keys)


def test_child_of_child_is_the_path() -> None:
    assert len({Stream(0).child(1).key, Stream(0).child(1, 2).key, Stream(0).child(2, 1).key}) == 3
    assert Stream(3).child(4) == Stream(3).child(4)


def test_from_torch_follows_the_generator_and_nothing_else() -> None:
    torch.manual_seed(11)
    first = Stream.from_torch()
    second = Stream.from_torch()
    torch.manual_seed(11)
    assert Stream.from_torch() == first and first != second
    generator = torch.Generator().manual_seed(3)
    before = torch.get_rng_state()
    own = Stream.from_torch(generator)
    assert torch.equal(before, torch.get_rng_state())
    assert Stream.from_torch(torch.Generator().manual_seed(3)) == own


def test_streams_can_be_keys_and_cannot_change() -> None:
    assert {Stream(1): "a"}[Stream(1)] == "a"
    with pytest.raises(AttributeError, match="cannot assign"):
        Stream(1).seed = 2  # type: ignore[misc]
