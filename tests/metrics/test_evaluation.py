"""Repeated probes: one protocol, seeds in order, mean and deviation."""

from __future__ import annotations

import math
import statistics
from types import SimpleNamespace

import pytest
import torch

from graphns.metrics.evaluation import deviation, evaluate, majority
from graphns.metrics.probe import fit_probe
from tests.metrics.test_probe import labelled


@pytest.mark.parametrize("protocol", ["random-10-90", "random-10-10-80"])
def test_each_split_is_its_own_probe(protocol: str) -> None:
    x, data = labelled(noise=2.0)
    seen: list[tuple[int, int]] = []
    found = evaluate(x, data, protocol, splits=4, seed=7, strengths=(0.25, 4.0), threads=1,
                     progress=lambda done, of: seen.append((done, of)))
    wanted = [fit_probe(x, data, protocol, seed, strengths=(0.25, 4.0)) for seed in (7, 8, 9, 10)]
    assert found.protocol == protocol and list(found.probes) == wanted and seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    accuracies = [probe.accuracy for probe in wanted]
    assert len(set(accuracies)) > 1
    assert found.accuracy == pytest.approx(statistics.mean(accuracies))
    assert found.std == pytest.approx(statistics.stdev(accuracies))
    assert found.validation == pytest.approx(statistics.mean(probe.validation for probe in wanted))


def test_numbers_of_splits() -> None:
    x, data = labelled()
    public = evaluate(x, data, "public")
    assert len(public.probes) == 1 and math.isnan(public.std) and public.probes[0].sizes == (60, 80, 160)
    assert len(evaluate(x, data, strengths=(1.0,)).probes) == 20
    with pytest.raises(ValueError, match="own split is one: splits=2 needs a random protocol"):
        evaluate(x, data, "public", splits=2)
    with pytest.raises(ValueError, match="splits must be at least 1, got 0"):
        evaluate(x, data, splits=0)


def test_majority() -> None:
    y = torch.tensor([0, 0, 1, 1, 1, 0, -1])
    masks = [torch.tensor([each == part for each in "ttttvss"]) for part in "tvs"]
    masks[0][2] = False  # train: 0, 0, 1
    data = SimpleNamespace(y=y, train_mask=masks[0], val_mask=masks[1], test_mask=masks[2])
    assert majority(data, "public") == 1.0  # the one test node of known class is of class 0
    data.y = torch.tensor([1, 0, 1, 1, 1, 0, 0])
    assert majority(data, "public") == 0.0


def test_deviation() -> None:
    assert math.isnan(deviation([1.0])) and deviation([0.5, 0.5]) == 0.0
