"""Settings: the published ones, the way to YAML and back, and refusals that name the value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graphns.pipelines.grace_config import PRESETS, GraceConfig


def test_defaults_are_the_authors_for_cora() -> None:
    config = GraceConfig.preset("cora")
    assert config == GraceConfig()
    assert (config.learning_rate, config.weight_decay, config.hidden_size, config.projection_size) == (
        5e-4, 1e-5, 128, 128)
    assert (config.temperature, config.drop_edge, config.drop_feature, config.epochs, config.activation) == (
        0.4, (0.2, 0.4), (0.3, 0.4), 200, "relu")


def test_presets() -> None:
    assert GraceConfig.preset("CiteSeer").activation == "prelu"
    assert GraceConfig.preset("PubMed").epochs == 1500
    assert GraceConfig.preset("anything else") == GraceConfig()
    assert GraceConfig.preset("digits", k=3, seed=9).replace(k=4).k == 4
    assert all(GraceConfig.preset(name).to_dict() for name in PRESETS)


def test_round_trip_through_json() -> None:
    config = GraceConfig.preset("PubMed", batch_size=7, corrected=True)
    assert GraceConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(("change", "message"), [
    ({"hidden_size": 0}, "hidden_size must be at least 1, got 0"),
    ({"num_layers": 1}, "num_layers must be at least 2, got 1"),
    ({"epochs": -1}, "epochs must be at least 0, got -1"),
    ({"k": 0}, "k must be at least 1, got 0"),
    ({"temperature": 0.0}, r"temperature must be above 0, got 0\.0"),
    ({"learning_rate": -1.0}, r"learning_rate must be above 0, got -1\.0"),
    ({"weight_decay": -0.1}, r"weight_decay must not be negative, got -0\.1"),
    ({"batch_size": 0}, "batch_size must be at least 1, or None for every node, got 0"),
    ({"activation": "tanh"}, "no activation is called 'tanh'"),
    ({"exclude": "none"}, "exclude must be 'self' or 'neighbors', got 'none'"),
    ({"drop_edge": (0.1, 1.0)}, r"drop_edge must be two rates in \[0, 1\), got \(0.1, 1.0\)"),
    ({"drop_feature": (0.1,)}, "drop_feature must be two rates"),
    ({"lr": 0.1}, "GRACE has no setting 'lr'; there are: hidden_size"),
])
def test_refusals(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GraceConfig.from_dict(change)
