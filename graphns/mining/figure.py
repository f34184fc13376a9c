"""A histogram of the scores of positives and negatives: as a picture, or as a line of the terminal."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from graphns.data.replacing import replacing
from graphns.mining.mine import Mined

_BARS = " ▁▂▃▄▅▆▇█"


def histogram(mined: Mined, path: Path, bins: int = 60) -> None:
    """Draw the scores of the positives and of the negatives, as shares of each, on one axis.

    Args:
        mined: the result.
        path: a `.png`, `.svg` or `.pdf` file, written whole or not at all.
        bins: of equal width, over the range of both.

    Raises:
        ValueError: another ending.
        OSError: it cannot be written.
    """
    check_picture(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    low, high = score_range(mined)
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    edges = torch.linspace(low, high, bins + 1).tolist()
    for name, values, color in (("positives", mined.positive_score, "#0072B2"),
                                ("negatives", negative_scores(mined), "#D55E00")):
        heights = (shares(values, low, high, bins) * 100).tolist()
        axes.stairs(heights, edges, fill=True, alpha=0.5, color=color, label=f"{name} ({len(values):,})")
    axes.set_xlabel("score of anchor and item")
    axes.set_ylabel("share, %")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150)


def check_picture(path: Path) -> None:
    """Raise a `ValueError` unless a picture can be written to a file of that name."""
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise ValueError(f"cannot draw {path.name}: the name must end in .png, .svg or .pdf")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} to draw {path.name} into")


def sparkline(values: Tensor, low: float, high: float, width: int = 40) -> str:
    """A histogram of one line: the tallest bar is full, an empty one blank.

    Example:
        >>> sparkline(torch.tensor([0.0, 0.9, 1.0]), 0.0, 1.0, width=4)
        '▄  █'
    """
    share = shares(values, low, high, width)
    top = float(share.max())
    levels = (share / top * (len(_BARS) - 1)).ceil().long().tolist() if top > 0 else [0] * width
    return "".join(_BARS[level] for level in levels)


def shares(values: Tensor, low: float, high: float, bins: int) -> Tensor:
    """The share of the values in each of `bins` equal parts of [low, high]; zeros of nothing."""
    counts = torch.histc(values.double(), bins, low, high)
    return counts / max(len(values), 1)


def score_range(mined: Mined) -> tuple[float, float]:
    """The lowest and the highest score of all, a little apart where they are equal."""
    both = torch.cat([mined.positive_score, negative_scores(mined)])
    if not len(both):
        return 0.0, 1.0
    low, high = float(both.min()), float(both.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def negative_scores(mined: Mined) -> Tensor:
    """The scores of the negatives that were found [n]."""
    return mined.scores[mined.negatives >= 0]
