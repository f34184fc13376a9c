"""The loop of every method on nodes: steps, updates, early stopping, checkpoints, metrics; and what a run gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from graphns.base import Sampler
from graphns.data.node import NodeData
from graphns.pipelines.checkpoint import Checkpoint, Log, fingerprint, sampler_options
from graphns.pipelines.method import NodeMethod, Step
from graphns.pipelines.node_config import NodeConfig
from graphns.pipelines.selection import Selection
from graphns.streams import Stream

if TYPE_CHECKING:
    from lightning.fabric.loggers.logger import Logger

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
"""What may be asked of the matrix products of encoders; losses are always made in float32."""


@dataclass(eq=False)
class NodeResult:
    """A trained run.

    Args:
        embeddings: [N, d], on the CPU.
        losses: one per epoch, the mean over its steps.
        epoch_seconds: wall time of each epoch: views, drawing, loss, update.
        sample_seconds: of it, drawing.
        num_drawn: usable negatives drawn in all.
        model: the trained model.
        config: its settings.
        epoch: epochs done when the weights were taken: the last, or with `config.patience` the one of the lowest loss.
    """

    embeddings: Tensor
    losses: list[float]
    epoch_seconds: list[float]
    sample_seconds: list[float]
    num_drawn: int
    model: NodeMethod
    config: NodeConfig = field(repr=False)
    epoch: int = 0


def fit(
    method: type[NodeMethod],
    data: NodeData,
    sampler: Sampler | None = None,
    config: NodeConfig | None = None,
    *,
    folder: str | Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    checkpoint_every: int = 25,
    accelerator: str = "cpu",
    precision: str = "32-true",
    loggers: Sequence[Logger] = (),
) -> NodeResult:
    """Train a method; what each method's own `train` calls.

    Args:
        method: the class of the method.
        data: see `graphns.data.load`.
        sampler: over `data.graph`. None: the published method's own.
        config: None: the method's preset for `data.name`.
        folder: where checkpoints are written; if it holds one of this run, training goes on from there and ends with
            the same numbers as a run that was never cut off.
        progress: called after every epoch with (epochs done, epochs in all, loss).
        checkpoint_every: epochs between checkpoints.
        accelerator: Fabric's: "cpu", "cuda", "mps", "auto".
        precision: one of `PRECISIONS`.
        loggers: Fabric's: each gets loss, seconds and draws of every epoch, those of a resumed run's past included.

    What is random: weights, views, anchors and draws, all keyed by `config.seed`; torch's generator is left alone.

    Raises:
        ValueError: the folder holds another run; the sampler cannot serve, or is given to a method without negatives;
            the loss is no longer finite; an unknown precision.
    """
    from lightning.fabric import Fabric

    config = method.config_class.preset(data.name) if config is None else config
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if checkpoint_every < 1:
        raise ValueError(f"checkpoint_every must be at least 1, got {checkpoint_every}")
    if sampler is not None and not method.takes_sampler:
        raise ValueError(f"{config.title} draws no negatives: give it no sampler")
    fabric = Fabric(accelerator=accelerator, devices=1, precision=precision, loggers=list(loggers))  # type: ignore[arg-type]
    data = data.to(fabric.device)
    sampler = method.default_sampler(data, config) if sampler is None else sampler
    model = method.seeded(data, config)
    model.check_sampler(sampler)
    learned: list[nn.Parameter] = [each for each in model.parameters() if each.requires_grad]
    parts: dict[str, Any] = {"model": model}
    if sampler is not None:
        sampler = sampler.to(fabric.device)
        learned += list(sampler.parameters())
        parts["sampler"] = sampler
    optimizer = model.optimizer(learned)
    parts["optimizer"] = optimizer
    lowest = Selection()
    if config.patience is not None:
        parts["lowest"] = lowest
    run = Checkpoint(folder, parts, {
        "method": method.__name__, "config": config.to_dict(), "data": fingerprint(data),
        **({} if sampler is None else {"sampler": type(sampler).__name__, "options": sampler_options(sampler)})})
    log = run.resume()
    for epoch in range(len(log.losses)):
        _tell(fabric, log, epoch)
    _, fabric_optimizer = fabric.setup(model, optimizer)
    model.precision = fabric.autocast
    try:
        for epoch in range(len(log.losses), config.epochs):
            if config.patience is not None and lowest.waited >= config.patience:
                break
            model.begin_epoch(optimizer, epoch)
            _epoch(fabric, fabric_optimizer, model, data, sampler, Stream(config.seed, epoch), epoch, log)
            if config.patience is not None:
                lowest.see(epoch + 1, -log.losses[-1], model)
            if (epoch + 1) % checkpoint_every == 0 or epoch + 1 == config.epochs:
                run.save(log)
            _tell(fabric, log, epoch)
            if progress is not None:
                progress(epoch + 1, config.epochs, log.losses[-1])
    finally:
        del model.precision
    run.save(log)
    if lowest.state:
        model.load_state_dict(lowest.state)
    return NodeResult(model.embed(data).float().cpu(), log.losses, log.epoch_seconds, log.sample_seconds,
                      log.num_drawn, model, config, lowest.epoch if lowest.state else len(log.losses))


def _epoch(fabric: Any, optimizer: Any, model: NodeMethod, data: NodeData, sampler: Sampler | None, stream: Stream,
           epoch: int, log: Log) -> None:
    """One epoch's steps and updates, noted in the log."""
    adversary = getattr(sampler, "loss", None)  # a sampler with parameters learns from the same step
    total, steps, drawing, drawn = 0.0, 0, 0.0, 0
    start = time.perf_counter()
    for done in model.steps(data, sampler, stream, epoch):
        loss = done.loss
        if adversary is not None and done.query is not None:
            loss = loss + adversary(done.negatives, done.feedback, done.query)
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        model.after_update(epoch)
        drawn += _observed(sampler, done)
        value = float(done.loss.detach())
        if not abs(value) < float("inf"):
            raise ValueError(f"the loss is {value} at epoch {epoch}: lower "
                             f"learning_rate={model.config.learning_rate}")
        total, steps, drawing = total + value, steps + 1, drawing + done.sample_seconds
    if not steps:
        raise ValueError(f"an epoch of {data.name} has no step: it has no anchors")
    log.add(total / steps, time.perf_counter() - start, drawing, drawn)


def _observed(sampler: Sampler | None, done: Step) -> int:
    """Let the sampler learn from a finished step; gives the usable negatives that it drew."""
    if sampler is None or done.query is None or done.negatives is None:
        return done.num_drawn or 0
    sampler.update(done.query, done.negatives, done.feedback)
    return int(done.negatives.mask.sum())


def _tell(fabric: Any, log: Log, epoch: int) -> None:
    if fabric.loggers:
        fabric.log_dict({"loss": log.losses[epoch], "seconds": log.epoch_seconds[epoch],
                         "sample_seconds": log.sample_seconds[epoch]}, step=epoch + 1)
