"""One step of link prediction: which end stays, what is drawn for the other, and the loss."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.data.link import LinkData
from graphns.encoders.message_passing import Adjacency
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel, LinkView, Table, message_edges
from graphns.pipelines.method import Step, reads_feedback
from graphns.pipelines.pair_objective import pair_loss
from graphns.streams import Stream, unit

_SIDES, _DRAWS = 1, 3  # independent streams of one epoch; 0 and 2 are the order's and dropout's, 4 the neighbours'


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
    question = ask(data, rows, config, stream, epoch)
    if config.mask_targets:
        adjacency = model.encoder.adjacency(_without(data, rows))
    table = Table(module(data.features, adjacency))
    query = replace(question, model=LinkView(model, table.detach()))
    start = time.perf_counter()
    negatives = sampler(query)
    sample_seconds = time.perf_counter() - start
    return scored(model, table, query, negatives, sampler, config, sample_seconds)


def ask(data: LinkData, rows: Tensor, config: LinkConfig, stream: Stream, epoch: int) -> Query:
    """The question of a step, without a model: anchors, the ends that stay, and positives, which are replaced."""
    anchor, positive = _sides(data, rows, config, stream)
    return Query(anchor, positive, config.k, None, stream.child(_DRAWS), rows, epoch)


def scored(model: LinkModel, table: Table, query: Query, negatives: Negatives, sampler: Sampler, config: LinkConfig,
           sample_seconds: float) -> Step:
    """The loss of what was drawn, by the vectors of this step, and what it teaches the sampler."""
    anchor, positive = query.anchor, query.positive
    positive_score = model.pair_scores(table, anchor, positive)
    negative_score = model.negative_scores(table, anchor, negatives)
    loss = pair_loss(config.objective, positive_score, negative_score, sampler, query, negatives, config.corrected)
    feedback = Feedback(positive_score, negative_score, loss)
    if reads_feedback(sampler):
        feedback = Feedback(positive_score, negative_score, loss, table.of(anchor), table.of(positive))
    return Step(loss, query, negatives, feedback, sample_seconds)


def both_ways(data: LinkData, rows: Tensor) -> Tensor:
    """Some positives in both directions, as sorted numbers source * N + target, each once."""
    source, target = data.train[:, rows]
    n = data.num_nodes
    numbers: Tensor = torch.unique(torch.cat([source * n + target, target * n + source]))
    return numbers


def _sides(data: LinkData, rows: Tensor, config: LinkConfig, stream: Stream) -> tuple[Tensor, Tensor]:
    """Anchors, the ends that stay, and positives, those that negatives stand in for."""
    source, target = data.train_pairs(rows, stream)
    if config.side == "destination" or not data.undirected:
        return source, target
    if config.side == "source":
        return target, source
    swapped = unit(stream.child(_SIDES).words(rows, 1)[:, 0]) < 0.5
    return torch.where(swapped, target, source), torch.where(swapped, source, target)


def _without(data: LinkData, rows: Tensor) -> Tensor:
    """What messages pass along [2, E] but some of the positives, in both directions."""
    source, target = edges = message_edges(data, data.graph)
    return edges[:, ~torch.isin(source * data.num_nodes + target, both_ways(data, rows))]
