"""Barlow Twins: the cross-correlation of two views is the identity; no negatives."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.objectives.vectors import check_pairs, standardized


def barlow_twins(first: Tensor, second: Tensor, *, weight: float | None = None) -> Tensor:
    r"""The distance of the cross-correlation matrix of two views from the identity.

    .. math:: L = \sum_i (1 - C_{ii})^2 + \lambda \sum_{i \ne j} C_{ij}^2, \qquad
              C_{ij} = \frac{\sum_b z_{bi} z'_{bj}}{\sqrt{\sum_b z_{bi}^2} \sqrt{\sum_b z_{bj}'^2}}

    with columns centred over the batch.

    Args:
        first: z [B, d], the embeddings in one view.
        second: z' [B, d], in the other.
        weight: lambda, at least 0. None: 1/d, that of Graph Barlow Twins.

    Returns:
        A scalar.

    Raises:
        ValueError: shapes differ, or weight is below 0.

    Example:
        >>> view = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])  # orthogonal columns
        >>> barlow_twins(view, view), barlow_twins(view, view.flip(1))  # 2 of the diagonal, 2 / 2 beside it
        (tensor(0.), tensor(3.))

    References:
        Zbontar, Jing, Misra, LeCun, Deny: Barlow Twins: Self-Supervised Learning via Redundancy Reduction. ICML 2021.
        Bielak, Kajdanowicz, Chawla: Graph Barlow Twins: A Self-supervised Representation Learning Framework for Graphs.
        Knowledge-Based Systems 2022.
    """
    check_pairs(first=first, second=second)
    weight = 1 / first.shape[1] if weight is None else weight
    if not weight >= 0:
        raise ValueError(f"weight must be at least 0, got {weight}")
    correlation = standardized(first).T @ standardized(second)
    own = torch.eye(len(correlation), dtype=torch.bool, device=correlation.device)
    return torch.where(own, (1 - correlation).square(), weight * correlation.square()).sum()
