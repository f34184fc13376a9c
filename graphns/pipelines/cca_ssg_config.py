"""The settings of a CCA-SSG run, and those its authors published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from graphns.pipelines.node_config import NodeConfig

ENCODERS = ("gcn", "mlp")
PRESETS: dict[str, dict[str, Any]] = {
    "Cora": {},
    "CiteSeer": dict(weight=5e-4, num_layers=1, drop_edge=(0.4, 0.4), drop_feature=(0.0, 0.0), epochs=20),
    "PubMed": dict(drop_edge=(0.5, 0.5), drop_feature=(0.3, 0.3), epochs=100),
    "Computers": dict(weight=5e-4, drop_edge=(0.3, 0.3)),
    "Photo": dict(drop_edge=(0.3, 0.3), drop_feature=(0.2, 0.2)),
    "CS": dict(encoder="mlp", drop_edge=(0.0, 0.0), drop_feature=(0.2, 0.2)),
    "Physics": dict(drop_edge=(0.5, 0.5), drop_feature=(0.5, 0.5), epochs=100),
    "digits": dict(hidden_size=128),
}


@dataclass(frozen=True)
class CcaSsgConfig(NodeConfig):
    """Everything that decides a CCA-SSG run besides the data. The defaults are the authors' for Cora.

    Args:
        hidden_size: width of the embeddings, and of the hidden layers.
        num_layers: layers of the encoder, at least 1.
        encoder: "gcn", graph convolutions, ReLU between them; "mlp", two layers or more that see no edge, with batch
            norm and ReLU between them.
        weight: of the decorrelation, lambda.
        drop_edge: share of the edges dropped in either view.
        drop_feature: share of the feature columns dropped in either view.
        learning_rate: of Adam.
        weight_decay: of Adam.
        epochs: at most so many, of one step each.
        patience: epochs without a lower loss after which the run stops and takes the weights of the lowest; None: all.
        seed: of the weights and the views.

    Raises:
        ValueError: a value out of range; the message names it.

    Example:
        >>> CcaSsgConfig.preset("PubMed", epochs=10).drop_edge
        (0.5, 0.5)
    """

    hidden_size: int = 512
    num_layers: int = 2
    encoder: str = "gcn"
    weight: float = 1e-3
    drop_edge: tuple[float, float] = (0.4, 0.4)
    drop_feature: tuple[float, float] = (0.1, 0.1)
    epochs: int = 50

    title: ClassVar[str] = "CCA-SSG"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        super().__post_init__()
        self.check_least(num_layers=1)
        self.check_choice("encoder", "encoder", ENCODERS)
        self.check_positive("weight")
        self.check_rates("drop_edge", "drop_feature")
