"""InfoNCE over negatives that the whole batch shares, without ever holding all scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_BLOCK = {"cpu": 1 << 18, "cuda": 1 << 26}  # scores held at once: they stay in a core's cache, or fill a GPU


def shared_infonce(
    positive_score: Tensor, queries: Tensor, tables: Sequence[Tensor], mask: Tensor, *, temperature: float = 1.0
) -> Tensor:
    r"""`infonce` of dot-product scores where every row has the same m negatives: fused, a block of rows at a time.

    .. math:: L_b = -\frac{s^+_b}{\tau} + \log\Big(e^{s^+_b/\tau} + \sum_t \sum_{j\ \text{usable}}
              e^{\langle q_b, T_{tj} \rangle / \tau}\Big)

    The loss is a scalar, so its gradients are made in the forward pass, while a block's scores are in the cache, and
    only scaled in the backward pass. Memory is that of the tables; nothing of size [B, m] but the mask is stored.

    Args:
        positive_score: [B].
        queries: [B, d] float.
        tables: each [m, d]; row j of every table belongs to slot j of the mask.
        mask: [B, m] bool, True = use. A row with no usable slot contributes 0, and counts in the mean.
        temperature: divides the scores.

    Returns:
        The mean over the rows, a scalar; differentiable once.

    Raises:
        ValueError: shapes do not fit, or the temperature is not above 0.

    Example:
        >>> tables = [torch.zeros(3, 4), torch.zeros(3, 4)]  # e^0 for the positive, and for 3 ids in 2 tables each
        >>> loss = shared_infonce(torch.zeros(1), torch.zeros(1, 4), tables, torch.ones(1, 3, dtype=torch.bool))
        >>> round(float(loss.exp()), 4)
        7.0

    References:
        van den Oord, Li, Vinyals: Representation Learning with Contrastive Predictive Coding. 2018.
    """
    batch = len(queries)
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    if positive_score.shape != (batch,) or mask.dtype != torch.bool or mask.dim() != 2 or len(mask) != batch:
        raise ValueError(f"need positive_score [B] and a bool mask [B, m] with B={batch}, got "
                         f"{tuple(positive_score.shape)} and {mask.dtype} {tuple(mask.shape)}")
    wanted = (mask.shape[1], queries.shape[1])
    if not tables or any(table.shape != wanted for table in tables):
        raise ValueError(f"every table must be [m, d] = {wanted}, got {[tuple(table.shape) for table in tables]}")
    loss: Tensor = _SharedInfoNCE.apply(positive_score, queries, mask, temperature, *tables)  # type: ignore[no-untyped-call]
    return loss


class _SharedInfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, positive: Tensor, queries: Tensor, mask: Tensor, temperature: float,
                *tables: Tensor) -> Tensor:
        batch, m = mask.shape
        learns = any(ctx.needs_input_grad)
        to_positive, to_queries = torch.empty_like(positive), torch.empty_like(queries)
        to_tables = [torch.zeros_like(table) for table in tables]
        losses = torch.empty_like(positive)
        block = max(64, _BLOCK.get(queries.device.type, 1 << 22) // max(m, 1))
        for begin in range(0, batch, block):
            rows = slice(begin, begin + block)
            query, own, unusable = queries[rows], positive[rows] / temperature, ~mask[rows]
            weights = [(query @ table.T).div_(temperature).masked_fill_(unusable, -torch.inf) for table in tables]
            top = own
            for each in weights:
                top = torch.maximum(top, each.amax(1)) if m else top
            own_weight = (own - top).exp()
            total = own_weight.clone()
            for each in weights:
                total += each.sub_(top[:, None]).exp_().sum(1)
            losses[rows] = total.log() + top - own
            if not learns:
                continue
            scale = 1 / (total * (temperature * batch))
            to_positive[rows] = own_weight * scale - 1 / (temperature * batch)
            to_query = torch.zeros_like(query)
            for each, table, to_table in zip(weights, tables, to_tables, strict=True):
                each.mul_(scale[:, None])
                to_query.addmm_(each, table)
                to_table.addmm_(each.T, query)
            to_queries[rows] = to_query
        if learns:
            ctx.save_for_backward(to_positive, to_queries, *to_tables)
        return losses.mean()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        to_positive, to_queries, *to_tables = ctx.saved_tensors
        return grad * to_positive, grad * to_queries, None, None, *(grad * each for each in to_tables)
