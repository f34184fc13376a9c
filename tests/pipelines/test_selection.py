"""The choice of an epoch: the best state is kept as it was, the earlier of equals, and a checkpoint holds it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from graphns.pipelines.checkpoint import Checkpoint, Log
from graphns.pipelines.selection import Selection


def model_of(value: float) -> nn.Linear:
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(value)
    return model


def test_keeps_the_best_as_it_was() -> None:
    chosen, model = Selection(), model_of(1.0)
    assert (chosen.epoch, chosen.waited) == (-1, 0)
    for epoch, score in ((1, 0.2), (2, 0.5), (3, 0.5), (4, 0.1)):
        with torch.no_grad():
            model.weight.fill_(epoch)
        chosen.see(epoch, score, model)
    assert (chosen.epoch, chosen.score, chosen.waited) == (2, 0.5, 2)
    assert float(chosen.state["weight"]) == 2.0
    assert chosen.history == [(1, 0.2), (2, 0.5), (3, 0.5), (4, 0.1)]


def test_goes_through_a_checkpoint(tmp_path: Path) -> None:
    chosen = Selection()
    chosen.see(3, 0.25, model_of(7.0))
    Checkpoint(tmp_path, {"chosen": chosen}, {}).save(Log())
    again = Selection()
    Checkpoint(tmp_path, {"chosen": again}, {}).resume()
    assert (again.history, again.epoch, again.score) == ([(3, 0.25)], 3, 0.25)
    assert float(again.state["weight"]) == 7.0
