"""The loop of the methods on nodes: early stopping, loggers, refusals, and the settings that all share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphns.base import Sampler
from graphns.data.node import NodeData
from graphns.pipelines.method import NodeMethod, Step
from graphns.pipelines.methods import METHODS, find, name_of
from graphns.pipelines.node import fit
from graphns.pipelines.node_config import NodeConfig
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream


class Bowl(NodeMethod):
    """A method whose loss is |w - 1|, where each update moves w by the learning rate: lowest when w is nearest 1."""

    takes_sampler = False

    def __init__(self, data: NodeData, config: NodeConfig) -> None:
        super().__init__(data, config)
        self.weight = nn.Parameter(torch.zeros(()))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def optimizer(self, parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=self.config.learning_rate)

    def step(self, data: NodeData, views: Any, sampler: Sampler | None, stream: Stream, epoch: int = 0) -> Step:
        # the gradient is -1 throughout: past 1 the loss rises and the weight goes on
        return Step((self.weight.detach() - 1).abs() - (self.weight - self.weight.detach()))

    def after_update(self, epoch: int) -> None:
        assert isinstance(self.updates, Tensor)
        self.updates += 1

    def embed(self, data: NodeData) -> Tensor:
        return self.weight.detach().expand(data.num_nodes, 1)


def tiny() -> NodeData:
    return NodeData("tiny", torch.eye(6), torch.tensor([[0, 1, 2], [1, 2, 3]]), torch.arange(6) % 2)


def test_without_patience_the_last_weights_are_taken() -> None:
    result = fit(Bowl, tiny(), config=NodeConfig(learning_rate=0.25, epochs=10))
    assert result.embeddings[0].item() == 2.5 and result.epoch == len(result.losses) == 10
    assert result.losses[:5] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert int(result.model.updates) == 10  # type: ignore[arg-type]


def test_patience_stops_and_takes_the_weights_of_the_lowest_loss() -> None:
    """The loss of an epoch is that of the weights before its update, as everywhere; those after it are kept."""
    result = fit(Bowl, tiny(), config=NodeConfig(learning_rate=0.25, epochs=50, patience=3))
    assert len(result.losses) == 8 and result.epoch == 5
    assert result.embeddings[0].item() == 1.25


def test_patience_survives_a_cut(tmp_path: Path) -> None:
    config = NodeConfig(learning_rate=0.25, epochs=50, patience=3)

    def stop(done: int, of: int, loss: float) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Bowl, tiny(), config=config, folder=tmp_path, checkpoint_every=3, progress=stop)
    seen: list[int] = []
    result = fit(Bowl, tiny(), config=config, folder=tmp_path, progress=lambda done, *_: seen.append(done))
    assert seen == [7, 8] and result.epoch == 5 and result.embeddings[0].item() == 1.25


class Note:
    """A logger that keeps what it is told, with what Fabric asks of one."""

    def __init__(self) -> None:
        self.rows: list[tuple[int | None, dict[str, float]]] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.rows.append((step, metrics))


def test_loggers_hear_every_epoch_those_of_a_resumed_past_too(tmp_path: Path) -> None:
    note: Any = Note()
    fit(Bowl, tiny(), config=NodeConfig(learning_rate=0.25, epochs=2), folder=tmp_path)
    result = fit(Bowl, tiny(), config=NodeConfig(learning_rate=0.25, epochs=4), folder=tmp_path, loggers=[note])
    assert [step for step, _ in note.rows] == [1, 2, 3, 4]
    assert [row["loss"] for _, row in note.rows] == result.losses


def test_refusals(tmp_path: Path) -> None:
    data = tiny()
    with pytest.raises(ValueError, match="draws no negatives: give it no sampler"):
        fit(Bowl, data, Uniform(data.graph))
    with pytest.raises(ValueError, match="checkpoint_every must be at least 1, got 0"):
        fit(Bowl, data, checkpoint_every=0)
    fit(Bowl, data, config=NodeConfig(epochs=1), folder=tmp_path)
    with pytest.raises(ValueError, match="is the checkpoint of another run"):
        fit(find("grace"), data, folder=tmp_path)


@pytest.mark.parametrize(("change", "message"), [
    ({"epochs": "many"}, "epochs must be int, got 'many'"),
    ({"epochs": True}, "epochs must be int, got True"),
    ({"learning_rate": "fast"}, "learning_rate must be float, got 'fast'"),
    ({"learning_rate": float("nan")}, "learning_rate must be above 0, got nan"),
    ({"patience": 2.5}, r"patience must be int \| None, got 2.5"),
    ({"patience": 0}, "patience must be at least 1"),
    ({"weight_decay": -1.0}, "weight_decay must not be negative, got -1.0"),
    ({"nonsense": 1}, "a method on nodes has no setting 'nonsense'; there are: hidden_size, "),
])
def test_settings_are_checked_at_the_door(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NodeConfig.from_dict(change)


def test_every_method_is_found_by_its_name() -> None:
    for name in METHODS:
        cls = find(name.upper())
        assert issubclass(cls, NodeMethod) and issubclass(cls.config_class, NodeConfig)
        config = cls.config_class()
        assert cls.config_class.from_dict(config.to_dict()) == config
        assert find(name_of(cls)) is cls
    with pytest.raises(ValueError, match="no method on nodes is called 'grcae'; did you mean 'grace'"):
        find("grcae")
    with pytest.raises(ValueError, match="Bowl is not in the table"):
        name_of(Bowl)
