"""Keyed random streams: every draw is a pure function of (seed, step, row, slot).

A stream holds no state, so the same key gives the same integers for any number of threads, loader workers or
processes, and on any device. The generator is splitmix64 (Steele, Lea and Flood, OOPSLA 2014): each row starts a
sequence of its own from a hashed key, each slot is one step of it. Torch has no unsigned 64-bit arithmetic, so the
words are int64 with wrap-around; `kernels/bits.py` computes the same words in Numba.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MASK_64 = (1 << 64) - 1
MASK_32 = (1 << 32) - 1
GOLDEN = 0x9E3779B97F4A7C15
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB


def to_signed(word: int) -> int:
    """The int64 with the same 64 bits as the unsigned `word`."""
    word &= MASK_64
    return word - (1 << 64) if word >> 63 else word


def mix(word: int) -> int:
    """The splitmix64 finaliser on a Python integer: 64 bits in, 64 well-mixed bits (unsigned) out."""
    word &= MASK_64
    word = ((word ^ (word >> 30)) * MIX_1) & MASK_64
    word = ((word ^ (word >> 27)) * MIX_2) & MASK_64
    return word ^ (word >> 31)


def _shift_right(words: Tensor, by: int) -> Tensor:
    # torch shifts int64 arithmetically; the mask clears the copies of the sign bit
    return (words >> by) & ((1 << (64 - by)) - 1)


def mix_tensor(words: Tensor) -> Tensor:
    """The splitmix64 finaliser on int64 words, element by element."""
    words = (words ^ _shift_right(words, 30)) * to_signed(MIX_1)
    words = (words ^ _shift_right(words, 27)) * to_signed(MIX_2)
    return words ^ _shift_right(words, 31)


@dataclass(frozen=True)
class Stream:
    """A source of random words, named by a seed and a step.

    Two streams with equal `seed` and `step` are the same stream. A training loop makes one stream per step; whatever
    needs an independent source inside a step takes a `child`.

    Args:
        seed: any integer; reduced modulo 2^64.
        step: the number of the training step, epoch or batch; any integer.

    Example:
        >>> stream = Stream(seed=0, step=3)
        >>> bool((stream.words(torch.arange(2), 4) == stream.words(torch.arange(2), 4)).all())
        True
    """

    seed: int
    step: int = 0

    @property
    def key(self) -> int:
        """The 64-bit key of this stream, as a signed integer."""
        return to_signed(mix(mix(self.seed + GOLDEN) + self.step * GOLDEN))

    def child(self, *path: int) -> Stream:
        """An independent stream for a named purpose inside this one: the part of a mixture, the second pass."""
        key = self.key
        for tag in path:
            key = mix(mix(key) ^ ((tag + 1) * GOLDEN))
        return Stream(to_signed(key), 0)

    def at(self, step: int) -> Stream:
        """The stream of the same seed at another step."""
        return Stream(self.seed, step)

    def row_keys(self, row: Tensor) -> Tensor:
        """Keys [B] int64 of the rows `row` [B]: where each row's own sequence starts."""
        return mix_tensor((row + 1) * to_signed(GOLDEN) + self.key)

    def words(self, row: Tensor, num_slots: int, first_slot: int = 0) -> Tensor:
        """Random words [B, num_slots] int64, all 64 bits uniform, counting slots from first_slot."""
        return words_at(self.row_keys(row), num_slots, first_slot)

    @staticmethod
    def from_torch(generator: torch.Generator | None = None) -> Stream:
        """One stream keyed by one draw from `generator`, or from torch's default generator.

        So `torch.manual_seed` and PyG's `seed_everything` govern a query made without a stream.
        """
        device = generator.device if generator is not None else None
        drawn = torch.randint(-(2**63), 2**63 - 1, (1,), generator=generator, device=device)
        return Stream(int(drawn.item()))


def words_at(row_keys: Tensor, num_slots: int, first_slot: int = 0) -> Tensor:
    """Random words [B, num_slots] of rows whose keys are given: the steps of splitmix64 after first_slot."""
    slot = torch.arange(first_slot + 1, first_slot + num_slots + 1, device=row_keys.device)
    return mix_tensor(row_keys[:, None] + slot * to_signed(GOLDEN))


def bounded(words: Tensor, high: Tensor | int) -> Tensor:
    """Integers in [0, high) from uniform words: floor(words · high / 2^64), Lemire's multiply-high.

    Each value's probability is within 2^-64 of 1 / high: no rejection, so one word always gives one integer.

    Args:
        words: int64, any shape, all 64 bits used as an unsigned number.
        high: int64 of a shape that broadcasts, or an integer, in [0, 2^63). Zero gives 0.
    """
    high = torch.as_tensor(high, dtype=torch.int64, device=words.device)
    u_high, u_low = _shift_right(words, 32), words & MASK_32
    n_high, n_low = high >> 32, high & MASK_32
    # 64 x 64 -> high 64 bits, from 32-bit halves; no partial sum passes 2^64, and shifts are logical
    middle = u_high * n_low + _shift_right(u_low * n_low, 32)
    other = u_low * n_high + (middle & MASK_32)
    return u_high * n_high + _shift_right(middle, 32) + _shift_right(other, 32)


def unit(words: Tensor) -> Tensor:
    """Float64 numbers in [0, 1) with 53 random bits, from uniform words."""
    return _shift_right(words, 11).to(torch.float64) * 2.0**-53


def unit_open(words: Tensor) -> Tensor:
    """Float64 numbers in (0, 1), neither 0 nor 1: safe under a logarithm, or two. 52 random bits."""
    return (_shift_right(words, 12).to(torch.float64) + 0.5) * 2.0**-52
