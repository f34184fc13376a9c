"""The classifier of the leaderboard script on nodes: what it learns, and what its dropout drops."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from types import ModuleType

import pytest
import torch

from graphns.adapters.ogb.node import accuracy as official
from graphns.streams import Stream

if importlib.util.find_spec("ogb") is None:  # importorskip would import it, and with it its question to PyPI
    pytest.skip("pip install 'graphns[ogb]'", allow_module_level=True)


@pytest.fixture(scope="module")
def mlp(load_script: Callable[[str, str], ModuleType]) -> ModuleType:
    return load_script("ogb/mlp.py", "ogb_mlp")


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_keeps_the_share_and_the_mean(mlp: ModuleType, rate: float) -> None:
    dropped = mlp.dropped
    x = torch.ones(3000, 33)
    once = dropped(x, rate, Stream(1))
    count = once.count_nonzero().item()
    deviation = (x.numel() * rate * (1 - rate)) ** 0.5
    assert abs(count - (1 - rate) * x.numel()) <= 5 * deviation
    kept = once[once != 0]
    assert kept.unique().numel() == 1 and kept[0].item() == pytest.approx(1 / (1 - rate), rel=1e-3)
    assert torch.equal(once, dropped(x, rate, Stream(1)))
    assert torch.equal(once[:10], dropped(x[:10], rate, Stream(1)))  # keyed by row
    if rate:
        assert not torch.equal(once, dropped(x, rate, Stream(2)))
        gone = (once == 0).double()
        neighbours = torch.corrcoef(gone[:, :32].T) - torch.eye(32)  # four columns share a word
        assert neighbours.abs().max() < 6 / 3000**0.5


def test_the_classifier_learns_and_its_accuracy_is_counted(mlp: ModuleType) -> None:
    torch.manual_seed(0)  # of the points and the weights
    y = torch.arange(200) % 2
    x = torch.randn(200, 2)
    x[:, 0] = (x[:, 0].abs() + 0.1) * (2 * y - 1) * (2 * (x[:, 1] > 0) - 1)  # no line parts the classes
    split = {"train": torch.arange(100), "valid": torch.arange(100, 150), "test": torch.arange(150, 200)}
    reached = {}
    for layers in (1, 3):
        model = mlp.MLP(2, 32, 2, layers, 0.1)
        state = torch.get_rng_state()
        *_, (_, shares) = mlp.train_epochs(model, x, y, split, partial(official, "ogbn-arxiv"), lr=0.01, epochs=200,
                                           seed=0)
        assert torch.equal(torch.get_rng_state(), state)  # dropout draws from its own stream
        right = (model.eval()(x).argmax(1) == y).double()
        assert shares == pytest.approx(tuple(float(right[part].mean()) for part in split.values()))
        reached[layers] = shares[2]
    assert reached[3] > 0.9 > 0.7 > reached[1]


def test_dropout_is_of_training_alone_and_by_the_seed(mlp: ModuleType) -> None:
    y = torch.arange(40) % 2
    x = torch.linspace(-1, 1, 120).view(40, 3)
    split = {"train": torch.arange(20), "valid": torch.arange(20, 30), "test": torch.arange(30, 40)}

    def losses(rate: float, seed: int) -> list[float]:
        torch.manual_seed(0)  # of the weights
        model = mlp.MLP(3, 8, 2, 3, rate)
        told = mlp.train_epochs(model, x, y, split, partial(official, "ogbn-arxiv"), lr=0.01, epochs=3, seed=seed)
        found = [loss for loss, _ in told]
        assert torch.equal(model.eval()(x), model(x))
        return found

    assert losses(0.5, 1) == losses(0.5, 1)
    assert losses(0.0, 1) == losses(0.0, 2)
    assert losses(0.5, 1) != losses(0.5, 2) and losses(0.5, 1)[0] != losses(0.0, 1)[0]
