"""Scores of pairs of vectors: the dot product and the cosine."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from graphns.kernels.gather_dot import gather_dot

Scorer = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(queries [B, d], table [N, d], ids [B|1, m]) -> scores [B, m], higher = likelier; differentiable in both tables."""


def dot(queries: Tensor, table: Tensor, ids: Tensor) -> Tensor:
    """Dot products [B, m] of queries [B, d] with the rows `ids` [B|1, m] of a table [N, d].

    Example:
        >>> import torch
        >>> dot(torch.tensor([[1.0, 2.0]]), torch.eye(2), torch.tensor([[1, 0]]))
        tensor([[2., 1.]])
    """
    return gather_dot(queries, table, ids)


def cosine(queries: Tensor, table: Tensor, ids: Tensor) -> Tensor:
    """Cosines [B, m] of queries [B, d] with the rows `ids` [B|1, m] of a table [N, d]; a zero vector scores 0.

    Example:
        >>> import torch
        >>> cosine(torch.tensor([[0.0, 2.0]]), 3 * torch.eye(2), torch.tensor([[1, 0]]))
        tensor([[1., 0.]])
    """
    return gather_dot(F.normalize(queries, dim=1), F.normalize(table, dim=1), ids)
