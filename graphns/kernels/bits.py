"""The words of `graphns.streams` in Numba: the same integers from the same keys, in registers.

Numba turns a mixture of signed and unsigned integers into floating point, so every constant here is a uint64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from graphns.streams import GOLDEN as _GOLDEN
from graphns.streams import MIX_1, MIX_2

GOLDEN = np.uint64(_GOLDEN)
_M1, _M2 = np.uint64(MIX_1), np.uint64(MIX_2)
_27, _30, _31 = np.uint64(27), np.uint64(30), np.uint64(31)
_11 = np.uint64(11)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's compiler as every kernel uses it: without the GIL, cached on disk, C's arithmetic."""
    return numba.njit(nogil=True, cache=True, error_model="numpy")(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `compiled`, for small helpers that every caller takes in."""
    return numba.njit(nogil=True, cache=True, error_model="numpy", inline="always")(function)


@compiled
def mix(word):
    """The splitmix64 finaliser on a uint64."""
    word = (word ^ (word >> _30)) * _M1
    word = (word ^ (word >> _27)) * _M2
    return word ^ (word >> _31)


@compiled
def word_at(row_key, slot):
    """The uint64 word of an int64 row key at a slot: equal to `streams.words_at`."""
    return mix(np.uint64(row_key) + np.uint64(slot + 1) * GOLDEN)


def product_high(a, b):
    """The upper 64 bits of the product of two uint64: one instruction where compiled."""
    return np.uint64((int(a) * int(b)) >> 64)


@intrinsic
def _product_high(typingctx, a, b):
    def codegen(context, builder, signature, args):
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), codegen


@overload(product_high)
def _compiled_product_high(a, b):
    return lambda a, b: _product_high(a, b)


@compiled
def bounded(word, high):
    """floor(word * high / 2^64) for an int64 `high` in [0, 2^63): equal to `streams.bounded`."""
    return np.int64(product_high(np.uint64(word), np.uint64(high)))


@compiled
def unit(word):
    """A float64 in [0, 1) with 53 random bits: equal to `streams.unit`."""
    return np.float64(word >> _11) * 2.0**-53


def prefetch(array, index):
    """Ask the cache for the line of `array[index]`, and go on without waiting; in Python, only see that it exists."""
    array[index]


@intrinsic
def _prefetch(typingctx, array, index):
    def codegen(context, builder, signature, args):
        made = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = cgutils.get_item_pointer2(
            context, builder, made.data, cgutils.unpack_tuple(builder, made.shape),
            cgutils.unpack_tuple(builder, made.strides), signature.args[0].layout, [args[1]], wraparound=False)
        byte = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        i32 = ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte.type, i32, i32, i32]), "llvm.prefetch.p0i8")
        builder.call(function, [byte, i32(0), i32(3), i32(1)])
        return context.get_dummy_value()

    return types.void(array, index), codegen


@overload(prefetch)
def _compiled_prefetch(array, index):
    return lambda array, index: _prefetch(array, index)
