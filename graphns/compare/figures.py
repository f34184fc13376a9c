"""The figures of a comparison, each as PNG and SVG; colours keep the families apart for colour-blind eyes too."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphns.compare.columns import rate
from graphns.compare.files import replacing, write_text
from graphns.compare.layout import Layout
from graphns.compare.table import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette
COLOURS = {"static": "#0072B2", "dynamic": "#D55E00", "adversarial": "#CC79A7", "efficient": "#009E73",
           "compose": "#B8860B", "third party": "#56B4E9", "reference": "#888888"}
STYLE: Any = {"font.size": 9.5, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "path",
          "axes.axisbelow": True, "grid.color": "#e6e6e6", "grid.linewidth": 0.8, "figure.dpi": 100,
          "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left"}


def draw(rows: list[Row], folder: Path, layout: Layout) -> dict[str, str]:
    """Write every figure of `layout.captions` that has data; gives each one's SVG, fit to stand in an HTML page."""
    import matplotlib

    folder.mkdir(exist_ok=True)
    found = {}
    ran = [row for row in rows if row[layout.score] is not None]
    for name in layout.captions:
        with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
            figure = _FIGURES[name](ran, layout)
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


def score(rows: list[Row], layout: Layout) -> Figure | None:
    """What rows are compared by, each seed and the mean; and the paired difference to uniform with its interval."""
    if not rows:
        return None
    paired = any(row["low"] is not None and not math.isnan(row["low"]) for row in rows)
    figure, axes = _new(9.6 if paired else 6.4, 1.1 + 0.34 * len(rows), 1 + paired, sharey=True, squeeze=False)
    left, right = axes[0][0], axes[0][-1]
    for at, row in enumerate(reversed(rows)):
        colour, values = _colour(row), [100 * value for value in row["scores"].values()]
        left.plot(values, [at] * len(values), "o", color=colour, alpha=0.55, markersize=5, markeredgewidth=0)
        left.plot(100 * row[layout.score], at, "|", color="#222222", markersize=13, markeredgewidth=2)
        if paired and row["difference"] is not None:
            right.plot([100 * row["low"], 100 * row["high"]], [at, at], color=colour, linewidth=2.2)
            right.plot(100 * row["difference"], at, "D", color=colour, markersize=6, markeredgecolor="white")
    left.set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)])
    left.set_xlabel(f"test {layout.title}, % (dots: seeds; bar: mean)")
    left.grid(axis="x")
    if paired:
        right.axvline(0, color=COLOURS["static"], linewidth=0.9, linestyle="--", zorder=0)
        right.set_xlabel("paired difference to uniform, points, with 95 % interval")
        right.grid(axis="x")
    _legend(figure, rows)
    return figure


def tradeoff(rows: list[Row], layout: Layout) -> Figure | None:
    """What rows are compared by, against the share of false negatives, and against hardness."""
    rows = [row for row in rows if row["false_negatives"] is not None or row["hardness"] is not None]
    if not rows:
        return None
    figure, axes = _new(9.2, 4.1, 2, sharey=True)
    _scatter(axes[0], [row for row in rows if row["false_negatives"] is not None], "false_negatives",
             layout.score)
    _scatter(axes[1], [row for row in rows if row["hardness"] is not None], "hardness", layout.score)
    axes[0].set_xlabel(f"drawn negatives {layout.false_negatives}, %")
    axes[1].set_xlabel("hardness: candidates scored below the drawn one, %")
    axes[0].set_ylabel(f"test {layout.title}, %")
    _legend(figure, rows)
    return figure


def _scatter(axes: Axes, rows: list[Row], key: str, score_key: str) -> None:
    axes.margins(0.25, 0.15)
    axes.grid()
    points = [(100 * row[key], 100 * row[score_key]) for row in rows]
    for row, (x, y) in zip(rows, points, strict=True):
        axes.plot(x, y, "o", color=_colour(row), markersize=7, markeredgecolor="white")
    _label(axes, [row["name"] for row in rows], points)


def _label(axes: Axes, names: list[str], points: list[tuple[float, float]],
           others: list[tuple[float, float]] | None = None) -> None:
    """Names beside their points, each where it hides least of points and `others`; a line leads to those far off."""
    axes.get_figure(root=True).draw_without_rendering()  # type: ignore[union-attr]  # it stands in one
    shown = axes.transData.transform(points)
    marks = axes.transData.transform([*points, *(others or [])])
    taken = [(x - 5.0, y - 5.0, x + 5.0, y + 5.0) for x, y in marks]
    frame, pixels = axes.get_window_extent(), 100 / 72  # at the 100 dots per inch of a figure not yet saved
    for name, (x, y) in zip(names, shown, strict=True):
        width, best, least = 6.3 * len(name), None, math.inf
        for far, dx, dy in _PLACES:
            middle = x + (dx > 0) * (width / 2 + 10 * dx) - (dx < 0) * (width / 2 - 10 * dx)
            low = y + dy * pixels
            box = (middle - width / 2, low - 6, middle + width / 2, low + 7)
            hidden = far + sum(max(0.0, min(box[2], b[2]) - max(box[0], b[0]))
                               * max(0.0, min(box[3], b[3]) - max(box[1], b[1])) for b in taken)
            hidden += 50 * (max(0.0, frame.x0 - box[0]) + max(0.0, box[2] - frame.x1)
                            + max(0.0, frame.y0 - box[1]) + max(0.0, box[3] - frame.y1))
            if hidden < least:
                best, least = (middle, low, far, box), hidden
        assert best is not None
        taken.append(best[3])
        line: Any = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
        at, place = axes.transData.inverted().transform([(x, y), best[:2]])
        axes.annotate(name, tuple(at), tuple(place), ha="center", va="center", fontsize=8, color="#333333",
                      arrowprops=line if best[2] else None)


# (cost, direction, points upwards) of a name's middle: beside the point first, then further off
_PLACES = [(0, 1, 0), (0, -1, 0), (0, 0, 11), (0, 0, -11), *(
    (4 + abs(dy) / 4, dx, dy) for dy in (14, -14, 26, -26, 38, -38, 50, -50, 62, -62) for dx in (2, -2))]


def gradient(rows: list[Row], layout: Layout) -> Figure | None:
    """Bias and variance of each sampler's gradient, uncorrected and corrected, and the cosine of one draw's."""
    rows = [row for row in rows if row["bias"] is not None]
    if not rows:
        return None
    figure, (axes, dots) = _new(10.2, 4.6, 2, width_ratios=(1.35, 1))
    floor_x, floor_y = _floor(rows, "bias"), _floor(rows, "variance")
    names: list[str] = []
    points: list[tuple[float, float]] = []
    corrected: list[tuple[float, float]] = []
    for row in rows:
        colour = _colour(row)
        x, y = max(row["bias"], floor_x), max(row["variance"], floor_y)
        names.append(row["name"])
        points.append((x, y))
        if row["bias_corrected"] is not None:
            u, v = max(row["bias_corrected"], floor_x), max(row["variance_corrected"], floor_y)
            corrected.append((u, v))
            axes.plot([x, u], [y, v], color=colour, linewidth=0.8, alpha=0.5, zorder=1)
            axes.plot(u, v, "o", markerfacecolor="white", markeredgecolor=colour, markersize=7)
        axes.plot(x, y, "o", color=colour, markersize=7, markeredgecolor="white")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(0.2, 0.15)
    axes.grid()
    axes.set_xlabel("bias, relative to the all-negatives gradient")
    axes.set_ylabel("variance of one draw, relative")
    axes.set_title("filled: uncorrected; open: corrected")
    _label(axes, names, points, corrected)
    for at, row in enumerate(reversed(rows)):
        for ending, face, shift in (("", _colour(row), 0.0), ("_corrected", "white", -0.3)):
            cosine = row["cosine_one" + ending]
            if cosine is not None:
                dots.plot(max(1 - cosine, 1e-7), at + shift, "o", markerfacecolor=face, markeredgecolor=_colour(row),
                          markersize=7)
    dots.set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)])
    dots.set_title("1 - cosine of one draw with all negatives")
    dots.set_xscale("log")
    dots.grid()
    _legend(figure, rows)
    return figure


def _floor(rows: list[Row], key: str) -> float:
    """Where zeros are put on a logarithmic axis: below the smallest number that is not 0."""
    values = [row[key + ending] for row in rows for ending in ("", "_corrected") if row[key + ending]]
    return min(values, default=1.0) / 3


def speed(rows: list[Row], layout: Layout) -> Figure | None:
    """Negatives a second, time of an epoch, and memory that training adds."""
    rows = [row for row in rows if row["seconds_per_epoch"] is not None]
    if not rows:
        return None
    figure, axes = _new(10.2, 1.2 + 0.3 * len(rows), 3, sharey=True)
    panels = (("negatives_per_second", "negatives drawn per second", True), ("seconds_per_epoch", "seconds per epoch",
              False), ("added_mb", "memory that training adds, MB", False))
    for panel, (key, title, logarithmic) in zip(axes, panels, strict=True):
        for at, row in enumerate(reversed(rows)):
            if row[key] is not None and logarithmic:  # a bar has no honest length where the axis has no zero
                panel.plot(row[key], at, "o", color=_colour(row), markersize=8)
            elif row[key] is not None:
                panel.barh(at, row[key], 0.62, color=_colour(row))
        panel.set_title(title)
        panel.grid(axis="x")
        values = [row[key] for row in rows if row[key]]
        if logarithmic and values:
            panel.set_xscale("log")
            if max(values) < 100 * min(values):
                _few_ticks(panel)
    axes[0].set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)])
    _legend(figure, rows)
    return figure


def _few_ticks(axes: Axes) -> None:
    """Numbers that a short logarithmic axis has room for; matplotlib writes one at each of its minor ticks."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: rate(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


_FIGURES: dict[str, Callable[[list[Row], Layout], Figure | None]] = {
    "accuracy": score, "metric": score, "tradeoff": tradeoff, "gradient": gradient, "speed": speed,
}
