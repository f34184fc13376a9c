"""Knowledge-graph embeddings: each fact is asked from one side, and its answer stands against drawn negatives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.data.knowledge_graph import KnowledgeGraph
from graphns.graph.triples import Triples
from graphns.metrics.ranking import Ranking, rank_triples
from graphns.objectives.correction import correction
from graphns.pipelines.checkpoint import Checkpoint
from graphns.pipelines.knowledge_graph_config import KnowledgeGraphConfig
from graphns.pipelines.selection import Selection
from graphns.registry import load
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


def build_sampler(name: str, facts: Triples, **options: Any) -> Sampler:
    """A sampler by name for the questions of `facts`: it draws answers that complete no known fact.

    A class that has `from_triples` is built by it. Any other sees the known answers as a graph, whose rows are the
    distinct anchors (entity, relation) of both sides; `Adversarial` gets a vector for each entity and relation.

    Args:
        name: in the registry.
        facts: the train facts.
        options: of the class; ``exclude="self"`` leaves known answers in, but the positive.

    Raises:
        UnknownNameError: there is no such sampler.

    Example:
        >>> facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 0, 2]]), num_entities=4)
        >>> query = Query(torch.tensor([[0, 0]]), torch.tensor([1]), k=50, stream=Stream(0))
        >>> sorted(set(build_sampler("uniform", facts)(query).ids[0].tolist()))
        [0, 3]
    """
    cls = load(name)
    if hasattr(cls, "from_triples"):
        sampler: Sampler = cls.from_triples(facts, **options)
    elif cls.__name__ == "Adversarial":
        base = load("uniform").from_graph(facts.known(), exclude=options.pop("exclude", "neighbors"))
        sampler = cls(base, num_anchors=facts.num_entities, num_candidates=facts.num_entities,
                      num_relations=2 * facts.num_relations, **options)
    else:
        sampler = cls.from_graph(facts.known(), **options)
    return sampler


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
    module: nn.Module, model: RelationalModel, questions: Questions, sampler: Sampler, config: KnowledgeGraphConfig,
    stream: Stream, epoch: int = 0,
) -> Step:
    """One step without the update: negatives drawn from `stream`, scored, and the loss.

    Args:
        module: what gives scores with gradient: the model, or Fabric's hull of it.
        model: the model itself, for samplers that read it.
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
        loss = loss + config.regularization * model.penalty(anchor, positive)
    return Step(loss, query, negatives, feedback, sample_seconds)


def adversary_loss(sampler: Any, done: Step) -> Tensor:
    """The sampler's own loss of a step."""
    loss: Tensor = sampler.loss(done.negatives, done.feedback, done.query)
    return loss


@dataclass(eq=False)
class KnowledgeGraphResult:
    """A trained run.

    Args:
        model: the model of the chosen epoch, on the CPU.
        epoch: epochs done when it was chosen.
        validation: (epochs done, filtered MRR of the valid facts) of every validation.
        valid: ranks of the valid facts under the chosen model, train and valid facts left out.
        test: ranks of the test facts, all facts left out.
        losses: one per epoch.
        epoch_seconds: wall time of each epoch, validation not counted.
        sample_seconds: of it, drawing.
        num_drawn: usable negatives drawn in all.
        config: its settings.
    """

    model: RelationalModel
    epoch: int
    validation: list[tuple[int, float]]
    valid: Ranking
    test: Ranking
    losses: list[float]
    epoch_seconds: list[float]
    sample_seconds: list[float]
    num_drawn: int
    config: KnowledgeGraphConfig = field(repr=False)


def train(
    data: KnowledgeGraph,
    sampler: Sampler | str = "uniform",
    config: KnowledgeGraphConfig | None = None,
    *,
    folder: str | Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    checkpoint_every: int = 10,
    accelerator: str = "cpu",
) -> KnowledgeGraphResult:
    """Train a scorer of triples with the negatives of `sampler`.

    The sampler sees train facts alone. The filtered MRR of the valid facts chooses the epoch; test facts are ranked
    once, at the end, and choose nothing. A sampler with parameters and a `loss` (an adversary) takes a step of its own,
    with an optimiser of its own, after each step of the model.

    Args:
        data: see `graphns.data.knowledge_graph.load_knowledge_graph`.
        sampler: over anchors (entity, relation); or a name, as `build_sampler` takes it.
        config: None: `KnowledgeGraphConfig()`.
        folder: where checkpoints are written; if it holds one of this run, training goes on from there and ends with
            the same numbers as a run that was never cut off.
        progress: called after every epoch with (epochs done, epochs in all, loss).
        checkpoint_every: epochs between checkpoints.
        accelerator: Fabric's: "cpu", "cuda", "mps", "auto".

    What is random: weights, the order of the facts, the sides and the draws, all keyed by `config.seed`; torch's
    generator is left alone.

    Raises:
        ValueError: the folder holds another run; the sampler cannot serve; the loss is no longer finite.

    Example:
        >>> table = torch.tensor([[0, 0, 1], [1, 0, 2], [2, 0, 3], [3, 0, 0]])
        >>> parts = [Triples.from_tensor(each, 4, 1) for each in (table[:2], table[2:3], table[3:])]
        >>> data = KnowledgeGraph("ring", *parts, ("a", "b", "c", "d"), ("next",))
        >>> result = train(data, "uniform", KnowledgeGraphConfig(dim=4, k=2, epochs=3))
        >>> len(result.losses), result.test.ranks.shape
        (3, torch.Size([2, 1]))
    """
    from lightning.fabric import Fabric

    config = KnowledgeGraphConfig() if config is None else config
    fabric = Fabric(accelerator=accelerator, devices=1)
    data = data.to(fabric.device)
    sampler = build_sampler(sampler, data.train) if isinstance(sampler, str) else sampler
    sampler = sampler.to(fabric.device)
    model = config.build(data.num_entities, data.num_relations).to(fabric.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    chosen = Selection()
    parts: dict[str, Any] = {"model": model, "sampler": sampler, "optimizer": optimizer, "chosen": chosen}
    adversary = None
    if hasattr(sampler, "loss") and any(True for _ in sampler.parameters()):
        adversary = torch.optim.Adam(sampler.parameters(), lr=config.adversary_rate)
        parts["adversary"] = adversary
    run = Checkpoint(folder, parts, {"config": config.to_dict(), "sampler": type(sampler).__name__,
                                     "data": fingerprint(data)})
    log = run.resume()
    module, fabric_optimizer = fabric.setup(model, optimizer)
    seen, chance = data.train.known() | data.valid.known(), side_chance(data.train, config)
    for epoch in range(len(log.losses), config.epochs):
        if config.patience is not None and chosen.waited >= config.patience:
            break
        start, total, drawing, num_drawn = time.perf_counter(), 0.0, 0.0, 0
        stream = Stream(config.seed, epoch)
        for questions in batches(data.train, chance, config.batch_size, stream):
            done = step(module, model, questions, sampler, config, stream, epoch)
            fabric_optimizer.zero_grad()
            fabric.backward(done.loss)
            fabric_optimizer.step()
            if adversary is not None:
                adversary.zero_grad()
                adversary_loss(sampler, done).backward()  # type: ignore[no-untyped-call]
                adversary.step()
            sampler.update(done.query, done.negatives, done.feedback)
            total += float(done.loss.detach()) * len(questions.row)
            drawing += done.sample_seconds
            num_drawn += int(done.negatives.mask.sum())
        value = total / max(len(data.train), 1)
        if not abs(value) < float("inf"):
            raise ValueError(f"the loss is {value} at epoch {epoch}: lower learning_rate={config.learning_rate}")
        log.add(value, time.perf_counter() - start, drawing, num_drawn)
        if (epoch + 1) % config.validate_every == 0 or epoch + 1 == config.epochs:
            chosen.see(epoch + 1, rank_triples(model, data.valid, seen).mrr, model)
        if (epoch + 1) % checkpoint_every == 0:
            run.save(log)
        if progress is not None:
            progress(epoch + 1, config.epochs, value)
    run.save(log)
    if chosen.state:
        model.load_state_dict(chosen.state)
    valid, test = rank_triples(model, data.valid, seen), rank_triples(model, data.test, data.known())
    return KnowledgeGraphResult(model.cpu(), max(chosen.epoch, 0), chosen.history, valid, test, log.losses,
                                log.epoch_seconds, log.sample_seconds, log.num_drawn, config)


def fingerprint(data: KnowledgeGraph) -> dict[str, Any]:
    """Plain numbers that tell one knowledge graph from another."""
    mixed = {}
    for name in ("train", "valid", "test"):
        facts: Triples = getattr(data, name)
        mixed[name] = int((facts.head * 31 + facts.relation * 17 + (facts.head ^ facts.tail) * 7).sum())
    return {"num_entities": data.num_entities, "num_relations": data.num_relations, "num_train": len(data.train),
            **mixed}
