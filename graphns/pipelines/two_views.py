"""What GRACE and its kin share: a GCN with a projector, two views of the graph, and a loss in both directions."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.data.node import NodeData
from graphns.encoders.gcn import GCN
from graphns.encoders.sparse import Sparse
from graphns.kernels.gather_dot import gather_dot
from graphns.objectives.streamed_infonce import streamed_infonce
from graphns.pipelines.drop_views import View as View
from graphns.pipelines.grace_config import GraceConfig
from graphns.pipelines.method import ANCHORS, DRAWS, VIEWS, NodeMethod, Step, reads_feedback
from graphns.pipelines.minibatch import Minibatch, minibatches
from graphns.pipelines.node_config import NodeConfig
from graphns.samplers.compose.all import All
from graphns.scorers.table import TableModel
from graphns.streams import Stream

_LOSS = DRAWS + 1  # the stream of what a loss draws
_BATCHES = 5  # those of an epoch's mini-batches, a child each


class TwoViews(NodeMethod):
    """A GCN and, for training only, a two-layer projector; what views and loss are, each method says.

    Args:
        data: its number of features is read.
        config: sizes, depth, activation, and all that a step needs.

    Shape:
        features [N, F] and adjacency [N, N] -> unit projections [N, hidden_size]; `embed` gives the embeddings.
    """

    config_class = GraceConfig
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

    @abstractmethod
    def views(self, data: NodeData | Minibatch, stream: Stream) -> tuple[View, View]:
        """Two views of the data, drawn from `stream`."""

    @abstractmethod
    def direction(self, from_view: Tensor, to_view: Tensor, sampler: Sampler, query: Query,
                  negatives: Negatives | None, stream: Stream) -> Tensor:
        """The loss in one direction, the mean over the anchors, from unit projections [N, d] of both views.

        Without negatives it is over every candidate of `sampler`, an `All`, and no mask [N, N] should be made. `stream`
        is for what the loss itself draws, each direction's own.
        """

    @property
    def plain(self) -> bool:
        """Whether the loss is GRACE's own now, InfoNCE without weights: over every candidate, it is then streamed."""
        return self.config.objective == "infonce"

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
            loss = _streamed(first, second, sampler, query, config) if self.plain else \
                self._both(first, second, sampler, query, None, stream)
            known = int(sampler.graph.degree[anchors].sum()) if sampler.exclude == "neighbors" else 0  # no self-loops
            return Step(loss, query, num_drawn=len(anchors) * (data.num_nodes - 1) - known)
        start = time.perf_counter()
        negatives = sampler(query)
        sample_seconds = time.perf_counter() - start
        if negatives.vectors is not None or negatives.anchor is not None:
            raise ValueError(f"{type(sampler).__name__} gives negatives that are no nodes of their anchor; "
                             f"{config.title} needs ids of nodes")
        loss = self._both(first, second, sampler, query, negatives, stream)
        return Step(loss, query, negatives, _feedback(first, second, query, negatives, loss, sampler), sample_seconds)

    def steps(self, data: NodeData, sampler: Sampler | None, stream: Stream, epoch: int) -> Iterator[Step]:
        """The one step of an epoch; with `config.num_neighbors`, a step for each mini-batch of the anchors."""
        config = self.config
        if config.num_neighbors is None:
            yield from super().steps(data, sampler, stream, epoch)
            return
        assert config.batch_size is not None
        batches = minibatches(data, sampler, num_neighbors=config.num_neighbors, batch_size=config.batch_size,
                              stream=stream, k=config.k, epoch=epoch)
        start = time.perf_counter()
        for number, batch in enumerate(batches):
            loading = time.perf_counter() - start
            yield self.batch_step(batch, sampler, stream.child(_BATCHES, number), loading)
            start = time.perf_counter()

    def batch_step(self, batch: Minibatch, sampler: Sampler | None, stream: Stream, loading: float = 0.0) -> Step:
        """The step of a mini-batch: two views of its sub-graph, and the loss of its anchors against its negatives."""
        first, second = (self(batch.features, view.adjacency, view.keep)
                         for view in self.views(batch, stream.child(VIEWS)))
        query, negatives = batch.placed
        assert sampler is not None and negatives is not None
        loss = self._both(first, second, sampler, query, negatives, stream)
        return Step(loss, batch.query, batch.negatives, Feedback(loss=loss), loading)

    def _both(self, first: Tensor, second: Tensor, sampler: Sampler, query: Query, negatives: Negatives | None,
              stream: Stream) -> Tensor:
        return (self.direction(first, second, sampler, query, negatives, stream.child(_LOSS, 0))
                + self.direction(second, first, sampler, query, negatives, stream.child(_LOSS, 1))) / 2

    @torch.no_grad()
    def embed(self, data: NodeData) -> Tensor:
        """Embeddings [N, hidden_size] of the whole graph, nothing dropped: what a probe reads."""
        embeddings: Tensor = self.encoder(data.features, data.adjacency)
        return embeddings


def every_node(data: NodeData, config: GraceConfig) -> Sampler:
    """The sampler of the official loss: every other node, or with `config.exclude="neighbors"` every non-neighbour."""
    return All.from_graph(data.graph, exclude=config.exclude)


def _streamed(first: Tensor, second: Tensor, sampler: All, query: Query, config: GraceConfig) -> Tensor:
    """GRACE's loss over every candidate, both directions; a correction of a full draw is nil and changes nothing."""
    known = sampler.graph if sampler.exclude == "neighbors" else None
    every = query.batch_size == len(first)
    return streamed_infonce(first, second, temperature=config.temperature, excluded=known,
                            anchors=None if every else query.anchor)


@torch.no_grad()
def _feedback(first: Tensor, second: Tensor, query: Query, negatives: Negatives, loss: Tensor,
              sampler: Sampler) -> Feedback:
    if not reads_feedback(sampler):
        return Feedback(loss=loss)  # nobody reads the scores, and for all negatives they are N x N
    anchor, positive = first[query.anchor], second[query.anchor]
    scores = gather_dot(anchor, second, negatives.ids)
    return Feedback((anchor * positive).sum(1), scores, loss, anchor, positive)
