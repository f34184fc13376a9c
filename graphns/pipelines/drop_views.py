"""Two augmented views of a graph: what GRACE, CCA-SSG and BGRL compare."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from graphns.data.node import NodeData
from graphns.encoders.gcn import gcn_adjacency
from graphns.encoders.sparse import Sparse
from graphns.pipelines.minibatch import Minibatch
from graphns.streams import Stream
from graphns.views.augment import drop_edge, keep_mask

Rates = tuple[float, float]
"""A rate in [0, 1) for either view."""


class View(NamedTuple):
    """One augmented view: the propagation matrix [N, N] of the edges that stay, and the feature columns [F] that do."""

    adjacency: Sparse
    keep: Tensor


def drop_views(
    data: NodeData | Minibatch, edge_rates: Rates, feature_rates: Rates, stream: Stream
) -> tuple[View, View]:
    """Two views of the data: edges and feature columns dropped at the rates given, keyed by `stream`.

    Example:
        >>> from graphns.data import load
        >>> first, second = drop_views(load("digits"), (0.0, 0.5), (0.0, 0.5), Stream(0))
        >>> bool(first.keep.all()), bool(second.keep.all())
        (True, False)
    """
    first, second = (
        View(_adjacency(data, edge_rates[number], stream.child(number, 0)),
             keep_mask(data.num_features, feature_rates[number], stream.child(number, 1), data.device))
        for number in (0, 1)
    )
    return first, second


def _adjacency(data: NodeData | Minibatch, rate: float, stream: Stream) -> Sparse:
    if rate == 0 and isinstance(data, NodeData):
        return data.adjacency
    return gcn_adjacency(drop_edge(data.edge_index, rate, stream), data.num_nodes)
