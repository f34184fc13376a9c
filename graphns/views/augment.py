"""Views that keep a node's meaning: edges and feature columns dropped at random, by key."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.streams import Stream, unit


def keep_mask(size: int, rate: float, stream: Stream, device: torch.device | str = "cpu") -> Tensor:
    """A mask [size] bool in which each entry is independently False with probability `rate`, keyed by its index.

    Raises:
        ValueError: `rate` is outside [0, 1).
    """
    if not 0 <= rate < 1:
        raise ValueError(f"a drop rate must be in [0, 1), got {rate}")
    if rate == 0:
        return torch.ones(size, dtype=torch.bool, device=device)
    return unit(stream.words(torch.arange(size, device=device), 1)[:, 0]) >= rate


def drop_edge(edge_index: Tensor, rate: float, stream: Stream) -> Tensor:
    r"""Drop each column of `edge_index` independently with probability `rate`.

    The two directions of an undirected edge are dropped independently, as in GRACE.

    Args:
        edge_index: [2, E].
        rate: in [0, 1).
        stream: decides; column e is keyed by e.

    Returns:
        [2, E'], in the order given.

    Raises:
        ValueError: `rate` is outside [0, 1).

    Example:
        >>> edges = torch.arange(20).view(2, 10)
        >>> drop_edge(edges, 0.5, Stream(0)).shape[1] < 10
        True
    """
    return edge_index[:, keep_mask(edge_index.shape[1], rate, stream, edge_index.device)]


def drop_feature(features: Tensor, rate: float, stream: Stream) -> Tensor:
    """A copy of `features` [N, F] in which each column is zero, for all nodes, with probability `rate`.

    Raises:
        ValueError: `rate` is outside [0, 1).

    Example:
        >>> drop_feature(torch.ones(2, 4), 0.5, Stream(1)).sum() < 8
        tensor(True)
    """
    return features * keep_mask(features.shape[1], rate, stream, features.device)
