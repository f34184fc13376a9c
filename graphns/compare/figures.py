"""Four figures of a comparison, each as PNG and SVG; colours keep the families apart for colour-blind eyes too."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphns.compare.files import replacing, write_text
from graphns.compare.table import BASELINE, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette
COLOURS = {"static": "#0072B2", "dynamic": "#D55E00", "adversarial": "#CC79A7", "efficient": "#009E73",
           "compose": "#B8860B", "third party": "#56B4E9", "reference": "#888888"}
_STYLE: Any = {"font.size": 9.5, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "path",
          "axes.axisbelow": True, "grid.color": "#e6e6e6", "grid.linewidth": 0.8, "figure.dpi": 100,
          "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left"}


def draw(rows: list[Row], folder: Path) -> dict[str, str]:
    """Write every figure that has data into `folder`; gives each one's SVG, fit to stand inside an HTML page."""
    import matplotlib

    folder.mkdir(exist_ok=True)
    found = {}
    ran = [row for row in rows if row["accuracy"] is not None]
    for name, function in _FIGURES.items():
        with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
            figure = function(ran)
            if figure is None:
                continue
            with replacing(folder / f"{name}.png") as path:
                figure.savefig(path, dpi=160, metadata={"Software": None})
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
            write_text(folder / f"{name}.svg", text.getvalue())
            found[name] = inline(text.getvalue())
    return found


def inline(svg: str) -> str:
    """An SVG without prolog, metadata and name-space addresses, which HTML does without: it points nowhere."""
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    # the view box keeps the shape; the page's style gives the width
    return re.sub(r'(<svg[^>]*?)\swidth="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?)\sheight="[^"]*"', r"\1", svg, count=1),
                  count=1)


def _colour(row: Row) -> str:
    return COLOURS.get(row["family"], COLOURS["third party"])


def _new(width: float, height: float, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    # a Figure of its own, not pyplot's: no global state, no window, nothing to close
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns, **options)


def _legend(figure: Figure, rows: list[Row]) -> None:
    from matplotlib.lines import Line2D

    families = [family for family in COLOURS if any(row["family"] == family for row in rows)]
    marks = [Line2D([], [], marker="o", linestyle="", color=COLOURS[family], label=family) for family in families]
    figure.legend(handles=marks, loc="outside upper center", ncols=len(marks), frameon=False, fontsize=8.5)


def accuracy(rows: list[Row]) -> Figure | None:
    """Accuracy of each row: its seeds, their mean, and the mean's own 95 % interval."""
    if not rows:
        return None
    from scipy.stats import t

    figure, axes = _new(7.4, 1.1 + 0.34 * len(rows))
    for at, row in enumerate(reversed(rows)):
        values = [100 * value for value in row["accuracies"].values()]
        mean, n = sum(values) / len(values), len(values)
        axes.plot(values, [at] * n, "o", color=_colour(row), alpha=0.35, markersize=4, markeredgewidth=0)
        if n > 1:
            half = float(t.ppf(0.975, n - 1)) * 100 * row["std"] / math.sqrt(n)
            axes.plot([mean - half, mean + half], [at, at], color=_colour(row), linewidth=2)
        axes.plot(mean, at, "D", color=_colour(row), markersize=6, markeredgecolor="white")
        if row["name"] == BASELINE:
            axes.axvline(mean, color=_colour(row), linewidth=0.9, linestyle="--", zorder=0)
    axes.set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)])
    axes.set_xlabel("test accuracy of the linear probe, % (diamond: mean with its 95 % interval; dots: seeds)")
    axes.grid(axis="x")
    _legend(figure, rows)
    return figure


def tradeoff(rows: list[Row]) -> Figure | None:
    """Accuracy against the share of false negatives, and against hardness."""
    rows = [row for row in rows if row["false_negatives"] is not None or row["hardness"] is not None]
    if not rows:
        return None
    figure, axes = _new(9.2, 4.1, 2, sharey=True)
    _scatter(axes[0], [row for row in rows if row["false_negatives"] is not None], "false_negatives")
    _scatter(axes[1], [row for row in rows if row["hardness"] is not None], "hardness")
    axes[0].set_xlabel("drawn negatives of the anchor's class, %")
    axes[1].set_xlabel("hardness: candidates scored below the drawn one, %")
    axes[0].set_ylabel("test accuracy, %")
    _legend(figure, rows)
    return figure


def _scatter(axes: Axes, rows: list[Row], key: str) -> None:
    axes.margins(0.16, 0.12)
    axes.grid()
    points = [(100 * row[key], 100 * row["accuracy"]) for row in rows]
    for row, (x, y) in zip(rows, points, strict=True):
        axes.plot(x, y, "o", color=_colour(row), markersize=7, markeredgecolor="white")
    _label(axes, [row["name"] for row in rows], points)


def _label(axes: Axes, names: list[str], points: list[tuple[float, float]]) -> None:
    """Names beside their points, each at the first of eight places that hides no point and no other name."""
    axes.get_figure(root=True).draw_without_rendering()  # type: ignore[union-attr]  # it stands in one
    shown = axes.transData.transform(points)
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in shown]
    frame = axes.get_window_extent()
    places: list[tuple[float, float, str]] = [
        (7, -3, "left"), (-7, -3, "right"), (0, 7, "center"), (0, -14, "center"), (6, 6, "left"), (-6, 6, "right"),
        (6, -12, "left"), (-6, -12, "right"), (0, 18, "center"), (0, -25, "center"), (0, 29, "center"),
        (0, -36, "center")]
    for name, (x, y) in zip(names, shown, strict=True):
        width = 6.4 * len(name)
        best, least = None, math.inf
        for dx, dy, side in places:
            left = x + dx * 1.4 - {"left": 0.0, "right": width, "center": width / 2}[side]
            box = (left, y + dy * 1.4, left + width, y + dy * 1.4 + 12)
            hidden = sum(max(0.0, min(box[2], b[2]) - max(box[0], b[0])) * max(0.0, min(box[3], b[3]) - max(box[1], b[1]))
                         for b in taken)
            hidden += 50 * (max(0.0, frame.x0 - box[0]) + max(0.0, box[2] - frame.x1 - 12)
                            + max(0.0, frame.y0 - box[1]) + max(0.0, box[3] - frame.y1 - 14))
            if hidden < least:
                best, least = (dx, dy, side, box), hidden
        assert best is not None
        taken.append(best[3])
        axes.annotate(name, tuple(axes.transData.inverted().transform((x, y))), (best[0], best[1]), textcoords="offset points",
                      ha=best[2], fontsize=8, color="#333333")


def gradient(rows: list[Row]) -> Figure | None:
    """Bias and variance of each sampler's gradient, uncorrected and corrected, and the cosine of one draw's."""
    rows = [row for row in rows if row["bias"] is not None]
    if not rows:
        return None
    figure, (axes, bars) = _new(10.2, 4.6, 2, width_ratios=(1.35, 1))
    floor_x, floor_y = _floor(rows, "bias"), _floor(rows, "variance")
    names, points = [], []
    for row in rows:
        colour = _colour(row)
        x, y = max(row["bias"], floor_x), max(row["variance"], floor_y)
        names.append(row["name"])
        points.append((x, y))
        if row["bias_corrected"] is not None:
            u, v = max(row["bias_corrected"], floor_x), max(row["variance_corrected"], floor_y)
            axes.plot([x, u], [y, v], color=colour, linewidth=0.8, alpha=0.5, zorder=1)
            axes.plot(u, v, "o", markerfacecolor="white", markeredgecolor=colour, markersize=7)
        axes.plot(x, y, "o", color=colour, markersize=7, markeredgecolor="white")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(0.14, 0.12)
    axes.grid()
    axes.set_xlabel("bias, relative to the all-negatives gradient")
    axes.set_ylabel("variance of one draw, relative")
    axes.set_title("filled: as trained uncorrected; open: with the correction")
    _label(axes, names, points)
    for at, row in enumerate(reversed(rows)):
        bars.barh(at + 0.19, row["cosine_one"], 0.36, color=_colour(row))
        if row["cosine_one_corrected"] is not None:
            bars.barh(at - 0.19, row["cosine_one_corrected"], 0.36, facecolor="white", edgecolor=_colour(row))
    bars.set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)])
    bars.set_title("cosine of one draw with all negatives")
    bars.set_xlim(min(0.0, *(row["cosine_one"] for row in rows)), 1.0)
    bars.grid(axis="x")
    _legend(figure, rows)
    return figure


def _floor(rows: list[Row], key: str) -> float:
    """Where zeros are put on a logarithmic axis: below the smallest number that is not 0."""
    values = [row[key + ending] for row in rows for ending in ("", "_corrected") if row[key + ending]]
    return min(values, default=1.0) / 3


def speed(rows: list[Row]) -> Figure | None:
    """Negatives a second, time of an epoch, and memory that training adds."""
    rows = [row for row in rows if row["seconds_per_epoch"] is not None]
    if not rows:
        return None
    figure, axes = _new(10.2, 1.2 + 0.3 * len(rows), 3, sharey=True)
    panels = (("negatives_per_second", "negatives drawn per second", True), ("seconds_per_epoch", "seconds per epoch",
              False), ("added_mb", "memory that training adds, MB", False))
    for panel, (key, title, logarithmic) in zip(axes, panels, strict=True):
        for at, row in enumerate(reversed(rows)):
            if row[key] is not None:
                panel.barh(at, row[key], 0.62, color=_colour(row))
        panel.set_title(title)
        panel.grid(axis="x")
        if logarithmic and any(row[key] for row in rows):
            panel.set_xscale("log")
    axes[0].set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)])
    _legend(figure, rows)
    return figure


_FIGURES: dict[str, Callable[[list[Row]], Figure | None]] = {
    "accuracy": accuracy, "tradeoff": tradeoff, "gradient": gradient, "speed": speed,
}
