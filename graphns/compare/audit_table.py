"""The numbers of an audit: one row a sampler, its groups, as CSV and on a terminal."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphns.compare.drawn import DEGREES, HOPS
from graphns.compare.held_out import PARTS

Row = dict[str, Any]
NUMBERS = ("draws", "usable", *PARTS, "held_out", "hardness", "hardness_model", "coverage", "entropy")
HEADS = {"train": "train", "val": "validation", "test": "test", "usable": "usable slots",
         "hardness": "hardness (Adamic-Adar)", "hardness_model": "hardness (SVD)", "coverage": "coverage",
         "entropy": "entropy"}
KINDS = {"degree": "degree of the anchor", "hop": "distance of the drawn id"}


def labels(bipartite: bool) -> dict[str, dict[int, str]]:
    """What each bucket of each kind is called; the keys are those of `drawn.measure`."""
    ends = [*(start - 1 for start in DEGREES[1:]), None]
    degree = {number: f"{start}+" if end is None else str(start) if end == start else f"{start}–{end}"
              for number, (start, end) in enumerate(zip(DEGREES, ends, strict=True))}
    hop = {number: str(number) for number in range(HOPS + 1)}
    hop[HOPS + 1] = f"{HOPS + 1 + (bipartite and HOPS % 2 == 1)}+"
    return {"degree": degree, "hop": hop}


def gather(name: str, family: str, runs: list[Row], fault: str) -> Row:
    """Means and standard deviations (n - 1) over the seeds; counts of the groups are added up."""
    row: Row = {"name": name, "family": family, "seeds": len(runs), "fault": fault, "groups": {}}
    for key in NUMBERS:
        values = [run[key] for run in runs if run[key] is not None]
        mean = sum(values) / len(values) if values else None
        row[key] = mean
        row[f"{key}_std"] = (math.sqrt(sum((each - mean) ** 2 for each in values) / (len(values) - 1))
                             if mean is not None and len(values) > 1 else None)
    for run in runs:
        for kind, buckets in run["groups"].items():
            for number, counts in buckets.items():
                into = row["groups"].setdefault(kind, {}).setdefault(number, dict.fromkeys(counts, 0))
                for key, value in counts.items():
                    into[key] += value
    return row


def share(row: Row, kind: str, number: int, keys: tuple[str, ...] = ("val", "test")) -> float | None:
    """Of the draws in a bucket, those that are edges of the parts named; None where there is no draw."""
    counts = row["groups"].get(kind, {}).get(number)
    return None if counts is None else sum(counts[key] for key in keys) / counts["draws"]


def buckets(rows: list[Row], kind: str) -> list[int]:
    """The buckets that hold a draw of any row."""
    return sorted({number for row in rows for number in row["groups"].get(kind, {})})


def summary_csv(rows: list[Row]) -> str:
    """One line a sampler, numbers unrounded."""
    keys = ["name", "family", "seeds", *(key for number in NUMBERS for key in (number, f"{number}_std")), "fault"]
    return _csv(keys, rows)


def results_csv(runs: dict[str, list[Row]]) -> str:
    """One line a sampler and seed."""
    return _csv(["name", "seed", *NUMBERS], [{"name": name, **run} for name, each in runs.items() for run in each])


def groups_csv(rows: list[Row], names: dict[str, dict[int, str]]) -> str:
    """One line a sampler, kind and bucket: draws of all seeds, their share of all draws, and the edges among them."""
    lines = []
    for row in rows:
        for kind, found in row["groups"].items():
            total = sum(counts["draws"] for counts in found.values())
            for number, counts in sorted(found.items()):
                lines.append({"name": row["name"], "kind": kind, "bucket": names[kind][number], **{
                    "draws": counts["draws"], "share_of_draws": counts["draws"] / total,
                    **{part: counts[part] / counts["draws"] for part in PARTS}}})
    return _csv(["name", "kind", "bucket", "draws", "share_of_draws", *PARTS], lines)


def _csv(keys: list[str], rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, extrasaction="ignore", lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if value is None or value != value else value for key, value in row.items()})
    return text.getvalue()


def percent(value: float | None, digits: int = 2, std: float | None = None) -> str:
    """A share as a percentage, small ones with two digits more; a dash for none.

    Example:
        >>> percent(0.0123), percent(0.0000423), percent(0.5, std=0.25), percent(None)
        ('1.23 %', '0.0042 %', '50.00 ± 25.00 %', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    digits += 2 * (0 < 100 * value < 0.1)
    spread = "" if std is None else f" ± {100 * std:.{digits}f}"
    return f"{100 * value:.{digits}f}{spread} %"


def show(rows: list[Row], names: dict[str, dict[int, str]], data: str, sizes: dict[str, int], folder: Path) -> None:
    """The tables on stdout, and where the files are."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=160)
    ran = [row for row in rows if row["seeds"]]
    if ran:
        edges = ", ".join(f"{sizes[part]} {HEADS[part]}" for part in PARTS)
        console.print(Text(f"{data}: what the draws are ({edges} edges)", style="bold"), soft_wrap=True)
        console.print(_summary(ran))
        console.print()
    for kind, title in KINDS.items():
        shown = buckets(ran, kind)
        if shown:
            console.print(Text(f"Held-out edges (validation or test) among the draws, by {title} in the training "
                               "graph; in brackets, the share of the draws there", style="bold"), soft_wrap=True)
            out = _table()
            for number in shown:
                out.add_column(names[kind][number], justify="right")
            for row in ran:
                out.add_row(Text(row["name"]), *(_cell(row, kind, number) for number in shown))
            console.print(out)
            console.print()
    for row in rows:
        if row["fault"]:
            console.print(Text(f"{row['name']}: {row['fault']}"), soft_wrap=True)
    console.print(Text(f"files: {folder}"), soft_wrap=True)


def _summary(rows: list[Row]) -> Table:
    keys = [key for key in HEADS if any(row[key] is not None for row in rows)]
    out = _table()
    for key in keys:
        out.add_column(HEADS[key], justify="right")
    for row in rows:
        cells = [percent(row[key], 2, row[f"{key}_std"]) if key in PARTS else percent(row[key], 1) for key in keys]
        out.add_row(Text(row["name"]), *cells)
    return out


def _table() -> Table:
    out = Table(box=None, pad_edge=False)
    out.add_column("sampler", no_wrap=True)
    return out


def _cell(row: Row, kind: str, number: int) -> str:
    found = row["groups"][kind]
    if number not in found:
        return "–"
    total = sum(counts["draws"] for counts in found.values())
    return f"{percent(share(row, kind, number))} ({100 * found[number]['draws'] / total:.0f} %)"
