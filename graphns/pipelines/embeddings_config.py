"""The settings of contrastive training on vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from graphns.graph.table import METRICS
from graphns.pipelines.link_config import LinkConfig

POSITIVES = ("auto", "neighbors", "pairs", "labels")
_FIXED = {"encoder": "mlp", "decoder": "dot", "side": "destination", "num_neighbors": None, "mask_targets": False,
          "use_valid_edges": False}
PRESETS: dict[str, dict[str, Any]] = {
    "digits": dict(hidden_size=64, size=64, learning_rate=5e-3, temperature=0.2, epochs=20, batch_size=256),
}
"""Ours, for the built-in data: of four settings tried, the best on the rows that choose the epoch."""


@dataclass(frozen=True)
class EmbeddingConfig(LinkConfig):
    """Everything that decides a run besides the data, the sampler and a head of one's own.

    The encoder is a perceptron that sees no edges and the decoder the cosine, so of `LinkConfig` encoder, decoder,
    decoder_layers, side, num_neighbors, mask_targets and use_valid_edges stay as they are.

    Args:
        num_layers: of the head: 1 is linear, more make an MLP with ReLU.
        hidden_size: width of its hidden layers.
        size: width of the embeddings.
        dropout: between its layers, in [0, 1).
        normalize: divide embeddings by their length, so that the score is the cosine; without, the dot product.
        temperature: divides the scores.
        objective: "infonce", or any other of positive_score, negative_score and mask.
        k: negatives a positive.
        positives: what an anchor is pulled to. "neighbors": one of its nearest rows; "pairs": a partner in the given
            pairs; "labels": a row of its label; "auto": pairs where the data have some, else neighbors. A row has one
            positive each epoch, drawn anew by the seed.
        neighbors: of each row in the k-NN graph.
        metric: of that graph: "cosine", "l2" or "ip".
        val: share held out of the training part to choose the epoch by.
        test: share for the test, where the data have no published split.
        split_seed: of what is held out.
        corrected: divide the draws' density out of the loss (needs a sampler of density "marginal").
        batch_size: anchors a step; None: all.
        clip: gradients are scaled down to this norm; None: they are not.
        learning_rate: of Adam.
        weight_decay: of Adam.
        epochs: at most so many.
        validate_every: epochs between validations; the best one gives the weights.
        patience: validations without a better one after which the run stops; None: never.
        seed: of the weights, the order, the positives, dropout and the draws.

    Raises:
        ValueError: a value out of range, or one that does not belong here; the message names it.

    Example:
        >>> EmbeddingConfig(num_layers=1, k=4).temperature
        0.1
    """

    hidden_size: int = 256
    encoder: str = "mlp"
    decoder: str = "dot"
    size: int = 128
    num_layers: int = 1
    objective: str = "infonce"
    k: int = 16
    side: str = "destination"
    batch_size: int | None = 512
    epochs: int = 50
    normalize: bool = True
    temperature: float = 0.1
    positives: str = "auto"
    neighbors: int = 10
    metric: str = "cosine"
    val: float = 0.1
    test: float = 0.2
    split_seed: int = 0

    title: ClassVar[str] = "training on vectors"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        super().__post_init__()
        for name, value in _FIXED.items():
            if getattr(self, name) != value:
                raise ValueError(f"{self.title} has {name}={value!r}, got {getattr(self, name)!r}: leave it out; the "
                                 "head is set by num_layers, hidden_size and size")
        self.check_choice("positives", "kind of positives", POSITIVES)
        self.check_choice("metric", "metric", METRICS)
        self.check_least(neighbors=1)
        self.check_positive("temperature")
        for name in ("val", "test"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must be a share in (0, 1), got {getattr(self, name)}")
