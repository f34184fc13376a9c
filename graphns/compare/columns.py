"""What a column of the tables is, how its values are written, and the columns that every task has."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """One column of the tables.

    Args:
        key: its name in the rows and in the CSV.
        title: its heading.
        group: the table it stands in: a key of `Layout.groups`.
        meaning: one sentence for the report.
        show: how a value is written.
    """

    key: str
    title: str
    group: str
    meaning: str
    show: Callable[[Any], str]


def number(pattern: str, factor: float = 1.0) -> Callable[[Any], str]:
    """Writes value * factor by a pattern of `str.format`; what is missing becomes a dash.

    Example:
        >>> number("{:.1f} %", 100)(0.25), number("{:.3g}")(None)
        ('25.0 %', '–')
    """
    def show(value: Any) -> str:
        return "–" if value is None or math.isnan(value) else pattern.format(value * factor)

    return show


def word(value: Any) -> str:
    """Writes a word or a whole number."""
    return "–" if value in (None, "") else str(value)


def rate(value: Any) -> str:
    """Writes so many a second.

    Example:
        >>> rate(1_660_000)
        '1.66 M'
    """
    if value is None or math.isnan(value):
        return "–"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"


percent, points, small = number("{:.1f} %", 100), number("{:+.2f}", 100), number("{:.3g}")

WHO = (
    Column("family", "family", "quality", "The family of the method.", word),
    Column("seeds", "seeds", "quality", "Runs that finished.", word),
)
AGAINST = (
    Column("std", "± std", "quality", "Standard deviation over seeds (n - 1), in percentage points.",
           number("{:.2f}", 100)),
    Column("difference", "vs uniform", "quality",
           "Mean paired difference to uniform with the same seeds, in percentage points.", points),
    Column("low", "95 % from", "quality", "Lower end of the difference's 95 % interval (paired t over seeds).", points),
    Column("high", "to", "quality", "Upper end of that interval.", points),
    Column("verdict", "verdict", "quality",
           "'no difference' where the interval covers 0; 'better' or 'worse' where it does not; 'no interval' with one "
           "seed.", word),
)
"""What stands behind the mean of the figure that samplers are compared by."""
HARDNESS = Column(
    "hardness", "hardness", "quality",
    "Mean share of all candidates that the frozen model scores below the drawn one: 50 % is what indifferent draws "
    "have, 100 % the hardest.", percent)
COST = (
    Column("negatives_per_second", "negatives/s", "cost",
           "Usable (anchor, negative) pairs that drawing alone gives in a second, model scores included where a "
           "sampler reads them.", rate),
    Column("seconds_per_epoch", "s/epoch", "cost", "Median wall time of a training epoch, the first left out.", small),
    Column("draw_share", "of it drawing", "cost", "Share of the training time that drawing took.", percent),
    Column("peak_mb", "peak MB", "cost", "Peak resident memory of the training process.", number("{:.0f}")),
    Column("added_mb", "of it training", "cost",
           "Peak memory above what the process held before training, libraries and data loaded.", number("{:.0f}")),
)
