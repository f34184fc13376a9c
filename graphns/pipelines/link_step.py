"""One step of link prediction: which end stays, what is drawn for the other, and the loss."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from graphns.base import Feedback, Query, Sampler
from graphns.data.link import LinkData
from graphns.encoders.message_passing import Adjacency
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel, LinkView, message_edges
from graphns.pipelines.method import Step, reads_feedback
from graphns.pipelines.pair_objective import pair_loss
from graphns.streams import Stream, unit

_SIDES, _DRAWS = 1, 3  # independent streams of one epoch; 0 and 2 are the order's and dropout's


def step(
    module: Any, model: LinkModel, data: LinkData, adjacency: Adjacency, rows: Tensor, sampler: Sampler,
    config: LinkConfig, stream: Stream, epoch: int = 0,
) -> Step:
    """One step without the update: the graph embedded, negatives drawn and scored, and the loss.

    Args:
        module: what embeds with gradient: the model, or Fabric's hull of it.
        model: the model itself.
        data: of the run.
        adjacency: of the training graph, as the encoder makes it.
        rows: [B] int64, which training positives.
        sampler: draws the negatives.
        config: of the run.
        stream: of the epoch.
        epoch: for curricula.
    """
    anchor, positive = _sides(data, rows, config, stream)
    if config.mask_targets:
        adjacency = model.encoder.adjacency(_without(data, rows))
    table = module(data.features, adjacency)
    query = Query(anchor, positive, config.k, LinkView(model, table.detach()), stream.child(_DRAWS), rows, epoch)
    start = time.perf_counter()
    negatives = sampler(query)
    sample_seconds = time.perf_counter() - start
    positive_score = model.pair_scores(table, anchor, positive)
    negative_score = model.negative_scores(table, anchor, negatives)
    loss = pair_loss(config.objective, positive_score, negative_score, sampler, query, negatives, config.corrected)
    feedback = Feedback(positive_score, negative_score, loss)
    if reads_feedback(sampler):
        feedback = Feedback(positive_score, negative_score, loss, table[anchor], table[positive])
    return Step(loss, query, negatives, feedback, sample_seconds)


def _sides(data: LinkData, rows: Tensor, config: LinkConfig, stream: Stream) -> tuple[Tensor, Tensor]:
    """Anchors, the ends that stay, and positives, those that negatives stand in for."""
    source, target = data.train[:, rows]
    if config.side == "destination" or not data.undirected:
        return source, target
    if config.side == "source":
        return target, source
    swapped = unit(stream.child(_SIDES).words(rows, 1)[:, 0]) < 0.5
    return torch.where(swapped, target, source), torch.where(swapped, source, target)


def _without(data: LinkData, rows: Tensor) -> Tensor:
    """What messages pass along [2, E] but some of the positives, in both directions."""
    edges, n = message_edges(data, data.graph), data.num_nodes
    source, target = data.train[:, rows]
    gone = torch.cat([source * n + target, target * n + source])
    return edges[:, ~torch.isin(edges[0] * n + edges[1], gone)]
