"""The settings of a knowledge-graph run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from importlib import import_module
from typing import Any, Literal, Self

from torch import Tensor

from graphns.registry import load
from graphns.scorers.relational import RelationalModel

SCORERS = {"transe": "transe:TransE", "distmult": "distmult:DistMult", "complex": "complex:ComplEx",
           "rotate": "rotate:RotatE", "bilinear": "bilinear:Bilinear"}
"""Names of scorers, and where in `graphns.scorers` they are."""

_CORRECTED = ("log_prob", "positive_log_prob")  # arguments of an objective that a correction fills


@cache
def _parameters(objective: Callable[..., Tensor]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(objective).parameters  # asked at every step


@dataclass(frozen=True)
class KnowledgeGraphConfig:
    """Everything that decides a run besides the data and the sampler.

    Args:
        scorer: a name of `SCORERS`.
        dim: numbers in the vector of an entity.
        scorer_options: further arguments of the scorer, such as ``{"norm": 2}``.
        objective: a registered objective of scores and mask: "margin", "bce", "bpr", "infonce", "sampled-softmax", ….
        objective_options: further arguments of the objective, such as ``{"margin": 4.0}``.
        corrected: divide the draws' density out of the loss (needs a sampler of density "marginal"); objectives that
            cannot do without, as sampled-softmax, always do.
        k: negatives a fact and epoch.
        side: how the side to corrupt is chosen: "fair", a coin; "bern", `Triples.head_chance`.
        batch_size: facts a step.
        epochs: passes over the train facts.
        learning_rate: of Adam, for the model.
        adversary_rate: of Adam, for the parameters of the sampler, if it has any.
        regularization: times the mean squared length of the vectors that a fact reads.
        validate_every: epochs between validations, whose filtered MRR chooses the epoch; the last is validated too.
        patience: validations without a better one after which the run stops; None: never. In the adversary's turns the
            model stands still: be longer than they are.
        alternation: (epochs of the model, epochs of the adversary) that follow each other until `epochs` are done; only
            one side's optimiser steps. None: both step in every batch.
        model_pretraining: epochs before these in which the model learns, with this objective, from negatives of
            `pretraining_sampler`. They count neither as `epochs` nor for `validate_every`.
        adversary_pretraining: epochs, after those, in which the adversary's own scores learn the facts like a model's.
        pretraining_sampler: by name; draws the negatives of both, and reads the scores of the side that learns.
        pretraining_options: its options, such as ``{"pool": 5}`` of "hardest" (DNS).
        adversary_objective: what the adversary is first trained with: an objective as above. "infonce" is a softmax.
        adversary_objective_options: further arguments of it.
        adversary_k: negatives a fact and epoch, then.
        seed: of the weights, the order of the facts, the sides and the draws.

    Raises:
        ValueError: a value out of range or an unknown name; the message names it.

    Example:
        >>> KnowledgeGraphConfig(scorer="distmult", objective="bce").build(5, 2).entity_table.shape
        torch.Size([5, 64])
    """

    scorer: str = "transe"
    dim: int = 64
    scorer_options: dict[str, Any] = field(default_factory=dict)
    objective: str = "margin"
    objective_options: dict[str, Any] = field(default_factory=dict)
    corrected: bool = False
    k: int = 16
    side: Literal["fair", "bern"] = "fair"
    batch_size: int = 512
    epochs: int = 100
    learning_rate: float = 0.01
    adversary_rate: float = 0.001
    regularization: float = 0.0
    validate_every: int = 10
    patience: int | None = None
    alternation: tuple[int, int] | None = None
    model_pretraining: int = 0
    adversary_pretraining: int = 0
    pretraining_sampler: str = "uniform"
    pretraining_options: dict[str, Any] = field(default_factory=dict)
    adversary_objective: str = "infonce"
    adversary_objective_options: dict[str, Any] = field(default_factory=dict)
    adversary_k: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        for name, least in (("dim", 1), ("k", 1), ("batch_size", 1), ("epochs", 0), ("validate_every", 1),
                            ("model_pretraining", 0), ("adversary_pretraining", 0), ("adversary_k", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("learning_rate", "adversary_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.regularization < 0:
            raise ValueError(f"regularization must not be negative, got {self.regularization}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, or None to never stop, got {self.patience}")
        if self.side not in ("fair", "bern"):
            raise ValueError(f"side must be 'fair' or 'bern', got {self.side!r}")
        if self.scorer not in SCORERS:
            raise ValueError(f"no scorer is called {self.scorer!r}; there are: {', '.join(SCORERS)}")
        if self.alternation is not None:
            object.__setattr__(self, "alternation", tuple(self.alternation))  # JSON and YAML have lists
            if len(self.alternation) != 2 or min(self.alternation) < 1:
                raise ValueError("alternation must be (epochs of the model, epochs of the adversary), both at least 1, "
                                 f"got {self.alternation}")
        self.correction_names()
        if self.adversary_pretraining:
            self.for_adversary()

    def for_adversary(self) -> Self:
        """The settings under which the adversary's own scores are first trained.

        Raises:
            ValueError: `adversary_objective` is no objective of scores and mask, or has no such options.
        """
        return self.replace(objective=self.adversary_objective, objective_options=self.adversary_objective_options,
                            corrected=False, k=self.adversary_k, learning_rate=self.adversary_rate, regularization=0.0,
                            adversary_pretraining=0)

    def build(self, num_entities: int, num_relations: int) -> RelationalModel:
        """The untrained model, its parameters drawn by `seed`.

        Raises:
            ValueError: the scorer refuses its options.
        """
        module, _, name = SCORERS[self.scorer].partition(":")
        scorer = getattr(import_module(f"graphns.scorers.{module}"), name)
        try:
            model: RelationalModel = scorer(num_entities, num_relations, self.dim, seed=self.seed,
                                            **self.scorer_options)
        except TypeError as error:
            raise ValueError(f"{name} refuses the options {self.scorer_options}: {error}") from error
        return model

    def loss(self) -> Callable[..., Tensor]:
        """The objective itself.

        Raises:
            ValueError: no objective is so called, it is not one of scores and mask, it has no such options, or one that
                it cannot do without is missing.
        """
        objective: Callable[..., Tensor] = load(self.objective, "objective")
        parameters = _parameters(objective)
        names = list(parameters)
        if names[:3] != ["positive_score", "negative_score", "mask"]:
            raise ValueError(f"the objective {self.objective!r} takes {', '.join(names[:3])}; a knowledge graph is "
                             "trained with one of positive_score, negative_score and mask")
        unknown = sorted(set(self.objective_options) - set(names[3:]))
        if unknown:
            raise ValueError(f"the objective {self.objective!r} has no option {unknown[0]!r}; it has: "
                             f"{', '.join(names[3:])}")
        missing = [name for name, each in parameters.items() if each.kind is inspect.Parameter.KEYWORD_ONLY
                   and each.default is inspect.Parameter.empty and name not in {*self.objective_options, *_CORRECTED}]
        if missing:
            raise ValueError(f"the objective {self.objective!r} needs {missing[0]}: give it in objective_options")
        return objective

    def correction_names(self) -> tuple[str, ...]:
        """The arguments of the objective that a correction fills; none where it is not corrected.

        Raises:
            ValueError: `corrected`, and the objective cannot be.
        """
        parameters = _parameters(self.loss())
        names = tuple(name for name in _CORRECTED if name in parameters)
        if self.corrected and not names:
            raise ValueError(f"the objective {self.objective!r} cannot be corrected: leave corrected=False")
        required = any(parameters[name].default is inspect.Parameter.empty for name in names)
        return names if self.corrected or required else ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The configuration that `to_dict` wrote.

        Raises:
            ValueError: an unknown setting.
        """
        names = [each.name for each in fields(cls)]
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise ValueError(f"a knowledge-graph run has no setting {unknown[0]!r}; there are: {', '.join(names)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for YAML or JSON."""
        return asdict(self)

    def replace(self, **changes: Any) -> Self:
        """The same settings with changes."""
        return replace(self, **changes)
