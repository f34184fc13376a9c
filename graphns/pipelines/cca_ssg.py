"""CCA-SSG: two augmented views of a graph agree, and the columns of each tell different things; no negatives."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from graphns.base import Sampler
from graphns.data.node import NodeData
from graphns.encoders.convolution import Convolutions
from graphns.encoders.sparse import Sparse
from graphns.objectives.cca_ssg import cca_ssg
from graphns.pipelines.cca_ssg_config import CcaSsgConfig
from graphns.pipelines.drop_views import View, drop_views
from graphns.pipelines.method import NodeMethod, Step
from graphns.pipelines.node import NodeResult, fit
from graphns.streams import Stream


class CcaSsg(NodeMethod):
    """CCA-SSG: graph convolutions with ReLU between them, or a perceptron.

    Args:
        data: its number of features is read.
        config: encoder, sizes, depth, and all that a step needs.

    Shape:
        features [N, F] and adjacency [N, N] -> [N, hidden_size].
    """

    config_class = CcaSsgConfig
    config: CcaSsgConfig
    takes_sampler: ClassVar[bool] = False

    def __init__(self, data: NodeData, config: CcaSsgConfig) -> None:
        super().__init__(data, config)
        widths = [data.num_features, *[config.hidden_size] * config.num_layers]
        self.encoder = Convolutions(widths, "relu", normalize=config.encoder == "mlp", last=False,
                                    standardized=True)

    def forward(self, features: Tensor | Sparse, adjacency: Sparse, keep: Tensor | None = None) -> Tensor:
        """Embeddings [N, hidden_size] float32."""
        with self.precision():
            embeddings: Tensor = self.encoder(features, None if self.config.encoder == "mlp" else adjacency, keep)
        return embeddings.float()

    def views(self, data: NodeData, stream: Stream) -> tuple[View, View]:
        """Edges and feature columns dropped twice, keyed by `stream`."""
        return drop_views(data, self.config.drop_edge, self.config.drop_feature, stream)

    def step(self, data: NodeData, views: tuple[View, View], sampler: Sampler | None, stream: Stream,
             epoch: int = 0) -> Step:
        """The loss of two views; see `graphns.objectives.cca_ssg`. Nothing is drawn."""
        first, second = (self(data.features, view.adjacency, view.keep) for view in views)
        return Step(cca_ssg(first, second, weight=self.config.weight))

    @torch.no_grad()
    def embed(self, data: NodeData) -> Tensor:
        """Embeddings [N, hidden_size] of the whole graph, nothing dropped, not standardised: what a probe reads."""
        embeddings: Tensor = self(data.features, data.adjacency)
        return embeddings


def train(data: NodeData, sampler: None = None, config: CcaSsgConfig | None = None, **options: Any) -> NodeResult:
    r"""Train CCA-SSG.

    .. math:: L = \lVert Z_1 - Z_2 \rVert_F^2
              + \lambda \big(\lVert Z_1^\top Z_1 - I \rVert_F^2 + \lVert Z_2^\top Z_2 - I \rVert_F^2\big)

    with Z the embeddings of a view, standardised column by column.

    Args:
        data: see `graphns.data.load`.
        sampler: None; there are no negatives.
        config: None: `CcaSsgConfig.preset(data.name)`.
        options: folder, progress, loggers, accelerator, precision, …: see `graphns.pipelines.node.fit`.

    What is random: weights and views, keyed by `config.seed`; torch's generator is left alone.

    Raises:
        ValueError: a sampler is given; the folder holds another run; the loss is no longer finite; an unknown
            precision.

    Example:
        >>> from graphns.data import load
        >>> result = train(load("digits"), config=CcaSsgConfig(hidden_size=8, epochs=2))
        >>> result.embeddings.shape, len(result.losses)
        (torch.Size([1797, 8]), 2)

    References:
        Zhang, Wu, Yan, Wipf, Yu: From Canonical Correlation Analysis to Self-supervised Graph Neural Networks.
        NeurIPS 2021.
    """
    return fit(CcaSsg, data, sampler, config, **options)
