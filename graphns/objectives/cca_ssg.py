"""CCA-SSG: two views agree, their columns do not repeat each other; no negatives."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.objectives.vectors import check_pairs, standardized


def cca_ssg(first: Tensor, second: Tensor, *, weight: float = 1e-3) -> Tensor:
    r"""Invariance of two views, and decorrelation of the columns of each.

    .. math:: L = \lVert Z_1 - Z_2 \rVert_F^2
              + \lambda \big(\lVert Z_1^\top Z_1 - I \rVert_F^2 + \lVert Z_2^\top Z_2 - I \rVert_F^2\big), \qquad
              Z = \frac{H - \mu(H)}{\sigma(H) \sqrt B}

    The columns are standardised here over the batch, sigma with 1/B, so that the diagonal of Z'Z is 1. The first term
    is 2 d - 2 tr(Z_1'Z_2): an implementation that takes minus the trace has half this loss, and lambda half as large.

    Args:
        first: H_1 [B, d], the embeddings in one view.
        second: H_2 [B, d], in the other.
        weight: lambda, at least 0.

    Returns:
        A scalar.

    Raises:
        ValueError: shapes differ, or weight is below 0.

    Example:
        >>> view = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])  # orthogonal columns
        >>> cca_ssg(view, view), cca_ssg(view, view.flip(1), weight=0.5)
        (tensor(0.), tensor(4.))

    References:
        Zhang, Wu, Yan, Wipf, Yu: From Canonical Correlation Analysis to Self-supervised Graph Neural Networks.
        NeurIPS 2021.
    """
    check_pairs(first=first, second=second)
    if not weight >= 0:
        raise ValueError(f"weight must be at least 0, got {weight}")
    one, other = standardized(first), standardized(second)
    identity = torch.eye(one.shape[1], dtype=one.dtype, device=one.device)
    repeated = (one.T @ one - identity).square().sum() + (other.T @ other - identity).square().sum()
    return (one - other).square().sum() + weight * repeated
