"""The settings of DeepWalk, node2vec and LINE runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from graphns.pipelines.node_config import NodeConfig
from graphns.pipelines.pair_objective import corrections
from graphns.samplers.exclusion import Exclude

OPTIMIZERS = ("adam", "sgd")
"""Both touch, of a table, only the rows that a step reads."""
ORDERS = ("first", "second", "both")
"""Of LINE's proximity."""


@dataclass(frozen=True)
class SkipGramConfig(NodeConfig):
    """What skip-gram runs share: pairs, negatives, loss and steps.

    Args:
        hidden_size: width of the embeddings.
        learning_rate: of the optimiser; with "sgd" of one pair, as in word2vec: a step adds up its pairs, and many
            pairs of one hub overshoot together, so take a few walks a step.
        weight_decay: 0; rows that a step does not read could not decay.
        epochs: passes over all pairs.
        k: negatives a pair.
        batch_size: walks a step (LINE: edges).
        objective: "sgns", word2vec's, in which every negative weighs as much as a positive; or a registered objective
            of scores and mask: "bce", in which the negatives of a pair weigh as much as the positive together, "bpr",
            "infonce", ….
        optimizer: "adam" or "sgd".
        decay: let the learning rate fall linearly, step by step, to a thousandth over all `epochs`.
        tied: contexts are the embeddings themselves, as in PyG's Node2Vec, not rows of a table of their own.
        corrected: divide the draws' density out of the loss (needs a sampler of density "marginal").
        exclude: what the published sampler, degree^0.75, never draws: "self", the anchor and its positive alone, or
            "neighbors" too.
        seed: of the weights, the walks, the order of the pairs and the draws.

    Raises:
        ValueError: a value out of range; the message names it.
    """

    learning_rate: float = 0.01
    epochs: int = 10
    k: int = 5
    batch_size: int = 64
    objective: str = "sgns"
    optimizer: str = "adam"
    decay: bool = False
    tied: bool = False
    corrected: bool = False
    exclude: Exclude = "self"

    title: ClassVar[str] = "skip-gram"

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        super().__post_init__()
        self.check_least(k=1, batch_size=1)
        self.check_choice("optimizer", "optimizer", OPTIMIZERS)
        if self.exclude not in ("self", "neighbors"):
            raise ValueError(f"exclude must be 'self' or 'neighbors', got {self.exclude!r}")
        if self.weight_decay:
            raise ValueError(f"weight_decay must be 0, got {self.weight_decay}: a step reads few rows of the tables, "
                             "and the others could not decay")
        corrections(self.objective, self.corrected)


@dataclass(frozen=True)
class DeepWalkConfig(SkipGramConfig):
    """Everything that decides a DeepWalk run besides the data and the sampler.

    Args:
        walk_length: nodes of a walk, its start included.
        window: places on either side of a node within which others are its contexts.
        walks_per_node: walks from each node in an epoch.
        shrink_window: each place draws its own window, uniform in 1 … window, as in word2vec.
        **: see `SkipGramConfig`.

    Raises:
        ValueError: a value out of range; the message names it.

    Example:
        >>> DeepWalkConfig.preset("Cora", window=3).window
        3
    """

    walk_length: int = 40
    window: int = 10
    walks_per_node: int = 1
    shrink_window: bool = False

    title: ClassVar[str] = "DeepWalk"

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        super().__post_init__()
        self.check_least(walk_length=2, window=1, walks_per_node=1)


@dataclass(frozen=True)
class Node2VecConfig(DeepWalkConfig):
    """Everything that decides a node2vec run besides the data and the sampler.

    Args:
        p: return parameter: small, and a walk turns back often.
        q: in-out parameter: small, and a walk goes far from where it was.
        **: see `DeepWalkConfig`.

    Raises:
        ValueError: a value out of range; the message names it.

    Example:
        >>> Node2VecConfig(p=0.5).to_dict()["p"]
        0.5
    """

    p: float = 1.0
    q: float = 1.0

    title: ClassVar[str] = "node2vec"

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        super().__post_init__()
        self.check_positive("p", "q")


@dataclass(frozen=True)
class LineConfig(SkipGramConfig):
    """Everything that decides a LINE run besides the data and the sampler.

    Args:
        hidden_size: width of the embeddings; with both orders, each has half of it.
        order: "first": neighbours score high, of one table. "second": nodes with the same neighbours get alike; each
            node has a row as a source and one as a context. "both": the two, trained apart, side by side.
        batch_size: edges a step; an epoch takes every edge in both directions.
        **: see `SkipGramConfig`.

    Raises:
        ValueError: a value out of range; the message names it.

    Example:
        >>> LineConfig(order="first").order
        'first'
    """

    learning_rate: float = 0.005
    epochs: int = 200
    batch_size: int = 4096
    order: str = "both"

    title: ClassVar[str] = "LINE"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        super().__post_init__()
        self.check_choice("order", "order", ORDERS)
        if self.order == "both" and self.hidden_size % 2:
            raise ValueError(f"hidden_size must be even for order='both', got {self.hidden_size}")
        if self.tied:
            raise ValueError("LINE's first order has one table and its second two: choose order, and leave tied=False")
