"""GCA: GRACE whose views keep what is central, so that what is dropped matters little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from graphns.base import Negatives, Query, Sampler
from graphns.data.node import NodeData
from graphns.encoders.gcn import gcn_adjacency
from graphns.encoders.sparse import Sparse
from graphns.graph.centrality import MEASURES, centrality
from graphns.pipelines.grace_config import PRESETS, GraceConfig
from graphns.pipelines.minibatch import Minibatch
from graphns.pipelines.node import NodeResult, fit
from graphns.pipelines.two_views import TwoViews, View
from graphns.pipelines.two_views_loss import direction_loss
from graphns.streams import Stream
from graphns.views.adaptive import drop_edge_by, drop_rates, edge_weights, feature_weights, keep_mask_by


@dataclass(frozen=True)
class GcaConfig(GraceConfig):
    """Everything that decides a GCA run besides the data and the sampler.

    The defaults and presets are this module's: those of GRACE, whose rates are means here.

    Args:
        augmentation: the centrality that governs what is dropped: "degree", "pagerank" or "eigenvector".
        threshold: no edge and no column is dropped with a greater probability, in (0, 1).
        drop_edge: mean share of the edges dropped in either view, before the threshold cuts off.
        drop_feature: likewise, of the feature columns.

    The other settings are those of `GraceConfig`.

    Raises:
        ValueError: a value out of range; the message names it.

    Example:
        >>> GcaConfig.preset("PubMed", augmentation="pagerank").drop_edge
        (0.4, 0.1)
    """

    augmentation: str = "degree"
    threshold: float = 0.7

    title: ClassVar[str] = "GCA"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        super().__post_init__()
        self.check_choice("augmentation", "augmentation", tuple(MEASURES))
        if self.num_neighbors is not None:
            raise ValueError("GCA's rates are those of the whole graph: leave num_neighbors at None")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must be in (0, 1), got {self.threshold}")


class Gca(TwoViews):
    r"""GCA: edges and feature columns dropped the less, the more central they are; the loss is GRACE's.

    .. math:: p_e = \min(w_e \cdot \text{rate}, \text{threshold})

    for edges and, with weights of their own, for columns; see `graphns.views.adaptive`. Features that the data hold
    sparse (words and other marks, under a tenth nonzero) count by being there, others by their size.

    Args:
        data: its graph and features are read once, for the weights.
        config: the measure, and all that GRACE needs.
    """

    config_class = GcaConfig
    config: GcaConfig
    edge_weights: Tensor
    feature_weights: Tensor

    def __init__(self, data: NodeData, config: GcaConfig) -> None:
        super().__init__(data, config)
        # on the CPU wherever the data live: sums in a fixed order, so that a resumed run has the same rates
        central = centrality(data.graph.to("cpu"), config.augmentation)
        features = data.features.to("cpu")
        columns = feature_weights(features, central, binary=isinstance(features, Sparse))
        # they follow from the data, so they are no part of a checkpoint
        self.register_buffer("edge_weights", edge_weights(data.edge_index.cpu(), central), persistent=False)
        self.register_buffer("feature_weights", columns, persistent=False)

    def views(self, data: NodeData | Minibatch, stream: Stream) -> tuple[View, View]:
        """Two views of the data that the model was made for, keyed by `stream`.

        Raises:
            ValueError: these are other data.
        """
        assert isinstance(data, NodeData)  # mini-batches are refused with the settings
        if (data.edge_index.shape[1], data.num_features) != (len(self.edge_weights), len(self.feature_weights)):
            raise ValueError(f"this model was made for a graph of {len(self.edge_weights)} edges and "
                             f"{len(self.feature_weights)} features, but {data.name} has {data.edge_index.shape[1]} "
                             f"and {data.num_features}: make another model for it")
        config, views = self.config, []
        for number, (edge_rate, feature_rate) in enumerate(zip(config.drop_edge, config.drop_feature, strict=True)):
            edges = drop_edge_by(data.edge_index, drop_rates(self.edge_weights, edge_rate, config.threshold),
                                 stream.child(number, 0))
            keep = keep_mask_by(drop_rates(self.feature_weights, feature_rate, config.threshold),
                                stream.child(number, 1))
            views.append(View(gcn_adjacency(edges, data.num_nodes), keep))
        return views[0], views[1]

    def direction(self, from_view: Tensor, to_view: Tensor, sampler: Sampler, query: Query,
                  negatives: Negatives | None, stream: Stream) -> Tensor:
        """The loss in one direction; see `direction_loss`. Nothing is drawn."""
        return direction_loss(from_view, to_view, sampler, query, negatives, self.config)


def train(data: NodeData, sampler: Sampler | None = None, config: GcaConfig | None = None,
          **options: Any) -> NodeResult:
    """Train GCA with the negatives of `sampler`.

    Args:
        data: see `graphns.data.load`.
        sampler: over `data.graph`. None: every other node (`All`), as in GRACE.
        config: None: `GcaConfig.preset(data.name)`.
        options: folder, progress, loggers, accelerator, precision, …: see `graphns.pipelines.node.fit`.

    What is random: weights, views, anchors and draws, all keyed by `config.seed`; torch's generator is left alone.

    Raises:
        ValueError: the folder holds another run; the sampler cannot serve; the loss is no longer finite; an unknown
            precision; the eigenvector of a graph without a clear centre is not found.

    Example:
        >>> from graphns.data import load
        >>> config = GcaConfig(hidden_size=8, projection_size=8, epochs=2, augmentation="pagerank")
        >>> train(load("digits"), config=config).embeddings.shape
        torch.Size([1797, 8])

    References:
        Graph Contrastive Learning with Adaptive Augmentation. WWW 2021.
    """
    return fit(Gca, data, sampler, config, **options)
