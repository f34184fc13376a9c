"""GRACE: two augmented views of a graph; a node's two embeddings attract, its negatives repel in both views."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from graphns.base import Negatives, Query, Sampler
from graphns.data.node import NodeData
from graphns.pipelines.drop_views import drop_views
from graphns.pipelines.grace_config import GraceConfig
from graphns.pipelines.minibatch import Minibatch
from graphns.pipelines.node import NodeResult, fit
from graphns.pipelines.two_views import TwoViews, View, every_node
from graphns.pipelines.two_views_loss import direction_loss
from graphns.streams import Stream

__all__ = ["Grace", "View", "direction_loss", "every_node", "make_views", "train"]


class Grace(TwoViews):
    """GRACE: edges and feature columns dropped alike, and InfoNCE, DCL or HCL over the negatives of both views."""

    over_all = True

    def views(self, data: NodeData | Minibatch, stream: Stream) -> tuple[View, View]:
        """Two views; see `make_views`."""
        return make_views(data, self.config, stream)

    def direction(self, from_view: Tensor, to_view: Tensor, sampler: Sampler, query: Query,
                  negatives: Negatives | None, stream: Stream) -> Tensor:
        """The loss in one direction; see `direction_loss`. Nothing is drawn."""
        return direction_loss(from_view, to_view, sampler, query, negatives, self.config)


def make_views(data: NodeData | Minibatch, config: GraceConfig, stream: Stream) -> tuple[View, View]:
    """Two views of the data: edges and feature columns dropped at the rates of `config`, keyed by `stream`."""
    return drop_views(data, config.drop_edge, config.drop_feature, stream)


def train(data: NodeData, sampler: Sampler | None = None, config: GraceConfig | None = None,
          **options: Any) -> NodeResult:
    """Train GRACE with the negatives of `sampler`.

    Args:
        data: see `graphns.data.load`.
        sampler: over `data.graph`. None: every other node (`All`), the official loss.
        config: None: `GraceConfig.preset(data.name)`.
        options: folder, progress, loggers, accelerator, precision, …: see `graphns.pipelines.node.fit`.

    What is random: weights, views, anchors and draws, all keyed by `config.seed`; torch's generator is left alone.

    Raises:
        ValueError: the folder holds another run; the sampler cannot serve GRACE; the loss is no longer finite; an
            unknown precision.

    Example:
        >>> from graphns.data import load
        >>> result = train(load("digits"), config=GraceConfig(hidden_size=8, projection_size=8, epochs=2))
        >>> result.embeddings.shape, len(result.losses)
        (torch.Size([1797, 8]), 2)

    References:
        Zhu, Xu, Yu, Liu, Wu, Wang: Deep Graph Contrastive Representation Learning. ICML Workshop on Graph
        Representation Learning and Beyond 2020.
    """
    return fit(Grace, data, sampler, config, **options)
