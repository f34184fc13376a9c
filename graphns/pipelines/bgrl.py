"""BGRL: from one view of a graph, what a slowly moving target sees in the other is predicted; no negatives."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from graphns.base import Sampler
from graphns.data.node import NodeData
from graphns.encoders.convolution import Convolutions
from graphns.encoders.momentum import annealed_momentum, follow
from graphns.objectives.bgrl import bgrl
from graphns.pipelines.bgrl_config import BgrlConfig
from graphns.pipelines.drop_views import View, drop_views
from graphns.pipelines.method import NodeMethod, Step
from graphns.pipelines.node import NodeResult, fit
from graphns.streams import Stream


class Bgrl(NodeMethod):
    """BGRL: an online encoder with a predictor, and a target encoder that follows the online one.

    Both encoders are two graph convolutions, each with batch norm and PReLU. The target begins with weights of its own
    and has no gradient; as it is a part of the model, a checkpoint holds it.

    Args:
        data: its number of features is read.
        config: sizes, and all that a step needs.

    Shape:
        `embed` gives [N, hidden_size], from the online encoder.
    """

    config_class = BgrlConfig
    config: BgrlConfig
    takes_sampler: ClassVar[bool] = False

    def __init__(self, data: NodeData, config: BgrlConfig) -> None:
        super().__init__(data, config)
        widths = [data.num_features, config.inner_size, config.hidden_size]
        self.online, self.target = (Convolutions(widths, "prelu", normalize=True) for _ in range(2))
        self.target.requires_grad_(False)
        self.predictor = nn.Sequential(
            nn.Linear(config.hidden_size, config.predictor_size), nn.PReLU(),
            nn.Linear(config.predictor_size, config.hidden_size),
        )

    def optimizer(self, parameters: Any) -> torch.optim.Optimizer:
        """AdamW."""
        return torch.optim.AdamW(parameters, lr=self.config.learning_rate, weight_decay=self.config.weight_decay)

    def begin_epoch(self, optimizer: torch.optim.Optimizer, epoch: int) -> None:
        """Set the epoch's learning rate; see `learning_rate`."""
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(self.config, epoch)

    def views(self, data: NodeData, stream: Stream) -> tuple[View, View]:
        """Edges and feature columns dropped twice, keyed by `stream`."""
        return drop_views(data, self.config.drop_edge, self.config.drop_feature, stream)

    def step(self, data: NodeData, views: tuple[View, View], sampler: Sampler | None, stream: Stream,
             epoch: int = 0) -> Step:
        """The loss of two views, each predicted from the other; see `graphns.objectives.bgrl`. Nothing is drawn."""
        predictions, targets = [], []
        with self.precision():
            for view in views:
                predictions.append(self.predictor(self.online(data.features, *view)).float())
                with torch.no_grad():
                    targets.append(self.target(data.features, *view).float())
        return Step(bgrl(predictions[0], targets[1], predictions[1], targets[0]))

    def after_update(self, epoch: int) -> None:
        """Let the target follow, by the epoch's momentum."""
        follow(self.target, self.online, annealed_momentum(epoch, self.config.epochs, self.config.momentum))

    @torch.no_grad()
    def embed(self, data: NodeData) -> Tensor:
        """Embeddings [N, hidden_size] of the whole graph, nothing dropped: what a probe reads."""
        embeddings: Tensor = self.online(data.features, data.adjacency)
        return embeddings


def learning_rate(config: BgrlConfig, epoch: int) -> float:
    r"""The learning rate of an epoch e, of E in all and W of warm-up.

    .. math:: \eta_e = \eta \cdot \begin{cases} (e + 1) / W & e < W \\
              \frac12 \Big(1 + \cos\big(\pi \frac{e - W}{E - W}\big)\Big) & e \ge W \end{cases}

    Example:
        >>> config = BgrlConfig(learning_rate=1.0, warmup=2, epochs=6)
        >>> [round(learning_rate(config, epoch), 3) for epoch in range(6)]
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    if epoch < config.warmup:
        return config.learning_rate * (epoch + 1) / config.warmup
    done = (epoch - config.warmup) / max(config.epochs - config.warmup, 1)
    return config.learning_rate * (1 + math.cos(math.pi * done)) / 2


def train(data: NodeData, sampler: None = None, config: BgrlConfig | None = None, **options: Any) -> NodeResult:
    r"""Train BGRL.

    .. math:: L = 2 - \mathrm{mean}_i \cos(p_{1i}, t_{2i}) - \mathrm{mean}_i \cos(p_{2i}, t_{1i}), \qquad
        \theta_t \leftarrow m\, \theta_t + (1 - m)\, \theta_o

    with p the predictions from the online encoder's embeddings of a view, t the target encoder's embeddings.

    Args:
        data: see `graphns.data.load`.
        sampler: None; there are no negatives.
        config: None: `BgrlConfig.preset(data.name)`.
        options: folder, progress, loggers, accelerator, precision, …: see `graphns.pipelines.node.fit`.

    What is random: weights and views, keyed by `config.seed`; torch's generator is left alone.

    Raises:
        ValueError: a sampler is given; the folder holds another run; the loss is no longer finite; an unknown
            precision.

    Example:
        >>> from graphns.data import load
        >>> result = train(load("digits"), config=BgrlConfig(hidden_size=8, inner_size=8, predictor_size=8, epochs=2))
        >>> result.embeddings.shape, len(result.losses)
        (torch.Size([1797, 8]), 2)

    References:
        Thakoor, Tallec, Azar, Azabou, Dyer, Munos, Veličković, Valko: Large-Scale Representation Learning on Graphs via
        Bootstrapping. ICLR 2022.
    """
    return fit(Bgrl, data, sampler, config, **options)
