"""Scores of drawn ids, fused: a dot product per (row, slot), with gradients, and no [B, k, d] tensor.

    score[b, j] = <queries[b], table[ids[b, j]]>

Three operations are closed under differentiation, so each gives the gradients of the others:

    dot(q, T, ids)[b, j]    = <q[b], T[ids[b, j]]>
    pull(w, T, ids)[b]      = sum_j w[b, j] T[ids[b, j]]                    gradient of dot in q
    push(w, q, ids, N)[n]   = sum of w[b, j] q[b] over ids[b, j] = n        gradient of dot in T

All are torch custom operators, so `torch.compile` takes them in without a graph break. On the CPU in float32 and
float64 they are Numba loops (`graphns.kernels.gather_loops`) whose result is equal for any number of threads: `push`
sorts the slots by id (a counting sort, stable) and each table row adds up its own. Elsewhere they are torch, a chunk of
slots at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.kernels.gather_loops import dot_rows, pull_rows, push_rows, slots_by_id
from graphns.kernels.threads import run

_CHUNK = 1 << 24  # numbers of a [chunk, k, d] tensor in the torch versions: 64 MiB in float32


def gather_dot(queries: Tensor, table: Tensor, ids: Tensor) -> Tensor:
    """Dot products [B, k] of queries with the table's rows at `ids`; differentiable, twice too.

    For cosine scores, normalise both before.

    Args:
        queries: [B, d] floating point.
        table: [N, d] of the same dtype and device.
        ids: [B|1, k] int64 in [0, N). A leading 1 means shared by all rows: then it is one matrix product.

    Raises:
        ValueError: shapes, dtypes or ids do not fit; the message names the value.

    Example:
        >>> gather_dot(torch.tensor([[1.0, 2.0]]), torch.eye(2), torch.tensor([[1, 0, 1]]))
        tensor([[2., 1., 2.]])
    """
    if queries.dim() != 2 or table.dim() != 2 or queries.shape[1] != table.shape[1]:
        raise ValueError(f"need queries [B, d] and table [N, d], got {tuple(queries.shape)} and {tuple(table.shape)}")
    if queries.dtype != table.dtype or not queries.is_floating_point():
        raise ValueError(f"queries and table must have one floating dtype, got {queries.dtype} and {table.dtype}")
    if ids.dim() != 2 or ids.shape[0] not in (1, queries.shape[0]):
        raise ValueError(f"ids must be [B|1, k] with B={queries.shape[0]}, got {tuple(ids.shape)}")
    if ids.dtype != torch.int64:
        raise ValueError(f"ids must be int64, got {ids.dtype}; convert them with .long()")
    if ids.shape[0] == 1 != queries.shape[0]:  # a batch of one takes the loop: its rounding is that of any batch
        return queries @ table.index_select(0, ids[0]).T
    return _dot(queries, table, ids)


def dot_torch(queries: Tensor, table: Tensor, ids: Tensor) -> Tensor:
    """The definition of `dot`, on any device."""
    out = queries.new_empty(ids.shape)
    for rows in _chunks(ids, queries.shape[1]):
        out[rows] = torch.einsum("bd,bkd->bk", queries[rows], table[ids[rows]])
    return out


def pull_torch(weights: Tensor, table: Tensor, ids: Tensor) -> Tensor:
    """The definition of `pull`, on any device."""
    out = table.new_empty((ids.shape[0], table.shape[1]))
    for rows in _chunks(ids, table.shape[1]):
        out[rows] = torch.einsum("bk,bkd->bd", weights[rows], table[ids[rows]])
    return out


def push_torch(weights: Tensor, queries: Tensor, ids: Tensor, num_rows: int) -> Tensor:
    """The definition of `push`, on any device. On CUDA `torch.use_deterministic_algorithms` governs its order."""
    out = queries.new_zeros((num_rows, queries.shape[1]))
    for rows in _chunks(ids, queries.shape[1]):
        outer = weights[rows][:, :, None] * queries[rows][:, None, :]
        out.index_add_(0, ids[rows].reshape(-1), outer.reshape(-1, queries.shape[1]))
    return out


def _chunks(ids: Tensor, width: int) -> list[slice]:
    size = max(1, _CHUNK // max(1, ids.shape[1] * width))
    return [slice(first, first + size) for first in range(0, ids.shape[0], size)]


def _compiled_for(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.float64)


def _check_range(ids: Tensor, num_rows: int) -> None:
    # the compiled loops do not check bounds; two passes over the ids are little beside d numbers for each
    if ids.numel():
        low, high = (int(value) for value in ids.aminmax())
        if low < 0 or high >= num_rows:
            raise ValueError(f"id {low if low < 0 else high} is outside the table's [0, {num_rows})")


def _arrays(*tensors: Tensor) -> list[np.ndarray[Any, Any]]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


@torch.library.custom_op("graphns::dot", mutates_args=(), schema="(Tensor queries, Tensor table, Tensor ids) -> Tensor")
def _dot(queries: Tensor, table: Tensor, ids: Tensor) -> Tensor:
    if not _compiled_for(queries):
        return dot_torch(queries, table, ids)
    _check_range(ids, len(table))
    out = queries.new_empty(ids.shape)
    run(dot_rows, len(ids), *_arrays(queries, table, ids, out), cost=ids.shape[1] * table.shape[1] // 16 + 1)
    return out


@torch.library.custom_op("graphns::pull", mutates_args=(),
                         schema="(Tensor weights, Tensor table, Tensor ids) -> Tensor")
def _pull(weights: Tensor, table: Tensor, ids: Tensor) -> Tensor:
    if not _compiled_for(table):
        return pull_torch(weights, table, ids)
    _check_range(ids, len(table))
    out = table.new_zeros((len(ids), table.shape[1]))
    run(pull_rows, len(ids), *_arrays(weights, table, ids, out), cost=ids.shape[1] * table.shape[1] // 16 + 1)
    return out


@torch.library.custom_op("graphns::push", mutates_args=(),
                         schema="(Tensor weights, Tensor queries, Tensor ids, SymInt num_rows) -> Tensor")
def _push(weights: Tensor, queries: Tensor, ids: Tensor, num_rows: int) -> Tensor:
    if not _compiled_for(queries):
        return push_torch(weights, queries, ids, num_rows)
    _check_range(ids, num_rows)
    out = queries.new_zeros((num_rows, queries.shape[1]))
    drawn, shares, rows, sums = _arrays(ids, weights, queries, out)
    cost = ids.numel() * queries.shape[1] // (16 * max(num_rows, 1)) + 1
    run(push_rows, num_rows, *slots_by_id(drawn, shares, num_rows), rows, sums, cost=cost)
    return out


@_dot.register_fake
def _(queries: Tensor, table: Tensor, ids: Tensor) -> Tensor:
    return queries.new_empty(ids.shape)


@_pull.register_fake
def _(weights: Tensor, table: Tensor, ids: Tensor) -> Tensor:
    return table.new_empty((ids.shape[0], table.shape[1]))


@_push.register_fake
def _(weights: Tensor, queries: Tensor, ids: Tensor, num_rows: int) -> Tensor:
    return queries.new_empty((num_rows, queries.shape[1]))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])


def _dot_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    queries, table, ids = ctx.saved_tensors
    wants_queries, wants_table, _ = ctx.needs_input_grad
    return (_pull(grad, table, ids) if wants_queries else None,
            _push(grad, queries, ids, table.shape[0]) if wants_table else None, None)


def _pull_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    weights, table, ids = ctx.saved_tensors
    wants_weights, wants_table, _ = ctx.needs_input_grad
    return (_dot(grad, table, ids) if wants_weights else None,
            _push(weights, grad, ids, table.shape[0]) if wants_table else None, None)


def _push_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
    weights, queries, ids = ctx.saved_tensors
    wants_weights, wants_queries = ctx.needs_input_grad[:2]
    return (_dot(queries, grad, ids) if wants_weights else None,
            _pull(weights, grad, ids) if wants_queries else None, None, None)


_dot.register_autograd(_dot_backward, setup_context=_save)
_pull.register_autograd(_pull_backward, setup_context=_save)
_push.register_autograd(_push_backward, setup_context=_save)
