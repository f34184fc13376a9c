"""Any objective over negatives that all rows share, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_HELD = {"cpu": 1 << 18, "cuda": 1 << 25}  # scores of a block: an objective keeps some ten numbers for each


def row_blocks(
    loss: Callable[..., Tensor], rows: Sequence[Tensor], tables: Sequence[Tensor], *, block: int | None = None
) -> Tensor:
    r"""The mean over B rows of a loss that reads tables which all rows share, made block by block.

    .. math:: L = \frac1B \sum_{\text{blocks}\ I} |I| \cdot \text{loss}(I, \text{rows}_I, \text{tables})

    The result is a scalar, so its gradients are made in the forward pass, while a block's scores are at hand, and only
    scaled in the backward pass. Of [B, m] scores no more than a block's are held, whatever the loss keeps for its own
    gradient. `loss` must be a mean over its rows, as objectives are, in which no row reads another.

    Args:
        loss: takes (where, *rows, *tables): `where` is the slice of a block among the B rows, for masks and ids, and
            `rows` are cut to it. It may read other tensors, but these get no gradient. Random numbers in it should come
            from streams.
        rows: each [B, ...] float; what is cut.
        tables: each of any shape; what is not.
        block: rows at once. Default: so many that a quarter of a million scores are held on a CPU, 32 million on a
            GPU, but at least 64.

    Returns:
        The mean, a scalar; differentiable once, in rows and tables.

    Raises:
        ValueError: there are no rows, they are not equally many, or block is below 1.

    Example:
        >>> from graphns.objectives.infonce import infonce
        >>> mask = torch.ones(4, 3, dtype=torch.bool)
        >>> def loss(where, query, table):
        ...     return infonce(query.sum(1), query @ table.T, mask[where])
        >>> query, table = torch.ones(4, 2), torch.ones(3, 2)
        >>> row_blocks(loss, [query], [table], block=3).exp()
        tensor(4.)
    """
    sizes = {len(each) for each in rows}
    if len(sizes) != 1 or sizes == {0}:
        raise ValueError(f"need rows [B, ...], equally many and at least 1, got {[tuple(each.shape) for each in rows]}")
    if block is None:
        widest = max((len(each) for each in tables), default=1) * max(len(tables), 1)
        block = max(64, _HELD.get(rows[0].device.type, 1 << 22) // max(widest, 1))
    if block < 1:
        raise ValueError(f"block must be at least 1, got {block}")
    return cast(Tensor, _RowBlocks.apply(loss, block, len(rows), *rows, *tables))  # type: ignore[no-untyped-call]


class _RowBlocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Callable[..., Tensor], block: int, num_rows: int, *tensors: Tensor) -> Tensor:
        rows, tables = tensors[:num_rows], [each.detach() for each in tensors[num_rows:]]
        learn = ctx.needs_input_grad[3:]
        grads = [torch.zeros_like(each) if needed else None for each, needed in zip(tensors, learn, strict=True)]
        for table, needed in zip(tables, learn[num_rows:], strict=True):
            table.requires_grad_(needed)
        batch, total = len(rows[0]), rows[0].new_zeros(())
        for begin in range(0, batch, block):
            where = slice(begin, min(begin + block, batch))
            given = [each.detach()[where].requires_grad_(needed)
                     for each, needed in zip(rows, learn[:num_rows], strict=True)] + tables
            with torch.set_grad_enabled(any(learn)):
                part = loss(where, *given) * ((where.stop - begin) / batch)
            total += part.detach()
            wanted = [at for at, needed in enumerate(learn) if needed]
            if not wanted or not part.requires_grad:
                continue
            for at, found in zip(wanted, torch.autograd.grad(part, [given[at] for at in wanted], allow_unused=True),
                                 strict=True):
                whole = grads[at]
                if found is not None and whole is not None:
                    (whole[where] if at < num_rows else whole).add_(found)
        ctx.save_for_backward(*grads)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, None, *(None if each is None else grad * each for each in ctx.saved_tensors)
