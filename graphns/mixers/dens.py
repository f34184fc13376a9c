"""DENS: gates part what a user cares about from what it does not, and choose negatives by both."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from graphns.mixers.hardest import check_size
from graphns.mixers.layers import Pooling, as_layers, best_by_layer, check_pooling, pool_layers, take_by_layer
from graphns.mixers.mixer import Mixer
from graphns.streams import Stream


class DENS(Mixer):
    r"""Disentangled negative sampling: negatives like the positive where it does not matter, unlike it where it does.

    Gates part a vector into a relevant (r) and an irrelevant (i) factor; at every layer one candidate is chosen:

    .. math::

        p^r &= p \odot \sigma(W_1 p + W_2 u), \quad n_m^r = n_m \odot \sigma(W_3 n_m + W_4 p^r), \quad x^i = x - x^r \\
        m^* &= \arg\max_m\; \alpha \langle u, n_m^i \rangle - (1 - \alpha) \langle u, n_m^r \rangle, \qquad
        \alpha = \min(1, \text{epoch} / \text{warmup})

    so that at first the relevant factor must be far, and after the warm-up the irrelevant one near. The form of the
    gates and of their loss, and this direction of the schedule, are ours: they are not verified against the paper. The
    negative is the chosen candidate itself, its layers pooled; the choice carries no gradient. The gates learn by
    `loss` alone: add `gamma * dens.loss(...)` to the objective (gamma 0.3 in the paper's code), with
    `dens.parameters()` in the optimiser. Nothing is random but the first weights of the gates, by torch's default
    generator as in any layer.

    Args:
        width: d.
        k: negatives of a pair. Each has a group of candidates of its own: m must be a multiple of k.
        warmup: epochs until alpha is 1, at least 1 (100 in the paper's code).
        pooling: "mean", "sum" or "concat", as the encoder pools its layers.

    Shape:
        anchor [B, L, d] or pooled [B, d], positive [B, L, d], candidates [B|1, m, L, d] -> [B, k, d]; L may be missing.

    Raises:
        ValueError: a size is below 1, pooling is unknown, shapes do not fit, or m is no multiple of k.

    Example:
        >>> dens = DENS(width=2)
        >>> vectors = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])
        >>> [float(dens(vectors[0, :1], vectors[0, :1], vectors, epoch=epoch)[0, 0, 0]) for epoch in (0, 100)]
        [-1.0, 1.0]

    References:
        Lai, Chen et al.: Disentangled Negative Sampling for Collaborative Filtering. WSDM 2023.
    """

    layered = True

    def __init__(self, width: int, k: int = 1, warmup: int = 100, pooling: Pooling = "mean") -> None:
        super().__init__()
        self.k, self.warmup, self.pooling = check_size("k", k), check_size("warmup", warmup), check_pooling(pooling)
        check_size("width", width)
        self.item_gate, self.user_gate = nn.Linear(width, width), nn.Linear(width, width)
        self.negative_gate, self.positive_gate = nn.Linear(width, width), nn.Linear(width, width)

    def relevant(self, anchor: Tensor, positive: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
        """The relevant factors of positives [B, ..., d] and of negatives [B|1, m, ..., d], anchors like positives."""
        of_positive = positive * torch.sigmoid(self.item_gate(positive) + self.user_gate(anchor))
        gate = torch.sigmoid(self.negative_gate(negatives) + self.positive_gate(of_positive)[:, None])
        return of_positive, negatives * gate

    @torch.no_grad()
    def _choose(self, anchor: Tensor, positive: Tensor, candidates: Tensor, mask: Tensor, epoch: int) -> Tensor:
        alpha = min(1.0, epoch / self.warmup)
        _, relevant = self.relevant(anchor, positive, candidates)
        scores = (anchor[:, None] * (alpha * candidates - relevant)).sum(-1)  # n^i = n - n^r
        return best_by_layer(scores, mask, self.k)

    def mix(self, anchor: Tensor, positive: Tensor, candidates: Tensor, mask: Tensor, stream: Stream, row: Tensor,
            epoch: int) -> Tensor:
        """Vectors [B, k, d]; see the class."""
        anchor, positive, candidates = as_layers(anchor, positive, candidates, self.pooling)
        chosen = self._choose(anchor, positive, candidates, mask, epoch)
        return pool_layers(take_by_layer(candidates, chosen), self.pooling)

    def loss(self, anchor: Tensor, positive: Tensor, negatives: Tensor, mask: Tensor | None = None) -> Tensor:
        r"""What the gates learn by: four BPR losses that tell the factors of positive and negative apart.

        .. math::

            \tfrac14 \mathrm{mean} \big[ \mathrm{sp}(\langle u, n^r - p^r \rangle)
            + \mathrm{sp}(\langle u, p^i - n^i \rangle)
            + \mathrm{sp}(\langle u, p^i - p^r \rangle) + \mathrm{sp}(\langle u, n^r - n^i \rangle) \big], \qquad
            \mathrm{sp}(x) = \log(1 + e^x)

        The relevant factor ranks the positive above the negative, the irrelevant one below it; within the positive the
        relevant factor weighs more, within the negative the irrelevant one.

        Args:
            anchor: u [B, d], or [B, L d] where layers are concatenated; and so the others.
            positive: p [B, d], pooled like the negatives.
            negatives: n [B, k, d], what the mixer gave; the mean is over all usable.
            mask: [B, k] bool, True = use; None: all. Without any usable the loss is 0.

        Returns:
            A scalar; its gradient reaches the gates and the vectors.

        Raises:
            ValueError: shapes do not fit.
        """
        if anchor.dim() != 2 or positive.shape != anchor.shape or negatives.dim() != 3 \
                or (len(negatives), negatives.shape[2]) != tuple(anchor.shape) \
                or anchor.shape[1] % self.item_gate.in_features:
            raise ValueError("need anchor [B, d], positive [B, d] and negatives [B, k, d], d the width "
                             f"{self.item_gate.in_features} or a multiple, got {tuple(anchor.shape)}, "
                             f"{tuple(positive.shape)} and {tuple(negatives.shape)}")
        mask = torch.ones_like(negatives[:, :, 0], dtype=torch.bool) if mask is None else mask
        if mask.shape != negatives.shape[:2] or mask.dtype != torch.bool:
            raise ValueError(f"need a bool mask {tuple(negatives.shape[:2])}, got {mask.dtype} {tuple(mask.shape)}")
        negatives = negatives.masked_fill(~mask[:, :, None], 0.0)
        # layers side by side come apart again: gates are d wide
        width = self.item_gate.in_features
        anchor, positive, negatives = (each.reshape(*each.shape[:-1], each.shape[-1] // width, width)
                                       for each in (anchor, positive, negatives))
        of_positive, of_negative = self.relevant(anchor, positive, negatives)
        own, own_rest = ((anchor * each).sum((1, 2))[:, None] for each in (of_positive, positive - of_positive))
        other, other_rest = ((anchor[:, None] * each).sum((2, 3)) for each in (of_negative, negatives - of_negative))
        total = softplus(other - own) + softplus(own_rest - other_rest) + softplus(own_rest - own) \
            + softplus(other - other_rest)
        return torch.where(mask, total, 0.0).sum() / (4 * mask.sum().clamp(min=1))
