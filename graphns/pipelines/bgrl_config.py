"""The settings of a BGRL run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from graphns.pipelines.node_config import NodeConfig

PRESETS: dict[str, dict[str, Any]] = {
    "Cora": {},
    "digits": dict(learning_rate=1e-3, warmup=10, epochs=100),
}


@dataclass(frozen=True)
class BgrlConfig(NodeConfig):
    """Everything that decides a BGRL run besides the data.

    Args:
        hidden_size: width of the embeddings.
        inner_size: width of the encoder's hidden layer.
        predictor_size: width inside the predictor.
        momentum: of the target network at the first step; it rises to 1 along half a cosine.
        drop_edge: share of the edges dropped in either view.
        drop_feature: share of the feature columns dropped in either view.
        learning_rate: of AdamW, at its highest.
        warmup: epochs in which the rate rises to that; in the rest it falls to 0 along half a cosine.
        weight_decay: of AdamW.
        epochs: at most so many, of one step each. The schedules depend on it: a run that is resumed with more epochs
            goes on along the longer ones.
        patience: epochs without a lower loss after which the run stops and takes the weights of the lowest; None: all.
            The loss measures agreement with a target that moves, so it is no sign of quality.
        seed: of the weights and the views.

    Raises:
        ValueError: a value out of range; the message names it.

    Example:
        >>> BgrlConfig.preset("Computers", epochs=300).warmup
        100
    """

    inner_size: int = 256
    predictor_size: int = 512
    momentum: float = 0.99
    drop_edge: tuple[float, float] = (0.5, 0.4)
    drop_feature: tuple[float, float] = (0.2, 0.1)
    learning_rate: float = 5e-4
    warmup: int = 100
    weight_decay: float = 1e-5
    epochs: int = 1000

    title: ClassVar[str] = "BGRL"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        super().__post_init__()
        self.check_least(inner_size=1, predictor_size=1, warmup=0)
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"momentum must be in [0, 1], got {self.momentum}")
        self.check_rates("drop_edge", "drop_feature")
