"""Settings of skip-gram runs: checked at the door."""

from __future__ import annotations

from typing import Any

import pytest

from graphns.pipelines.skipgram_config import DeepWalkConfig, LineConfig, Node2VecConfig, SkipGramConfig


@pytest.mark.parametrize("cls", [DeepWalkConfig, Node2VecConfig, LineConfig])
def test_plain_values_and_back(cls: type[SkipGramConfig]) -> None:
    config = cls.preset("Cora", k=7, objective="infonce")
    assert cls.from_dict(config.to_dict()) == config and config.k == 7
    with pytest.raises(ValueError, match=f"{cls.title} has no setting 'depth'; there are: hidden_size, "):
        cls.from_dict({"depth": 1})


@pytest.mark.parametrize(("cls", "change", "message"), [
    (DeepWalkConfig, {"k": 0}, "k must be at least 1, got 0"),
    (DeepWalkConfig, {"batch_size": 0}, "batch_size must be at least 1, got 0"),
    (DeepWalkConfig, {"walk_length": 1}, "walk_length must be at least 2, got 1"),
    (DeepWalkConfig, {"window": 0}, "window must be at least 1, got 0"),
    (DeepWalkConfig, {"walks_per_node": 0}, "walks_per_node must be at least 1, got 0"),
    (DeepWalkConfig, {"objective": "bec"}, "no objective is called 'bec'; did you mean 'bce'"),
    (DeepWalkConfig, {"objective": "progcl"}, "the objective 'progcl' needs mixture"),
    (DeepWalkConfig, {"optimizer": "adagrad"}, "no optimizer is called 'adagrad'; there are: adam, sgd"),
    (DeepWalkConfig, {"exclude": "all"}, "exclude must be 'self' or 'neighbors', got 'all'"),
    (DeepWalkConfig, {"weight_decay": 0.1}, "weight_decay must be 0, got 0.1"),
    (DeepWalkConfig, {"shrink_window": 2}, "shrink_window must be bool, got 2"),
    (Node2VecConfig, {"p": 0.0}, "p must be above 0, got 0.0"),
    (Node2VecConfig, {"q": float("inf")}, "q must be above 0, got inf"),
    (LineConfig, {"order": "third"}, "no order is called 'third'; there are: first, second, both"),
    (LineConfig, {"hidden_size": 7}, "hidden_size must be even for order='both', got 7"),
    (LineConfig, {"tied": True}, "choose order, and leave tied=False"),
])
def test_refusals(cls: type[SkipGramConfig], change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls.from_dict(change)


def test_one_order_may_be_odd() -> None:
    assert LineConfig(hidden_size=7, order="first").hidden_size == 7
