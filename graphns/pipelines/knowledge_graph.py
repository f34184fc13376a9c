"""Knowledge-graph embeddings: each fact is asked from one side, and its answer stands against drawn negatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from graphns.base import Sampler
from graphns.data.knowledge_graph import KnowledgeGraph
from graphns.graph.triples import Triples
from graphns.metrics.ranking import Ranking, rank_triples
from graphns.pipelines.adversary import adversary_loss, check_adversary, learns, turns
from graphns.pipelines.checkpoint import Checkpoint, Log, ordered_sum, sampler_options
from graphns.pipelines.knowledge_graph_config import KnowledgeGraphConfig
from graphns.pipelines.pretraining import phases_before
from graphns.pipelines.questions import Questions, Step, one_pass, side_chance, step
from graphns.pipelines.selection import Selection
from graphns.registry import load
from graphns.scorers.relational import RelationalModel
from graphns.streams import Stream


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
        >>> from graphns.base import Query
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
        pretraining: what the epochs before measured, by the side that learned, "model" or "adversary".
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
    pretraining: dict[str, Log] = field(default_factory=dict, repr=False)


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
    with an optimiser of its own, after each step of the model, or in turns of epochs (`config.alternation`). Either
    side may be trained beforehand, on its own (`config.model_pretraining`, `config.adversary_pretraining`).

    Args:
        data: see `graphns.data.knowledge_graph.load_knowledge_graph`.
        sampler: over anchors (entity, relation); or a name, as `build_sampler` takes it.
        config: None: `KnowledgeGraphConfig()`.
        folder: where checkpoints are written; if it holds one of this run, training goes on from there and ends with
            the same numbers as a run that was never cut off.
        progress: called after every epoch with (epochs done, epochs in all, loss), those of pre-training included.
        checkpoint_every: epochs between checkpoints.
        accelerator: Fabric's: "cpu", "cuda", "mps", "auto".

    What is random: weights, the order of the facts, the sides and the draws, all keyed by `config.seed`; torch's
    generator is left alone.

    Raises:
        ValueError: the folder holds another run; the sampler cannot serve, or has no adversary that the settings could
            train; the loss is no longer finite.

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
    check_adversary(sampler, config)
    adversary = None
    if learns(sampler):
        adversary = torch.optim.Adam(sampler.parameters(), lr=config.adversary_rate)
        parts["adversary"] = adversary
    phases = phases_before(config, model, sampler, lambda: build_sampler(
        config.pretraining_sampler, data.train, **config.pretraining_options).to(fabric.device))
    run = Checkpoint(folder, parts | {f"{phase.side}_pretraining": phase for phase in phases},
                     {"config": config.to_dict(), "sampler": type(sampler).__name__,
                      "options": sampler_options(sampler), "data": fingerprint(data)})
    log = run.resume()
    module, fabric_optimizer = fabric.setup(model, optimizer)
    seen, chance = data.train.known() | data.valid.known(), side_chance(data.train, config)
    before = sum(phase.epochs for phase in phases)

    def close_epoch(done: int, value: float) -> None:
        if done % checkpoint_every == 0:
            run.save(log)
        if progress is not None:
            progress(done, before + config.epochs, value)

    def take(questions: Questions, stream: Stream, epoch: int) -> Step:
        model_learns, adversary_learns = turns(config, epoch)
        done = step(module, model, questions, sampler, config, stream, epoch)
        if model_learns:
            fabric_optimizer.zero_grad()
            fabric.backward(done.loss)
            fabric_optimizer.step()
        if adversary is not None and adversary_learns:
            adversary.zero_grad()
            own_loss = adversary_loss(sampler, done.negatives, done.feedback, done.query)
            own_loss.backward()  # type: ignore[no-untyped-call]
            adversary.step()
        sampler.update(done.query, done.negatives, done.feedback)
        return done

    for phase in phases:
        for value in phase.train(data.train, chance):
            close_epoch(sum(len(each.log.losses) for each in phases), value)
    for epoch in range(len(log.losses), config.epochs):
        if config.patience is not None and chosen.waited >= config.patience:
            break
        log.add(*one_pass(data.train, chance, config.batch_size, Stream(config.seed, epoch), epoch, take,
                          f": lower learning_rate={config.learning_rate}"))
        if (epoch + 1) % config.validate_every == 0 or epoch + 1 == config.epochs:
            chosen.see(epoch + 1, rank_triples(model, data.valid, seen).mrr, model)
        close_epoch(before + epoch + 1, log.losses[-1])
    run.save(log)
    if chosen.state:
        model.load_state_dict(chosen.state)
    valid, test = rank_triples(model, data.valid, seen), rank_triples(model, data.test, data.known())
    return KnowledgeGraphResult(model.cpu(), max(chosen.epoch, 0), chosen.history, valid, test, log.losses,
                                log.epoch_seconds, log.sample_seconds, log.num_drawn, config,
                                {phase.side: phase.log for phase in phases})


def fingerprint(data: KnowledgeGraph) -> dict[str, Any]:
    """Plain numbers that tell one knowledge graph from another, or from the same in another order."""
    mixed = {}
    for name in ("train", "valid", "test"):
        facts: Triples = getattr(data, name)
        mixed[name] = ordered_sum(facts.head * 31 + facts.relation * 17 + (facts.head ^ facts.tail) * 7)
    return {"num_entities": data.num_entities, "num_relations": data.num_relations, "num_train": len(data.train),
            **mixed}
