"""A probe repeated over splits of one protocol: what a table of node classification reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from graphns.encoders.sparse import Sparse
from graphns.metrics.probe import Probe, fit_probe
from graphns.metrics.protocols import Labelled, Protocols, protocol_name, split


@dataclass(frozen=True)
class Evaluation:
    """The probes of some embeddings under one protocol.

    Args:
        protocol: its name; figures of another protocol do not compare.
        probes: one a split.
    """

    protocol: Protocols
    probes: tuple[Probe, ...]

    @property
    def accuracy(self) -> float:
        """Mean test accuracy over the splits, in [0, 1]."""
        return _mean([probe.accuracy for probe in self.probes])

    @property
    def std(self) -> float:
        """Standard deviation of the test accuracy over the splits, with n - 1; NaN for one split."""
        return deviation([probe.accuracy for probe in self.probes])

    @property
    def validation(self) -> float:
        """Mean validation accuracy over the splits, in [0, 1]."""
        return _mean([probe.validation for probe in self.probes])


def evaluate(embeddings: Tensor | Sparse, data: Labelled, protocol: str = "random-10-10-80", *,
             splits: int | None = None, seed: int = 0, classifier: str = "liblinear",
             strengths: Sequence[float] | None = None,
             threads: int | None = None, progress: Callable[[int, int], None] | None = None) -> Evaluation:
    """Probe embeddings on splits of a protocol; see `fit_probe`.

    Args:
        embeddings: [N, d] floating point, finite.
        data: y [N] and, for "public", its masks.
        protocol: one of `graphns.metrics.protocols.PROTOCOLS`.
        splits: how many, of the seeds seed, seed + 1, …; None: 1 for "public", where there is no other, else 20.
        seed: of the first split. For "public", where nothing is random, a number that is handed on.
        classifier: see `fit_probe`.
        strengths: see `fit_probe`.
        threads: see `fit_probe`.
        progress: called after each split with (splits done, splits in all).

    Raises:
        ValueError: more than one public split, or what `fit_probe` refuses.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> y = torch.arange(400) % 2
        >>> found = evaluate(torch.eye(2)[y], SimpleNamespace(y=y), "random-10-90", splits=3)
        >>> found.protocol, found.accuracy, found.std, [probe.seed for probe in found.probes]
        ('random-10-90', 1.0, 0.0, [0, 1, 2])
    """
    name = protocol_name(protocol)
    count = (1 if name == "public" else 20) if splits is None else splits
    if count < 1:
        raise ValueError(f"splits must be at least 1, got {count}")
    if name == "public" and count > 1:
        raise ValueError(f"a data set's own split is one: splits={count} needs a random protocol")
    probes = []
    for number in range(count):
        probes.append(fit_probe(embeddings, data, name, seed + number, classifier=classifier,
                                strengths=strengths, threads=threads))
        if progress is not None:
            progress(number + 1, count)
    return Evaluation(name, tuple(probes))


def majority(data: Labelled, protocol: str, seed: int = 0) -> float:
    """Test accuracy, in [0, 1], of always answering the most frequent class of the train nodes.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> majority(SimpleNamespace(y=torch.zeros(20, dtype=torch.long)), "random-10-90")
        1.0
    """
    train, _, test = split(data, protocol, seed)
    y = data.y.cpu()
    return float((y[test] == y[train].bincount().argmax()).double().mean())


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of a sample, with n - 1; NaN for fewer than two values.

    Example:
        >>> deviation([1.0, 3.0])
        1.4142135623730951
    """
    if len(values) < 2:
        return math.nan
    middle = _mean(values)
    return math.sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
