"""The figure of an audit, as PNG and SVG: what the draws are, where the held-out edges lie, how hard and how wide."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphns.compare.audit_table import KINDS, Row, buckets, share
from graphns.compare.figures import COLOURS, STYLE
from graphns.compare.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, as in the other figures; a mark of its own for each, so that grey print tells them apart
_MARKS = {"train": ("training edges", "#888888", "s"), "val": ("validation edges", "#0072B2", "o"),
          "test": ("test edges", "#D55E00", "D")}
_SPREAD = {"hardness": ("hardness, Adamic-Adar", "#009E73", "o"), "hardness_model": ("hardness, SVD", "#CC79A7", "D"),
           "coverage": ("coverage", "#0072B2", "s"), "entropy": ("entropy", "#B8860B", "^")}
_LEGEND = 34  # points: two lines of a legend


def draw(rows: list[Row], names: dict[str, dict[int, str]], folder: Path) -> None:
    """Write audit.png and audit.svg into `folder`; where no sampler ran, those of an earlier audit go."""
    import matplotlib

    ran = [row for row in rows if row["seeds"]]
    if not ran:
        for kind in ("png", "svg"):
            (folder / f"audit.{kind}").unlink(missing_ok=True)
        return
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "audit"}):
        figure = _figure(ran, names)
        with replacing(folder / "audit.png") as path:
            figure.savefig(path, dpi=160, metadata={"Software": None})
        with replacing(folder / "audit.svg") as path:
            figure.savefig(path, metadata={"Date": None, "Creator": None})


def _figure(rows: list[Row], names: dict[str, dict[int, str]]) -> Figure:
    # a Figure of its own, not pyplot's: no global state, no window, nothing to close
    from matplotlib.figure import Figure

    rows = rows[::-1]  # the first row on top
    shown = {kind: buckets(rows, kind) for kind in KINDS}
    wide = [0.55 * max(3, len(shown[kind])) + 0.3 for kind in KINDS]
    figure = Figure(figsize=(8.2 + sum(wide), 1.9 + 0.36 * len(rows)), layout="constrained")
    axes = figure.subplots(1, 4, sharey=True, width_ratios=[3.2, *wide, 3.2])
    _dots(axes[0], rows, _MARKS, "of the draws, %", with_std=True)
    axes[0].set_title("What the draws are", pad=_LEGEND)
    most = max((found for row in rows for kind in KINDS for number in shown[kind]
                if (found := share(row, kind, number)) is not None), default=0.0)
    for panel, (kind, title) in zip(axes[1:3], KINDS.items(), strict=True):
        _heat(panel, rows, kind, shown[kind], names[kind], most)
        panel.set_xlabel(title)
    axes[1].set_title("Held-out edges among the draws, %")
    _dots(axes[3], rows, _SPREAD, "%", with_std=False)
    axes[3].set_xlim(-4, 104)
    axes[3].set_title("How hard, how wide", pad=_LEGEND)
    axes[0].set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes[0].set_ylim(-0.6, len(rows) - 0.4)
    for label, row in zip(axes[0].get_yticklabels(), rows, strict=True):
        label.set_color(COLOURS.get(row["family"], COLOURS["third party"]))
    return figure


def _dots(axes: Axes, rows: list[Row], marks: dict[str, tuple[str, str, str]], unit: str, with_std: bool) -> None:
    for place, (key, (label, colour, mark)) in enumerate(marks.items()):
        points = [(row, at) for at, row in enumerate(rows) if row[key] is not None and not math.isnan(row[key])]
        # a little apart, so that equal numbers do not hide one another
        height = [at + 0.14 * ((len(marks) - 1) / 2 - place) for _, at in points]
        std: Any = [100 * (row[f"{key}_std"] or 0.0) for row, _ in points] if with_std else None
        if points:
            axes.errorbar([100 * row[key] for row, _ in points], height, xerr=std, fmt=mark, color=colour, label=label,
                          markersize=5, elinewidth=1.2)
    axes.grid(axis="x")
    axes.set_xlabel(unit)
    if with_std:
        axes.set_xlim(left=-0.03 * max(axes.get_xlim()[1], 0.1))
    # between the axes and their title, which stands so much higher
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8, borderaxespad=0.2,
                handletextpad=0.3, columnspacing=0.8)


def _heat(axes: Axes, rows: list[Row], kind: str, shown: list[int], names: dict[int, str], most: float) -> None:
    found = [[share(row, kind, number) for number in shown] for row in rows]
    table: Any = [[math.nan if each is None else 100 * each for each in line] for line in found]
    axes.imshow(table, cmap="Blues", vmin=0, vmax=max(100 * most, 1e-9), aspect="auto", origin="lower")
    for at, line in enumerate(found):
        for place, each in enumerate(line):
            dark = each is not None and most > 0 and each > 0.6 * most
            axes.text(place, at, "–" if each is None else _short(100 * each), ha="center", va="center", fontsize=7.5,
                      color="white" if dark else "#333333")
    axes.set_xticks(range(len(shown)), [names[number] for number in shown], fontsize=8)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _short(value: float) -> str:
    """Two digits or so: what fits a cell."""
    return "0" if value == 0 else f"{value:.2g}" if value < 10 else f"{value:.0f}"
