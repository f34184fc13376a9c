"""Contrastive training of a head on vectors: nearest rows or known pairs against negatives of any sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from graphns.base import Sampler
from graphns.data.link import LinkData
from graphns.metrics.retrieval import rank_pairs, retrieval
from graphns.pipelines.embeddings_config import EmbeddingConfig
from graphns.pipelines.embeddings_data import EmbeddingTask
from graphns.pipelines.embeddings_model import EmbeddingModel
from graphns.pipelines.link_model import LinkModel
from graphns.pipelines.link_prediction import fit
from graphns.pipelines.method import Step

if TYPE_CHECKING:
    from lightning.fabric.loggers.logger import Logger


@dataclass(eq=False)
class EmbeddingResult:
    """A trained run.

    Args:
        embeddings: [N, d] of all rows, those held out included, on the CPU.
        model: of the chosen epoch.
        epoch: epochs done when it was chosen; 0: none was better than another.
        validation: (epochs done, MAP@R or MRR on what is held out to choose by) of every validation.
        valid: every metric there.
        test: every metric on what is held out for the end.
        raw: the same of the vectors as they came, by their cosine.
        false_negatives: share of the drawn rows that have the label of their anchor; None: there are no labels, or what
            was drawn are no rows.
        false_by_epoch: the same of each epoch; None where nothing was counted.
        losses: one per epoch.
        epoch_seconds: wall time of each epoch, validation not counted.
        sample_seconds: of it, drawing.
        num_drawn: usable negatives drawn in all.
        config: its settings.
    """

    embeddings: Tensor
    model: EmbeddingModel
    epoch: int
    validation: list[tuple[int, float]]
    valid: dict[str, float]
    test: dict[str, float]
    raw: dict[str, float]
    false_negatives: float | None
    false_by_epoch: list[float | None]
    losses: list[float]
    epoch_seconds: list[float]
    sample_seconds: list[float]
    num_drawn: int
    config: EmbeddingConfig = field(repr=False)


def train(
    task: EmbeddingTask,
    sampler: Sampler | None = None,
    config: EmbeddingConfig | None = None,
    *,
    head: nn.Module | None = None,
    folder: str | Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    checkpoint_every: int = 25,
    accelerator: str = "cpu",
    loggers: Sequence[Logger] = (),
) -> EmbeddingResult:
    r"""Train a head so that a row scores its positives above the negatives of `sampler`.

    .. math:: s(u, v) = \langle z_u, z_v \rangle / \tau, \qquad z_i = h(x_i) / \lVert h(x_i) \rVert

    It is link prediction (`graphns.pipelines.link_prediction.fit`) with an encoder that sees no edges: rows are the
    nodes, and each epoch asks of every row for one of its positives. A step projects all rows that are trained on.
    Rows or pairs held out for validation choose the epoch, by MAP@R where there are labels, else by MRR; the test part
    is looked at once, at the end.

    Args:
        task: see `EmbeddingTask.make`.
        sampler: over `task.graph`. None: `Uniform`, the neighbours in that graph left out.
        config: the settings that the task was made with; None: the preset for its data.
        head: what projects rows [n, F] to [n, d], trained in place on the device; None: the perceptron of the settings.
            One that is gone on with must be given with the same weights it began with.
        folder: where checkpoints are written; if it holds one of this run, training goes on from there and ends with
            the same numbers as a run that was never cut off.
        progress: called after every epoch with (epochs done, epochs in all, loss).
        checkpoint_every: epochs between checkpoints.
        accelerator: Fabric's: "cpu", "cuda", "mps", "auto".
        loggers: Fabric's: each gets loss, seconds and validation of every epoch, a resumed run's past included.

    What is random: weights, the order of the anchors, their positives, dropout and the draws, all keyed by
    `config.seed`; torch's generator is left alone.

    Raises:
        ValueError: the folder holds another run; the sampler or the head cannot serve; the loss is no longer finite.

    Example:
        >>> from graphns.data import load_vectors
        >>> config = EmbeddingConfig.preset("digits", epochs=2, size=8)
        >>> result = train(EmbeddingTask.make(load_vectors("digits"), config), config=config)
        >>> result.embeddings.shape, sorted(result.test)
        (torch.Size([1797, 8]), ['map@r', 'r-precision', 'r@1', 'r@10'])
    """
    config = EmbeddingConfig.preset(task.data.name) if config is None else config
    model = EmbeddingModel.seeded(task.links, config, head)
    count = FalseNegatives(task.labels)

    def validate(epoch: int, model: LinkModel, data: LinkData) -> float:
        return evaluate(task, project(cast(EmbeddingModel, model), task.data.x), task.valid)[data.metric]

    trained, _, chosen, log = fit(task.links, sampler, config, validate, model=model, watch=count.see,
                                  parts={"false_negatives": count}, folder=folder, progress=progress,
                                  checkpoint_every=checkpoint_every, accelerator=accelerator, loggers=loggers)
    assert isinstance(trained, EmbeddingModel)
    embeddings = project(trained, task.data.x)
    valid, test = (evaluate(task, embeddings, part) for part in (task.valid, task.test))
    return EmbeddingResult(embeddings, trained, max(chosen.epoch, 0), chosen.history, valid, test,
                           evaluate(task, task.data.x, task.test), count.share, count.by_epoch, log.losses,
                           log.epoch_seconds, log.sample_seconds, log.num_drawn, config)


def project(model: EmbeddingModel, x: Tensor, block: int = 1 << 16) -> Tensor:
    """Embeddings [N, d] float32 of rows [N, F], on the CPU; `block` rows at once."""
    device = next((each.device for each in model.parameters()), x.device)
    return torch.cat([model.project(part.to(device)).float().cpu() for part in torch.split(x, block)])


def evaluate(task: EmbeddingTask, embeddings: Tensor, part: Tensor) -> dict[str, float]:
    """Every metric of embeddings [N, d] of all rows on what is held out.

    With labels, each row of the part looks for others of its label in the part (`retrieval`). Without, each end of a
    pair looks for the other among all rows, its other partners left out (`rank_pairs`).

    Args:
        task: what is held out, and the labels.
        embeddings: compared by their cosine.
        part: `task.valid` or `task.test`.
    """
    if task.data.labels is not None:
        return retrieval(embeddings[part], task.data.labels[part]).as_dict()
    assert task.known is not None
    return rank_pairs(embeddings, torch.cat([part, part.flip(0)], 1), task.known).as_dict()


class FalseNegatives:
    """How many of the drawn rows have the label of their anchor, by epoch; a part of a checkpoint.

    Args:
        labels: [n] of the rows that are trained on; None: nothing is counted.
    """

    def __init__(self, labels: Tensor | None) -> None:
        self.labels = labels
        self.same: list[int] = []
        self.drawn: list[int] = []

    def see(self, done: Step) -> None:
        """Count a step; negatives that are vectors have no label."""
        query, negatives = done.query, done.negatives
        if query is None or negatives is None:
            return
        for counts in (self.same, self.drawn):
            counts.extend([0] * (query.epoch + 1 - len(counts)))
        if self.labels is None or negatives.vectors is not None:
            return
        self.labels = self.labels.to(query.device)
        anchor = query.anchor[:, None] if negatives.anchor is None else negatives.anchor
        same = (self.labels[negatives.ids] == self.labels[anchor]) & negatives.mask
        self.same[query.epoch] += int(same.sum())
        self.drawn[query.epoch] += int(negatives.mask.sum())

    @property
    def share(self) -> float | None:
        """Of all epochs."""
        return sum(self.same) / sum(self.drawn) if any(self.drawn) else None

    @property
    def by_epoch(self) -> list[float | None]:
        """Of each epoch."""
        return [same / drawn if drawn else None for same, drawn in zip(self.same, self.drawn, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"same": list(self.same), "drawn": list(self.drawn)}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self.same, self.drawn = list(saved["same"]), list(saved["drawn"])
