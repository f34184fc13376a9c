"""The settings of a GRACE run, and those its authors published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from graphns.encoders.gcn import ACTIVATIONS
from graphns.samplers.exclusion import Exclude


@dataclass(frozen=True)
class GraceConfig:
    """Everything that decides a GRACE run besides the data and the sampler. The defaults are the authors' for Cora.

    Args:
        hidden_size: width of the embeddings.
        projection_size: width inside the projector.
        num_layers: graph convolutions, at least 2.
        activation: "relu", "prelu", "rrelu" or "elu".
        temperature: divides the cosines.
        drop_edge: share of the edges dropped in either view.
        drop_feature: share of the feature columns dropped in either view.
        learning_rate: of Adam.
        weight_decay: of Adam.
        epochs: one step each.
        k: negatives an anchor; each is used in both views.
        batch_size: anchors a step, drawn without replacement; None: every node.
        corrected: divide the draws' density out of the loss (needs a sampler of density "marginal").
        exclude: what the all-negatives loss leaves out beside the anchor: "self" nothing (GRACE), or "neighbors".
        seed: of the weights, the views, the anchors and the draws.

    Raises:
        ValueError: a value out of range; the message names it.

    Example:
        >>> GraceConfig.preset("CiteSeer", epochs=10).temperature
        0.9
    """

    hidden_size: int = 128
    projection_size: int = 128
    num_layers: int = 2
    activation: str = "relu"
    temperature: float = 0.4
    drop_edge: tuple[float, float] = (0.2, 0.4)
    drop_feature: tuple[float, float] = (0.3, 0.4)
    learning_rate: float = 5e-4
    weight_decay: float = 1e-5
    epochs: int = 200
    k: int = 256
    batch_size: int | None = None
    corrected: bool = False
    exclude: Exclude = "self"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        for name, least in (("hidden_size", 1), ("projection_size", 1), ("num_layers", 2), ("epochs", 0), ("k", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("temperature", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must not be negative, got {self.weight_decay}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, or None for every node, got {self.batch_size}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"no activation is called {self.activation!r}; there are: {', '.join(ACTIVATIONS)}")
        if self.exclude not in ("self", "neighbors"):
            raise ValueError(f"exclude must be 'self' or 'neighbors', got {self.exclude!r}")
        for name in ("drop_edge", "drop_feature"):
            rates = tuple(getattr(self, name))
            if len(rates) != 2 or not all(0 <= rate < 1 for rate in rates):
                raise ValueError(f"{name} must be two rates in [0, 1), got {getattr(self, name)}")
            object.__setattr__(self, name, rates)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """The settings for a data set, with changes. Data sets without settings of their own get Cora's."""
        known = {each.lower(): settings for each, settings in PRESETS.items()}
        return cls.from_dict({**known.get(name.lower(), {}), **changes})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The configuration that `to_dict` wrote.

        Raises:
            ValueError: an unknown setting.
        """
        names = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise ValueError(f"GRACE has no setting {unknown[0]!r}; there are: {', '.join(names)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for YAML or JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def replace(self, **changes: Any) -> Self:
        """The same settings with changes."""
        return replace(self, **changes)


PRESETS: dict[str, dict[str, Any]] = {
    "Cora": {},
    "CiteSeer": dict(hidden_size=256, projection_size=256, activation="prelu", temperature=0.9, drop_edge=(0.2, 0.0),
                     drop_feature=(0.3, 0.2), learning_rate=1e-3),
    "PubMed": dict(hidden_size=256, projection_size=256, temperature=0.7, drop_edge=(0.4, 0.1),
                   drop_feature=(0.0, 0.2), learning_rate=1e-3, epochs=1500),
    # not published: short, so that eight samplers and three seeds are trained within minutes on two cores; the rates
    # were chosen on validation nodes
    "digits": dict(drop_feature=(0.5, 0.5), learning_rate=1e-3, epochs=60, k=64),
}
"""The authors' settings (their repository's config.yaml), and ours for the built-in data."""
