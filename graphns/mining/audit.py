"""What a mining did: which rule left out how much, how the scores lie, how many negatives are of the anchor's label."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True)
class Audit:
    """Counts and scores of a mining.

    Args:
        anchors: how many were mined.
        pairs: (anchor, positive) pairs.
        negatives: how many were found, over the anchors.
        short: anchors with fewer than k.
        empty: anchors with none.
        left_out: anchors that were not mined: without a positive, or with a text of several labels.
        candidates: how many were looked at by the rules.
        skipped: of these, those that each rule left out, by its name; each counts under the first that holds.
        positive: quantiles of the positives' scores, at `QUANTILES`; NaN where there is none.
        negative: of the negatives' scores.
        difference: of how far a negative lies below a positive of its anchor.
        false_negatives: share of the negatives that have the anchor's label; None without labels.
    """

    anchors: int
    pairs: int
    negatives: int
    short: int
    empty: int
    left_out: int
    candidates: int
    skipped: dict[str, int]
    positive: tuple[float, ...]
    negative: tuple[float, ...]
    difference: tuple[float, ...]
    false_negatives: float | None

    def rows(self) -> list[tuple[str, str]]:
        """What and how much, in words, a line each."""
        asked = max(self.candidates, 1)
        lines = [("anchors", f"{self.anchors:,}"), ("pairs", f"{self.pairs:,}"), ("negatives", f"{self.negatives:,}"),
                 ("anchors with fewer than k", f"{self.short:,}"), ("anchors with none", f"{self.empty:,}"),
                 ("anchors left out", f"{self.left_out:,}"), ("candidates", f"{self.candidates:,}")]
        lines += [(f"left out by {rule}", f"{count:,} ({100 * count / asked:.2f} %)")
                  for rule, count in self.skipped.items() if count]
        if self.false_negatives is not None:
            lines.append(("negatives of the anchor's label", f"{100 * self.false_negatives:.2f} %"))
        return lines


def quantiles(values: Tensor) -> tuple[float, ...]:
    """The values at `QUANTILES`, the lower of two; NaN of nothing.

    Example:
        >>> import torch
        >>> quantiles(torch.tensor([3.0, 1.0, 2.0]))
        (1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0)
    """
    if not len(values):
        return (float("nan"),) * len(QUANTILES)
    ordered = values.sort().values  # torch.quantile refuses more than 2^24 values
    return tuple(float(ordered[int(q * (len(ordered) - 1))]) for q in QUANTILES)
