"""The settings of a DGI run, and those its authors published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from graphns.pipelines.node_config import NodeConfig

PRESETS: dict[str, dict[str, Any]] = {
    "Cora": {},
    "CiteSeer": {},
    "PubMed": dict(hidden_size=256),
    "digits": dict(hidden_size=128, epochs=60),
}


@dataclass(frozen=True)
class DgiConfig(NodeConfig):
    """Everything that decides a DGI run besides the data and the sampler. The defaults are the authors'.

    Args:
        hidden_size: width of the embeddings.
        learning_rate: of Adam.
        weight_decay: of Adam.
        epochs: at most so many, of one step each.
        patience: epochs without a lower loss after which the run stops and takes the weights of the lowest; None: all.
        k: corrupted graphs a step: replacements drawn for each node.
        seed: of the weights and the draws.

    Raises:
        ValueError: a value out of range; the message names it.

    Example:
        >>> DgiConfig.preset("Cora", epochs=10).hidden_size
        512
    """

    hidden_size: int = 512
    epochs: int = 10_000
    patience: int | None = 20
    k: int = 1

    title: ClassVar[str] = "DGI"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        super().__post_init__()
        self.check_least(k=1)
