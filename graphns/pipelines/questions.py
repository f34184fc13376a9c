"""One pass over the facts of a knowledge graph: each is asked from one side, in batches, a step for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.graph.triples import Triples
from graphns.objectives.correction import correction
from graphns.pipelines.adversary import AdversaryModel
from graphns.pipelines.knowledge_graph_config import KnowledgeGraphConfig
from graphns.scorers.relational import RelationalModel
from graphns.streams import Stream, unit

_ORDER, _SIDES, _DRAWS = range(3)  # the independent streams of one epoch


class Questions(NamedTuple):
    """A batch: facts, each asked from one side. Anchors [B, 2], positives [B], and which facts they are [B]."""

    anchor: Tensor
    positive: Tensor
    row: Tensor


class Step(NamedTuple):
    """What one step computed; `loss` carries the gradient of the model."""

    loss: Tensor
    query: Query
    negatives: Negatives
    feedback: Feedback
    sample_seconds: float


def side_chance(facts: Triples, config: KnowledgeGraphConfig) -> Tensor:
    """The chance to corrupt the head, of each relation [R]: bern's, or one half."""
    chance = facts.head_chance()
    return chance if config.side == "bern" else torch.full_like(chance, 0.5)


def batches(facts: Triples, chance: Tensor, batch_size: int, stream: Stream) -> Iterator[Questions]:
    """All facts once, in an order and from sides that `stream` decides; `chance` [R] is that of the head's side."""
    rows = torch.arange(len(facts), device=facts.head.device)
    corrupt_head = unit(stream.child(_SIDES).words(rows, 1)[:, 0]) < chance[facts.relation]
    anchors, positives = facts.questions(corrupt_head)
    order = stream.child(_ORDER).words(rows, 1)[:, 0].argsort()
    for part in torch.split(order, batch_size):
        yield Questions(anchors[part], positives[part], part)


def step(
    module: nn.Module, model: RelationalModel | AdversaryModel, questions: Questions, sampler: Sampler,
    config: KnowledgeGraphConfig, stream: Stream, epoch: int = 0,
) -> Step:
    """One step without the update: negatives drawn from `stream`, scored, and the loss.

    Args:
        module: what gives scores with gradient: the model, or Fabric's hull of it.
        model: the model itself, for samplers that read it; or an adversary in its place.
        questions: the batch.
        sampler: draws the negatives.
        config: k, the objective and its options.
        stream: of the epoch.
        epoch: for curricula.
    """
    anchor, positive, row = questions
    query = Query(anchor, positive, config.k, model, stream.child(_DRAWS), row, epoch)
    start = time.perf_counter()
    negatives = sampler(query)
    sample_seconds = time.perf_counter() - start
    if negatives.anchor is not None:
        raise ValueError(f"{type(sampler).__name__} draws both ends; a question needs other answers to its own anchor")
    positive_score = module(anchor, positive[:, None])[:, 0]
    if negatives.vectors is None:
        negative_score = module(anchor, negatives.ids)
    else:
        negative_score = model.score_vectors(anchor, negatives.vectors)
    options = dict(config.objective_options)
    names = config.correction_names()
    if names:
        parts = dict(correction(sampler, query, negatives))
        options |= {name: parts[name] for name in names}
    loss = config.loss()(positive_score, negative_score, negatives.mask, **options)
    with torch.no_grad():
        vectors = (model.query_vectors(anchor), model.embed(positive)) if sampler.stateful else (None, None)
        feedback = Feedback(positive_score, negative_score, loss, *vectors)
    if config.regularization:
        assert isinstance(model, RelationalModel)  # an adversary is trained without
        loss = loss + config.regularization * model.penalty(anchor, positive)
    return Step(loss, query, negatives, feedback, sample_seconds)


def one_pass(
    facts: Triples, chance: Tensor, batch_size: int, stream: Stream, epoch: int,
    take: Callable[[Questions, Stream, int], Step], cure: str,
) -> tuple[float, float, float, int]:
    """All facts once; `take`, given the questions, the stream and the epoch, makes the steps and the updates.

    Returns:
        What a `Log` notes: the mean loss of the facts, seconds, those of them that went into drawing, negatives drawn.

    Raises:
        ValueError: the loss is no longer finite; the message ends with `cure`.
    """
    start, total, drawing, num_drawn = time.perf_counter(), 0.0, 0.0, 0
    for questions in batches(facts, chance, batch_size, stream):
        done = take(questions, stream, epoch)
        total += float(done.loss.detach()) * len(questions.row)
        drawing += done.sample_seconds
        num_drawn += int(done.negatives.mask.sum())
    value = total / max(len(facts), 1)
    if not abs(value) < float("inf"):
        raise ValueError(f"the loss is {value} at epoch {epoch}{cure}")
    return value, time.perf_counter() - start, drawing, num_drawn
