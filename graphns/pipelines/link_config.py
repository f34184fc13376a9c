"""The settings of a link prediction run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from graphns.encoders.message_passing import ENCODERS
from graphns.pipelines.node_config import NodeConfig
from graphns.pipelines.pair_objective import corrections
from graphns.scorers.decoders import DECODERS

SIDES = ("either", "destination", "source")
PRESETS: dict[str, dict[str, Any]] = {
    # OGB's example for ddi; a learned table, since there are no features
    "ogbl-ddi": dict(encoder="sage", decoder="mlp", num_layers=2, dropout=0.5, learning_rate=0.005, epochs=200,
                     batch_size=65536),
    # HeaRT's command for Cora; the epochs are ours
    "heart-citeseer": dict(num_layers=1, decoder_layers=3, dropout=0.5, learning_rate=1e-3, batch_size=1024,
                           epochs=500, patience=10),
    # ours
    "digits": dict(hidden_size=64, size=64, epochs=30, batch_size=4096, validate_every=5),
}
"""The settings of OGB's and HeaRT's commands, and ours for the built-in data."""


@dataclass(frozen=True)
class LinkConfig(NodeConfig):
    """Everything that decides a run besides the data and the sampler.

    Args:
        encoder: "gcn", "sage", "gat", "mlp" or "embedding"; see `graphns.encoders.message_passing.NodeEncoder`.
        decoder: "dot", "bilinear", "mlp" or "ncn"; see `graphns.scorers.decoders` and `graphns.scorers.ncn`.
        hidden_size: width of hidden layers, and of the learned table where there are no features.
        size: width of the embeddings.
        num_layers: of the encoder.
        decoder_layers: linear layers of "mlp" and "ncn".
        dropout: of encoder and decoder, in [0, 1).
        objective: "bce" (OGB's), or any other of positive_score, negative_score and mask.
        k: negatives a positive.
        side: which end of a positive edge is replaced: "either", by a coin of each epoch, "source" or "destination".
            Where edges have a direction, the destination. A sampler of whole edges replaces both ends.
        corrected: divide the draws' density out of the loss (needs a sampler of density "marginal").
        batch_size: positives a step; None: all.
        num_neighbors: None: each step embeds the whole graph. Numbers of neighbours, one for each layer of the encoder,
            -1 for all: a step embeds the ends of its positives and its negatives alone, over neighbourhoods sampled so
            (`graphns.pipelines.link_batch`). Evaluation embeds the whole graph either way.
        mask_targets: leave the positives of a step out of what the encoder passes messages along, so that a model does
            not learn to read off an edge that is there.
        use_valid_edges: embed over the validation edges too when test edges are scored, as OGB's collab allows;
            common neighbours are then of both.
        clip: gradients are scaled down to this norm; None: they are not.
        learning_rate: of Adam.
        weight_decay: of Adam.
        epochs: at most so many, over all positives each.
        validate_every: epochs between validations; the best one gives the weights.
        patience: validations without a better one after which the run stops; None: never.
        seed: of the weights, the order, the sides, dropout and the draws.

    Raises:
        ValueError: a value out of range; the message names it.

    Example:
        >>> LinkConfig.preset("ogbl-ddi", epochs=5).decoder
        'mlp'
    """

    hidden_size: int = 256
    encoder: str = "gcn"
    decoder: str = "mlp"
    size: int = 256
    num_layers: int = 2
    decoder_layers: int = 2
    dropout: float = 0.0
    objective: str = "bce"
    k: int = 1
    side: str = "either"
    corrected: bool = False
    batch_size: int | None = 65536
    num_neighbors: tuple[int, ...] | None = None
    mask_targets: bool = False
    use_valid_edges: bool = False
    clip: float | None = 1.0
    epochs: int = 100
    validate_every: int = 5

    title: ClassVar[str] = "link prediction"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        super().__post_init__()
        self.check_choice("encoder", "encoder", ENCODERS)
        self.check_choice("decoder", "decoder", DECODERS)
        self.check_choice("side", "side", SIDES)
        self.check_least(size=1, num_layers=1, decoder_layers=1, k=1, validate_every=1)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, or None for all positives, got {self.batch_size}")
        if self.clip is not None and not 0 < self.clip < float("inf"):
            raise ValueError(f"clip must be above 0, or None to leave gradients as they are, got {self.clip}")
        corrections(self.objective, self.corrected)
        if self.num_neighbors is not None:
            self._check_minibatches(self.num_neighbors)

    @property
    def passes_messages(self) -> bool:
        """Whether the encoder reads neighbours."""
        return self.encoder not in ("mlp", "embedding")

    def _check_minibatches(self, num_neighbors: tuple[int, ...]) -> None:
        self.check_fanouts("num_neighbors")
        if self.passes_messages and len(num_neighbors) != self.num_layers:
            raise ValueError(f"num_neighbors needs a number for each layer of the encoder, got {list(num_neighbors)} "
                             f"and num_layers={self.num_layers}")
        if self.batch_size is None:
            raise ValueError("num_neighbors needs batch_size: how many positives a mini-batch has")
