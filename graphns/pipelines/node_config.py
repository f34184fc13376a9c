"""What the settings of every method on nodes share: checks at the door, presets, plain values in and out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Self

_KINDS: dict[str, Any] = {"int": int, "float": (int, float), "bool": bool, "str": str, "None": type(None)}


@dataclass(frozen=True)
class NodeConfig:
    """Settings that all methods on nodes have; a method's own class adds its own, and its published presets.

    Args:
        hidden_size: width of the embeddings.
        learning_rate: of the optimiser.
        weight_decay: of the optimiser.
        epochs: at most so many.
        patience: epochs without a lower loss after which the run stops and takes the weights of the lowest; None: all
            epochs, and the last weights.
        seed: of the weights, the views, the anchors and the draws.

    Raises:
        ValueError: a value out of range; the message names it.

    Example:
        >>> NodeConfig().replace(epochs=3).to_dict()["epochs"]
        3
    """

    hidden_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    epochs: int = 200
    patience: int | None = None
    seed: int = 0

    title: ClassVar[str] = "a method on nodes"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        self._check_kinds()
        self.check_least(hidden_size=1, epochs=0)
        self.check_positive("learning_rate")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"weight_decay must not be negative, got {self.weight_decay}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, or None to never stop, got {self.patience}")

    def _check_kinds(self) -> None:
        """Refuse a word where a number belongs: settings come from files and command lines too."""
        for each in fields(self):
            kinds = [_KINDS.get(word) for word in str(each.type).split(" | ")]
            value = getattr(self, each.name)
            if None in kinds:
                continue  # checked by the class itself
            if not any(isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
                       for kind in kinds if kind is not None):
                raise ValueError(f"{each.name} must be {each.type}, got {value!r}")

    def check_least(self, **least: int) -> None:
        """Refuse integers below a bound.

        Raises:
            ValueError: one is.
        """
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be at least {bound}, got {getattr(self, name)}")

    def check_positive(self, *names: str) -> None:
        """Refuse numbers that are not above 0 and finite.

        Raises:
            ValueError: one is not.
        """
        for name in names:
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")

    def check_rates(self, *names: str) -> None:
        """Refuse what are not two rates in [0, 1), and keep them as a tuple: JSON and YAML have lists.

        Raises:
            ValueError: they are not.
        """
        for name in names:
            given = getattr(self, name)
            rates = tuple(given) if isinstance(given, list | tuple) else ()
            if len(rates) != 2 or not all(0 <= rate < 1 for rate in rates):
                raise ValueError(f"{name} must be two rates in [0, 1), got {given}")
            object.__setattr__(self, name, rates)

    def check_fanouts(self, name: str) -> None:
        """Refuse what are not numbers of neighbours, one a hop, and keep them as a tuple: JSON and YAML have lists.

        Raises:
            ValueError: they are not.
        """
        given = getattr(self, name)
        fanouts = tuple(given) if isinstance(given, list | tuple) else ()
        if not fanouts or not all(type(each) is int and (each > 0 or each == -1) for each in fanouts):
            raise ValueError(f"{name} must be a number above 0, or -1 for all, for each hop, got {given}")
        object.__setattr__(self, name, fanouts)

    def check_choice(self, name: str, what: str, known: Any) -> None:
        """Refuse a name that is not among the known.

        Raises:
            ValueError: it is not.
        """
        if getattr(self, name) not in known:
            raise ValueError(f"no {what} is called {getattr(self, name)!r}; there are: {', '.join(known)}")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """The settings for a data set, with changes. Data sets without settings of their own get the defaults."""
        known = {each.lower(): settings for each, settings in cls.presets.items()}
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
            raise ValueError(f"{cls.title} has no setting {unknown[0]!r}; there are: {', '.join(names)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for YAML or JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def replace(self, **changes: Any) -> Self:
        """The same settings with changes."""
        return replace(self, **changes)
