"""GRACE: two augmented views of a graph; a node's two embeddings attract, its negatives repel in both views."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.data.node import NodeData
from graphns.encoders.gcn import GCN, gcn_adjacency
from graphns.encoders.sparse import Sparse
from graphns.kernels.gather_dot import gather_dot
from graphns.objectives.correction import correction
from graphns.objectives.infonce import infonce
from graphns.objectives.shared_infonce import shared_infonce
from graphns.objectives.streamed_infonce import streamed_infonce
from graphns.pipelines.grace_config import GraceConfig
from graphns.pipelines.method import ANCHORS, DRAWS, NodeMethod, Step, reads_feedback
from graphns.pipelines.node import NodeResult, fit
from graphns.pipelines.node_config import NodeConfig
from graphns.samplers.compose.all import All
from graphns.scorers.table import TableModel
from graphns.streams import Stream
from graphns.views.augment import drop_edge, keep_mask


class View(NamedTuple):
    """One augmented view: the propagation matrix [N, N] of the edges that stay, and the feature columns [F] that do."""

    adjacency: Sparse
    keep: Tensor


class Grace(NodeMethod):
    """GRACE: a GCN and, for training only, a two-layer projector.

    Args:
        data: its number of features is read.
        config: sizes, depth, activation, and all that a step needs.

    Shape:
        features [N, F] and adjacency [N, N] -> unit projections [N, hidden_size]; `embed` gives the embeddings.
    """

    config_class = GraceConfig
    over_all = True
    config: GraceConfig

    def __init__(self, data: NodeData, config: GraceConfig) -> None:
        super().__init__(data, config)
        self.encoder = GCN(data.num_features, config.hidden_size, config.num_layers, config.activation)
        self.projector = nn.Sequential(
            nn.Linear(config.hidden_size, config.projection_size), nn.ELU(),
            nn.Linear(config.projection_size, config.hidden_size),
        )

    @classmethod
    def default_sampler(cls, data: NodeData, config: NodeConfig) -> Sampler:
        """Every other node: the official loss."""
        assert isinstance(config, GraceConfig)
        return every_node(data, config)

    def forward(self, features: Tensor | Sparse, adjacency: Sparse, keep: Tensor | None = None) -> Tensor:
        """Unit projections [N, hidden_size] float32: their dot products are GRACE's cosines."""
        with self.precision():
            projections = self.projector(self.encoder(features, adjacency, keep))
        return F.normalize(projections.float(), dim=1)

    def views(self, data: NodeData, stream: Stream) -> tuple[View, View]:
        """Two views; see `make_views`."""
        return make_views(data, self.config, stream)

    def step(self, data: NodeData, views: tuple[View, View], sampler: Sampler | None, stream: Stream,
             epoch: int = 0) -> Step:
        """Anchors and negatives drawn from `stream`, and the loss of both directions."""
        assert sampler is not None
        config = self.config
        first, second = (self(data.features, view.adjacency, view.keep) for view in views)
        anchors = torch.arange(data.num_nodes, device=data.device)
        if config.batch_size is not None and config.batch_size < data.num_nodes:
            words = stream.child(ANCHORS).words(anchors, 1)[:, 0]
            anchors = words.argsort()[: config.batch_size].sort().values
        query = Query(anchors, anchors, config.k, TableModel(first.detach(), second.detach()), stream.child(DRAWS),
                      row=anchors, epoch=epoch)
        if isinstance(sampler, All):  # exact, and no list of ids: its mask would be N x N
            return streamed_step(first, second, query, sampler, config)
        start = time.perf_counter()
        negatives = sampler(query)
        sample_seconds = time.perf_counter() - start
        if negatives.vectors is not None or negatives.anchor is not None:
            raise ValueError(f"{type(sampler).__name__} gives negatives that are no nodes of their anchor; GRACE needs "
                             "ids of nodes")
        loss = (direction_loss(first, second, sampler, query, negatives, config)
                + direction_loss(second, first, sampler, query, negatives, config)) / 2
        return Step(loss, query, negatives, _feedback(first, second, query, negatives, loss, sampler), sample_seconds)

    @torch.no_grad()
    def embed(self, data: NodeData) -> Tensor:
        """Embeddings [N, hidden_size] of the whole graph, nothing dropped: what a probe reads."""
        embeddings: Tensor = self.encoder(data.features, data.adjacency)
        return embeddings


def make_views(data: NodeData, config: GraceConfig, stream: Stream) -> tuple[View, View]:
    """Two views of the data: edges and feature columns dropped at the rates of `config`, keyed by `stream`."""
    views = []
    for number, (edge_rate, feature_rate) in enumerate(zip(config.drop_edge, config.drop_feature, strict=True)):
        edges = drop_edge(data.edge_index, edge_rate, stream.child(number, 0))
        keep = keep_mask(data.num_features, feature_rate, stream.child(number, 1), data.device)
        views.append(View(gcn_adjacency(edges, data.num_nodes), keep))
    return views[0], views[1]


def every_node(data: NodeData, config: GraceConfig) -> Sampler:
    """The sampler of the official loss: every other node, or with `config.exclude="neighbors"` every non-neighbour."""
    return All.from_graph(data.graph, exclude=config.exclude)


def direction_loss(
    from_view: Tensor, to_view: Tensor, sampler: Sampler, query: Query, negatives: Negatives, config: GraceConfig
) -> Tensor:
    r"""GRACE's loss in one direction, the mean over the anchors; a drawn id j is a negative in both views.

    .. math:: -\log \frac{e^{\theta(u_i, v_i)/\tau}}
              {e^{\theta(u_i, v_i)/\tau} + \sum_j e^{\theta(u_i, v_j)/\tau} + \sum_j e^{\theta(u_i, u_j)/\tau}}

    Args:
        from_view: unit projections u [N, d].
        to_view: unit projections v [N, d].
        sampler: asked for its density where the loss is corrected.
        query: the anchors i.
        negatives: the ids j.
        config: temperature and correction.
    """
    anchors = query.anchor
    queries = from_view[anchors]
    positive = (queries * to_view[anchors]).sum(1)
    tables = (to_view, from_view)
    if len(negatives.ids) == 1 and not config.corrected:
        shared = negatives.ids[0]
        chosen = [table.index_select(0, shared) for table in tables]
        return shared_infonce(positive, queries, chosen, negatives.mask, temperature=config.temperature)
    scores = torch.cat([gather_dot(queries, table, negatives.ids) for table in tables], 1)
    mask = negatives.mask.repeat(1, 2)
    if not config.corrected:
        return infonce(positive, scores, mask, temperature=config.temperature)
    parts = correction(sampler, query, negatives)
    # the slots hold two sums over the candidates, one a view, and k draws stand behind each
    return infonce(positive, scores, mask, temperature=config.temperature, num_draws=negatives.mask.sum(1),
                   log_prob=parts["log_prob"].repeat(1, 2), positive_log_prob=parts["positive_log_prob"])


def streamed_step(first: Tensor, second: Tensor, query: Query, sampler: All, config: GraceConfig) -> Step:
    """The step over every candidate: `direction_loss` of both directions, made block by block.

    A correction of a full draw is nil, so `config.corrected` changes nothing.
    """
    known = sampler.graph if sampler.exclude == "neighbors" else None
    every = query.batch_size == len(first)
    loss = streamed_infonce(first, second, temperature=config.temperature, excluded=known,
                            anchors=None if every else query.anchor)
    left_out = 0 if known is None else int(known.degree[query.anchor].sum())  # the data have no self-loops
    return Step(loss, query, num_drawn=query.batch_size * (len(first) - 1) - left_out)


@torch.no_grad()
def _feedback(first: Tensor, second: Tensor, query: Query, negatives: Negatives, loss: Tensor,
              sampler: Sampler) -> Feedback:
    if not reads_feedback(sampler):
        return Feedback(loss=loss)  # nobody reads the scores, and for all negatives they are N x N
    anchor, positive = first[query.anchor], second[query.anchor]
    scores = gather_dot(anchor, second, negatives.ids)
    return Feedback((anchor * positive).sum(1), scores, loss, anchor, positive)


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
