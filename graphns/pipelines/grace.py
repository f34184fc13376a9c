"""GRACE: two augmented views of a graph; a node's two embeddings attract, its negatives repel in both views."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

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
from graphns.pipelines.checkpoint import Checkpoint, fingerprint, sampler_options
from graphns.pipelines.grace_config import GraceConfig
from graphns.scorers.table import TableModel
from graphns.streams import Stream
from graphns.views.augment import drop_edge, keep_mask

_VIEWS, _ANCHORS, _DRAWS = range(3)  # the independent streams of one step


class View(NamedTuple):
    """One augmented view: the propagation matrix [N, N] of the edges that stay, and the feature columns [F] that do."""

    adjacency: Sparse
    keep: Tensor


class Step(NamedTuple):
    """What one step computed; `loss` carries the gradient of the model."""

    loss: Tensor
    query: Query
    negatives: Negatives
    feedback: Feedback
    sample_seconds: float


class Grace(nn.Module):
    """GRACE's model: a GCN and, for training only, a two-layer projector.

    Args:
        num_features: F.
        config: sizes, depth, activation.

    Shape:
        features [N, F] and adjacency [N, N] -> unit projections [N, hidden_size]; `embed` gives the embeddings.
    """

    def __init__(self, num_features: int, config: GraceConfig) -> None:
        super().__init__()
        self.encoder = GCN(num_features, config.hidden_size, config.num_layers, config.activation)
        self.projector = nn.Sequential(
            nn.Linear(config.hidden_size, config.projection_size), nn.ELU(),
            nn.Linear(config.projection_size, config.hidden_size),
        )

    @classmethod
    def seeded(cls, data: NodeData, config: GraceConfig) -> Grace:
        """The untrained model of a run: weights drawn by `config.seed`, torch's generator left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return cls(data.num_features, config).to(data.device)

    def forward(self, features: Tensor | Sparse, adjacency: Sparse, keep: Tensor | None = None) -> Tensor:
        """Unit projections [N, hidden_size] float32: their dot products are GRACE's cosines."""
        return F.normalize(self.projector(self.encoder(features, adjacency, keep)).float(), dim=1)

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
    from graphns.samplers.compose.all import All

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


def step(
    model: nn.Module, data: NodeData, views: tuple[View, View], sampler: Sampler, config: GraceConfig, stream: Stream,
    epoch: int = 0,
) -> Step:
    """One step without the update: views given, anchors and negatives drawn from `stream`, both directions' loss."""
    first, second = (model(data.features, view.adjacency, view.keep) for view in views)
    anchors = torch.arange(data.num_nodes, device=data.device)
    if config.batch_size is not None and config.batch_size < data.num_nodes:
        words = stream.child(_ANCHORS).words(anchors, 1)[:, 0]
        anchors = words.argsort()[: config.batch_size].sort().values
    query = Query(anchors, anchors, config.k, TableModel(first.detach(), second.detach()), stream.child(_DRAWS),
                  row=anchors, epoch=epoch)
    start = time.perf_counter()
    negatives = sampler(query)
    sample_seconds = time.perf_counter() - start
    if negatives.vectors is not None or negatives.anchor is not None:
        raise ValueError(f"{type(sampler).__name__} gives negatives that are no nodes of their anchor; GRACE needs "
                         "ids of nodes")
    loss = (direction_loss(first, second, sampler, query, negatives, config)
            + direction_loss(second, first, sampler, query, negatives, config)) / 2
    return Step(loss, query, negatives, _feedback(first, second, query, negatives, loss, sampler), sample_seconds)


def step_loss(
    model: nn.Module, data: NodeData, views: tuple[View, View], sampler: Sampler, config: GraceConfig, stream: Stream,
    epoch: int = 0,
) -> tuple[Tensor, Query, Negatives]:
    """The loss of one step, differentiable in the model's parameters, with its query and negatives.

    With model and views fixed, its gradients under different samplers and streams estimate one another.
    """
    done = step(model, data, views, sampler, config, stream, epoch)
    return done.loss, done.query, done.negatives


@torch.no_grad()
def _feedback(first: Tensor, second: Tensor, query: Query, negatives: Negatives, loss: Tensor,
              sampler: Sampler) -> Feedback:
    if not (sampler.stateful or any(True for _ in sampler.parameters())):
        return Feedback(loss=loss)  # nobody reads the scores, and for all negatives they are N x N
    anchor, positive = first[query.anchor], second[query.anchor]
    scores = gather_dot(anchor, second, negatives.ids)
    return Feedback((anchor * positive).sum(1), scores, loss, anchor, positive)


@dataclass(eq=False)
class GraceResult:
    """A trained run.

    Args:
        embeddings: [N, hidden_size], on the CPU.
        losses: one per epoch.
        epoch_seconds: wall time of each epoch: views, drawing, loss, update.
        sample_seconds: of it, drawing.
        num_drawn: usable negatives drawn in all.
        model: the trained model.
        config: its settings.
    """

    embeddings: Tensor
    losses: list[float]
    epoch_seconds: list[float]
    sample_seconds: list[float]
    num_drawn: int
    model: Grace
    config: GraceConfig = field(repr=False)


def train(
    data: NodeData,
    sampler: Sampler | None = None,
    config: GraceConfig | None = None,
    *,
    folder: str | Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    checkpoint_every: int = 25,
    accelerator: str = "cpu",
    precision: str = "32-true",
) -> GraceResult:
    """Train GRACE with the negatives of `sampler`.

    Args:
        data: see `graphns.data.load`.
        sampler: over `data.graph`. None: every other node (`All`), the official loss.
        config: None: `GraceConfig.preset(data.name)`.
        folder: where checkpoints are written; if it holds one of this run, training goes on from there and ends with
            the same numbers as a run that was never cut off.
        progress: called after every epoch with (epochs done, epochs in all, loss).
        checkpoint_every: epochs between checkpoints.
        accelerator: Fabric's: "cpu", "cuda", "mps", "auto".
        precision: "32-true", or Fabric's "bf16-mixed" or "16-mixed"; the loss is always made in float32.

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
    from lightning.fabric import Fabric

    config = GraceConfig.preset(data.name) if config is None else config
    if precision not in ("32-true", "bf16-mixed", "16-mixed"):
        raise ValueError(f"precision must be '32-true', 'bf16-mixed' or '16-mixed', got {precision!r}")
    fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)  # type: ignore[arg-type]
    data = data.to(fabric.device)
    sampler = every_node(data, config) if sampler is None else sampler.to(fabric.device)
    model = Grace.seeded(data, config)
    learned = [*model.parameters(), *sampler.parameters()]
    optimizer = torch.optim.Adam(learned, lr=config.learning_rate, weight_decay=config.weight_decay)
    adversary = getattr(sampler, "loss", None)  # a sampler with parameters learns from the same step
    run = Checkpoint(folder, {"model": model, "sampler": sampler, "optimizer": optimizer},
                     {"config": config.to_dict(), "sampler": type(sampler).__name__,
                      "options": sampler_options(sampler), "data": fingerprint(data)})
    log = run.resume()
    module, fabric_optimizer = fabric.setup(model, optimizer)
    for epoch in range(len(log.losses), config.epochs):
        start = time.perf_counter()
        stream = Stream(config.seed, epoch)
        done = step(module, data, make_views(data, config, stream.child(_VIEWS)), sampler, config, stream, epoch)
        loss = done.loss
        if adversary is not None:
            loss = loss + adversary(done.negatives, done.feedback, done.query)
        fabric_optimizer.zero_grad()
        fabric.backward(loss)
        fabric_optimizer.step()
        sampler.update(done.query, done.negatives, done.feedback)
        value = float(done.loss.detach())
        if not abs(value) < float("inf"):
            raise ValueError(f"the loss is {value} at epoch {epoch}: lower learning_rate={config.learning_rate}")
        log.add(value, time.perf_counter() - start, done.sample_seconds, int(done.negatives.mask.sum()))
        if (epoch + 1) % checkpoint_every == 0 or epoch + 1 == config.epochs:
            run.save(log)
        if progress is not None:
            progress(epoch + 1, config.epochs, value)
    return GraceResult(model.embed(data).float().cpu(), log.losses, log.epoch_seconds, log.sample_seconds,
                       log.num_drawn, model, config)
