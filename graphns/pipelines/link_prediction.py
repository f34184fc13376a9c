"""Link prediction: known edges score above drawn ones; validation chooses the epoch, test edges are scored once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from graphns.base import Sampler
from graphns.data.link import LinkData
from graphns.encoders.message_passing import Adjacency
from graphns.graph.graph import Graph
from graphns.metrics.links import LinkEvaluation, evaluate_links
from graphns.pipelines.checkpoint import Checkpoint, Log, ordered_sum, sampler_options, weighed
from graphns.pipelines.link_batch import batch_step, check_sampler
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel, message_edges, message_graph
from graphns.pipelines.link_step import step
from graphns.pipelines.method import Step
from graphns.pipelines.selection import Selection
from graphns.streams import Stream

if TYPE_CHECKING:
    from lightning.fabric.loggers.logger import Logger

_ORDER, _DROPOUT = 0, 2  # streams of one epoch, beside those of a step


@dataclass(eq=False)
class LinkResult:
    """A trained run.

    Args:
        embeddings: [N, d] over the training graph, on the CPU.
        model: of the chosen epoch.
        epoch: epochs done when it was chosen.
        validation: (epochs done, the official metric on validation edges) of every validation.
        valid: every metric on the validation edges.
        test: every metric on the test edges.
        losses: one per epoch.
        epoch_seconds: wall time of each epoch, validation not counted.
        sample_seconds: of it, drawing.
        num_drawn: usable negatives drawn in all.
        config: its settings.
    """

    embeddings: Tensor
    model: LinkModel
    epoch: int
    validation: list[tuple[int, float]]
    valid: LinkEvaluation
    test: LinkEvaluation
    losses: list[float]
    epoch_seconds: list[float]
    sample_seconds: list[float]
    num_drawn: int
    config: LinkConfig = field(repr=False)


def train(
    data: LinkData,
    sampler: Sampler | None = None,
    config: LinkConfig | None = None,
    *,
    folder: str | Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    checkpoint_every: int = 25,
    accelerator: str = "cpu",
    loggers: Sequence[Logger] = (),
) -> LinkResult:
    """Train an encoder and a decoder with the negatives of `sampler`.

    A step embeds the whole graph, or with `config.num_neighbors` the nodes of its batch, scores its positives and their
    negatives, and updates. The sampler sees training edges alone. The data's official metric on validation edges
    chooses the epoch; test edges are scored once, at the end, and choose nothing.

    Args:
        data: see `graphns.data.link_loading.load_links`.
        sampler: over `data.graph`. None: `Uniform`, the known neighbours left out.
        config: None: the preset for `data.name`.
        folder: where checkpoints are written; if it holds one of this run, training goes on from there and ends with
            the same numbers as a run that was never cut off.
        progress: called after every epoch with (epochs done, epochs in all, loss).
        checkpoint_every: epochs between checkpoints.
        accelerator: Fabric's: "cpu", "cuda", "mps", "auto".
        loggers: Fabric's: each gets loss, seconds and validation of every epoch, a resumed run's past included.

    What is random: weights, the order of the positives, their sides, dropout, the draws and sampled neighbours, all
    keyed by `config.seed`; torch's generator is left alone.

    Raises:
        ValueError: the folder holds another run; the sampler cannot serve; the loss is no longer finite.

    Example:
        >>> from graphns.data.link_loading import load_links
        >>> data = load_links("digits")
        >>> result = train(data, config=LinkConfig.preset("digits", epochs=2, hidden_size=8, size=8))
        >>> len(result.losses), result.embeddings.shape
        (2, torch.Size([1797, 8]))
    """
    config = LinkConfig.preset(data.name) if config is None else config

    def validate(epoch: int, model: LinkModel, data: LinkData) -> float:
        return evaluate(model, data, "valid").as_dict()[data.metric]

    model, data, chosen, log = fit(data, sampler, config, validate, folder=folder, progress=progress,
                                   checkpoint_every=checkpoint_every, accelerator=accelerator, loggers=loggers)
    valid, test = evaluate(model, data, "valid"), evaluate(model, data, "test", config.use_valid_edges)
    return LinkResult(model.embed(data).cpu(), model, max(chosen.epoch, 0), chosen.history, valid, test, log.losses,
                      log.epoch_seconds, log.sample_seconds, log.num_drawn, config)


class Fitted(NamedTuple):
    """What training leaves: the model of the chosen epoch, the data on its device, what validation said, the log."""

    model: LinkModel
    data: LinkData
    chosen: Selection
    log: Log


def fit(
    data: LinkData, sampler: Sampler | None, config: LinkConfig,
    validate: Callable[[int, LinkModel, LinkData], float], *, model: LinkModel | None = None,
    watch: Callable[[Step], None] | None = None, parts: Mapping[str, Any] | None = None,
    folder: str | Path | None = None, progress: Callable[[int, int, float], None] | None = None,
    checkpoint_every: int = 25, accelerator: str = "cpu", loggers: Sequence[Logger] = (),
) -> Fitted:
    """The loop of `train`, under any validation, and without the evaluation at its end.

    Args:
        data: see `train`, as for what is not named here.
        sampler: see `train`.
        config: see `train`.
        validate: (epochs done, model, data on its device) -> a figure, higher is better, which chooses the epoch; asked
            every `config.validate_every` epochs and after the last. Must draw from no global generator.
        model: untrained; None: the encoder and decoder of `config`.
        watch: called with every step after its update; must draw from no global generator.
        parts: what `validate` and `watch` remember, by name, with `state_dict` and `load_state_dict`; goes into the
            checkpoint.
        folder: see `train`.
        progress: called after the validation.
        checkpoint_every: see `train`.
        accelerator: see `train`.
        loggers: see `train`.

    Raises:
        ValueError: see `train`; or the checkpoint has other parts.
    """
    from lightning.fabric import Fabric

    if checkpoint_every < 1:
        raise ValueError(f"checkpoint_every must be at least 1, got {checkpoint_every}")
    if not data.undirected and config.side == "source":
        raise ValueError(f"the edges of {data.name} have a direction, and candidates are their destinations: set "
                         "side='destination'")
    fabric = Fabric(accelerator=accelerator, devices=1, loggers=list(loggers))
    data = data.to(fabric.device)
    sampler = (default_sampler(data) if sampler is None else sampler).to(fabric.device)
    model = LinkModel.seeded(data, config) if model is None else model.to(data.device)
    if config.num_neighbors is not None:
        check_sampler(sampler, model, data, config)
    learned = [each for each in [*model.parameters(), *sampler.parameters()] if each.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=config.learning_rate, weight_decay=config.weight_decay)
    chosen = Selection()
    own = {"model": model, "sampler": sampler, "optimizer": optimizer, "chosen": chosen}
    run = Checkpoint(folder, {**(parts or {}), **own}, {
        "config": config.to_dict(), "data": fingerprint(data), "sampler": type(sampler).__name__,
        "options": sampler_options(sampler), **({"parts": sorted(parts)} if parts else {})})
    log = run.resume()
    module, fabric_optimizer = fabric.setup(model, optimizer)
    known = dict(chosen.history)
    for epoch in range(len(log.losses)):
        _tell(fabric, log, epoch, known.get(epoch + 1))
    make: Callable[..., Step] = step
    along: Adjacency | Graph
    if config.num_neighbors is None:
        along = model.encoder.adjacency(message_edges(data, data.graph))
    else:
        make, along = batch_step, message_graph(data, data.graph)

    def take(rows: Tensor, stream: Stream, epoch: int) -> Step:
        return make(module, model, data, along, rows, sampler, config, stream, epoch)

    for epoch in range(len(log.losses), config.epochs):
        if config.patience is not None and chosen.waited >= config.patience:
            break
        _epoch(fabric, fabric_optimizer, model, data, take, sampler, config, epoch, log, watch)
        value = None
        if (epoch + 1) % config.validate_every == 0 or epoch + 1 == config.epochs:
            value = validate(epoch + 1, model, data)
            chosen.see(epoch + 1, value, model)
        if (epoch + 1) % checkpoint_every == 0:
            run.save(log)
        _tell(fabric, log, epoch, value)
        if progress is not None:
            progress(epoch + 1, config.epochs, log.losses[-1])
    run.save(log)
    if chosen.state:
        model.load_state_dict(chosen.state)
    return Fitted(model, data, chosen, log)


def default_sampler(data: LinkData) -> Sampler:
    """Uniform over the nodes that are no known neighbours of the anchor."""
    from graphns.samplers.static.uniform import Uniform

    return Uniform(data.graph)


def evaluate(model: LinkModel, data: LinkData, part: str, use_valid_edges: bool = False) -> LinkEvaluation:
    """Every metric of a model on the edges of "valid" or "test", whose negatives are the data's.

    Args:
        model: trained on `data`.
        data: on the model's device.
        part: "valid" or "test".
        use_valid_edges: embed over training and validation edges; common neighbours are those of both too.
    """
    graph = data.joined("train", "valid") if use_valid_edges else None
    return evaluate_links(model.scorer(data, graph), data.part(part))


def _epoch(fabric: Any, optimizer: Any, model: LinkModel, data: LinkData, take: Callable[[Tensor, Stream, int], Step],
           sampler: Sampler, config: LinkConfig, epoch: int, log: Log, watch: Callable[[Step], None] | None) -> None:
    """All positives once, noted in the log."""
    stream = Stream(config.seed, epoch)
    adversary = getattr(sampler, "loss", None)  # a sampler with parameters learns from the same step
    num_edges = data.num_positives
    every = torch.arange(num_edges, device=data.device)
    order = stream.child(_ORDER).words(every, 1)[:, 0].argsort()
    start, total, drawing, drawn = time.perf_counter(), 0.0, 0.0, 0
    for number, rows in enumerate(torch.split(order, config.batch_size or num_edges)):
        with torch.random.fork_rng(devices=[]):  # dropout draws from torch's generator
            torch.manual_seed(int(stream.child(_DROPOUT).words(every[number : number + 1], 1)))
            done = take(rows, stream, epoch)
        loss = done.loss if adversary is None else done.loss + adversary(done.negatives, done.feedback, done.query)
        optimizer.zero_grad()
        fabric.backward(loss)
        if config.clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        assert done.query is not None and done.negatives is not None
        sampler.update(done.query, done.negatives, done.feedback)
        if watch is not None:
            watch(done)
        value = float(done.loss.detach())
        if not abs(value) < float("inf"):
            raise ValueError(f"the loss is {value} at epoch {epoch}: lower learning_rate={config.learning_rate}")
        total += value * len(rows)
        drawing, drawn = drawing + done.sample_seconds, drawn + int(done.negatives.mask.sum())
    log.add(total / num_edges, time.perf_counter() - start, drawing, drawn)


def _tell(fabric: Any, log: Log, epoch: int, validation: float | None) -> None:
    if fabric.loggers:
        fabric.log_dict({"loss": log.losses[epoch], "seconds": log.epoch_seconds[epoch],
                         "sample_seconds": log.sample_seconds[epoch],
                         **({} if validation is None else {"validation": validation})}, step=epoch + 1)


def fingerprint(data: LinkData) -> dict[str, Any]:
    """Plain numbers that tell one data set and split from another."""
    def mixed(pairs: Tensor) -> int:
        flat = pairs.reshape(2, -1).cpu()
        return ordered_sum(flat[0] * 31 + flat[1] * 17 + (flat[0] ^ flat[1]))

    return {"num_nodes": data.num_nodes, "num_features": data.num_features, "metric": data.metric,
            "features": None if data.x is None else weighed(data.x), "train": mixed(data.train),
            "edges": mixed(data.graph.edge_index),
            **{f"{name}_{what}": mixed(getattr(data.part(name), what))
               for name in ("valid", "test") for what in ("positive", "negative")}}
