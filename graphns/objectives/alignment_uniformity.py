"""DirectAU: pairs close together, everything spread over the sphere; no negatives are drawn."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.objectives.vectors import check_pairs


def alignment(anchor: Tensor, positive: Tensor) -> Tensor:
    r"""The mean squared distance of pairs on the unit sphere, :math:`\mathrm{mean}_b \lVert x_b - y_b \rVert^2`.

    Args:
        anchor: [B, d], normalised here.
        positive: [B, d], normalised here.

    Raises:
        ValueError: shapes differ.

    Example:
        >>> alignment(torch.eye(2), torch.eye(2).flip(0))
        tensor(2.)
    """
    check_pairs(anchor=anchor, positive=positive)
    return (F.normalize(anchor, dim=1) - F.normalize(positive, dim=1)).square().sum(1).mean()


def uniformity(vectors: Tensor, *, sharpness: float = 2.0) -> Tensor:
    r"""How far from uniform on the unit sphere, :math:`\log \mathrm{mean}_{a<b}\, e^{-t \lVert x_a - x_b \rVert^2}`.

    Args:
        vectors: [B, d] with B at least 2, normalised here.
        sharpness: t, above 0.

    Raises:
        ValueError: there is no pair of rows, or sharpness is not above 0.

    Example:
        >>> uniformity(torch.eye(3))  # every squared distance is 2
        tensor(-4.)
    """
    if vectors.dim() != 2 or len(vectors) < 2:
        raise ValueError(f"uniformity is over pairs of rows: need [B, d] with B at least 2, got {tuple(vectors.shape)}")
    if not sharpness > 0:
        raise ValueError(f"sharpness must be above 0, got {sharpness}")
    unit = F.normalize(vectors, dim=1)
    # on the sphere |x - y|^2 = 2 - 2 x.y; rounding may not make it negative
    square = (2 - 2 * unit @ unit.T).clamp(min=0)
    own = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    pairs = len(unit) * (len(unit) - 1)
    return (-sharpness * square).masked_fill(own, -torch.inf).flatten().logsumexp(0) - math.log(pairs)


def alignment_uniformity(anchor: Tensor, positive: Tensor, *, weight: float = 1.0, sharpness: float = 2.0) -> Tensor:
    r"""Alignment of the pairs, and uniformity of both sides, as one loss.

    .. math:: L = \mathrm{mean}_b \lVert x_b - y_b \rVert^2
              + \frac{\gamma}{2} \big(U(x) + U(y)\big), \qquad
              U(x) = \log \mathrm{mean}_{a<b}\, e^{-t \lVert x_a - x_b \rVert^2}

    Rows are brought to unit length here. The other rows of the batch stand where negatives would, and a row that
    occurs twice has its copy among them: the pair counts in the mean, and exerts no force. Memory is [B, B].

    Args:
        anchor: x [B, d] with B at least 2.
        positive: y [B, d].
        weight: gamma, at least 0; tuned per data set in the paper.
        sharpness: t, above 0.

    Returns:
        A scalar.

    Raises:
        ValueError: shapes differ, there is no pair of rows, or an option is out of range.

    Example:
        >>> alignment_uniformity(torch.eye(3), torch.eye(3))
        tensor(-4.)

    References:
        Wang, Yu, Ma, Zhang, Chen, Liu, Ma: Towards Representation Alignment and Uniformity in Collaborative Filtering.
        KDD 2022.
        Wang, Isola: Understanding Contrastive Representation Learning through Alignment and Uniformity on the
        Hypersphere. ICML 2020.
    """
    if not weight >= 0:
        raise ValueError(f"weight must be at least 0, got {weight}")
    spread = uniformity(anchor, sharpness=sharpness) + uniformity(positive, sharpness=sharpness)
    return alignment(anchor, positive) + weight / 2 * spread
