"""The settings of a GRACE run, and those its authors published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from graphns.encoders.gcn import ACTIVATIONS
from graphns.pipelines.node_config import NodeConfig
from graphns.samplers.exclusion import Exclude

OBJECTIVES = ("infonce", "dcl", "hcl")
PRESETS: dict[str, dict[str, Any]] = {
    "Cora": {},
    "CiteSeer": dict(hidden_size=256, projection_size=256, activation="prelu", temperature=0.9, drop_edge=(0.2, 0.0),
                     drop_feature=(0.3, 0.2), learning_rate=1e-3),
    "PubMed": dict(hidden_size=256, projection_size=256, temperature=0.7, drop_edge=(0.4, 0.1),
                   drop_feature=(0.0, 0.2), learning_rate=1e-3, epochs=1500),
    # not published: chosen on validation nodes, for features that are not divided by the sum of their row
    # (`load("Computers", normalize=False)`)
    "Computers": dict(temperature=0.2, drop_edge=(0.6, 0.3), drop_feature=(0.2, 0.3)),
    # not published: short, so that eight samplers and three seeds are trained within minutes on two cores; the rates
    # were chosen on validation nodes
    "digits": dict(drop_feature=(0.5, 0.5), learning_rate=1e-3, epochs=60, k=64),
}
"""The authors' settings (their repository's config.yaml), and ours for Computers and the built-in data."""


@dataclass(frozen=True)
class GraceConfig(NodeConfig):
    """Everything that decides a GRACE run besides the data and the sampler. The defaults are the authors' for Cora.

    Args:
        hidden_size: width of the embeddings.
        projection_size: width inside the projector.
        num_layers: graph convolutions, at least 2.
        activation: "relu", "prelu", "rrelu" or "elu".
        objective: "infonce" (GRACE), "dcl" (rid of expected false negatives) or "hcl" (and weighted by hardness); see
            `graphns.pipelines.two_views_loss.direction_loss`.
        tau_plus: for dcl and hcl, the share of negatives that are false, in [0, 1).
        sharpness: for hcl, how much harder negatives count more, at least 0.
        temperature: divides the cosines.
        drop_edge: share of the edges dropped in either view.
        drop_feature: share of the feature columns dropped in either view.
        learning_rate: of Adam.
        weight_decay: of Adam.
        epochs: at most so many, of one step each.
        patience: epochs without a lower loss after which the run stops and takes the weights of the lowest; None: all.
        k: negatives an anchor; each is used in both views.
        batch_size: anchors a step, drawn without replacement; None: every node.
        num_neighbors: None: each step embeds the whole graph. Numbers of neighbours, one for each hop: an epoch goes
            over all anchors in mini-batches of batch_size, and a step embeds sampled neighbourhoods of its anchors and
            negatives alone (`graphns.pipelines.minibatch`). `All` then means all of the batch.
        corrected: divide the draws' density out of the loss (needs a sampler of density "marginal").
        exclude: what the all-negatives loss leaves out beside the anchor: "self" nothing (GRACE), or "neighbors".
        seed: of the weights, the views, the anchors and the draws.

    Raises:
        ValueError: a value out of range; the message names it.

    Example:
        >>> GraceConfig.preset("CiteSeer", epochs=10).temperature
        0.9
    """

    projection_size: int = 128
    num_layers: int = 2
    activation: str = "relu"
    objective: str = "infonce"
    tau_plus: float = 0.1
    sharpness: float = 1.0
    temperature: float = 0.4
    drop_edge: tuple[float, float] = (0.2, 0.4)
    drop_feature: tuple[float, float] = (0.3, 0.4)
    learning_rate: float = 5e-4
    weight_decay: float = 1e-5
    k: int = 256
    batch_size: int | None = None
    num_neighbors: tuple[int, ...] | None = None
    corrected: bool = False
    exclude: Exclude = "self"

    title: ClassVar[str] = "GRACE"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        super().__post_init__()
        self.check_least(projection_size=1, num_layers=2, k=1)
        self.check_positive("temperature")
        self.check_choice("objective", "objective of GRACE", OBJECTIVES)
        if not 0 <= self.tau_plus < 1:
            raise ValueError(f"tau_plus is a share in [0, 1), got {self.tau_plus}")
        if not 0 <= self.sharpness < float("inf"):
            raise ValueError(f"sharpness must be at least 0, got {self.sharpness}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, or None for every node, got {self.batch_size}")
        if self.num_neighbors is not None:
            self._check_minibatches()
        self.check_choice("activation", "activation", ACTIVATIONS)
        if self.exclude not in ("self", "neighbors"):
            raise ValueError(f"exclude must be 'self' or 'neighbors', got {self.exclude!r}")
        self.check_rates("drop_edge", "drop_feature")

    def _check_minibatches(self) -> None:
        self.check_fanouts("num_neighbors")
        if self.batch_size is None:
            raise ValueError("num_neighbors needs batch_size: how many anchors a mini-batch has")
        if self.corrected:
            raise ValueError("corrected=True with num_neighbors: a mini-batch's loss has no correction; leave one out")
