"""Results of single runs, gathered into one row a sampler, and as CSV."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

from graphns.compare.layout import BASELINE, Layout
from graphns.compare.statistics import mean_std, paired_difference

Row = dict[str, Any]


def gather(names: list[str], results: dict[str, dict[int, Row]], faults: dict[str, str], layout: Layout) -> list[Row]:
    """One row a name, in the order given. A row has its columns' values, "scores", those of each seed, and "fault".

    A run that is deterministic is held against uniform's runs under every seed.

    Args:
        names: references first, then samplers.
        results: of each name, of each seed, what its run gave.
        faults: why a name was not run, or not to its end.
        layout: of the task.
    """
    scores = {name: {seed: run[layout.score] for seed, run in results.get(name, {}).items()} for name in names}
    theirs = scores.get(BASELINE, {})
    rows = []
    for name in names:
        runs = results.get(name, {})
        row: Row = {"name": name, "fault": faults.get(name, ""), "seeds": len(runs), "scores": scores[name]}
        row.update({column.key: None for column in layout.columns if column.key != "seeds"})
        if runs:
            row.update(_of_runs(list(runs.values()), layout))
            ours = scores[name]
            row[layout.score], row["std"] = mean_std(list(ours.values()))
            if any(run.get("deterministic") for run in runs.values()):
                ours = dict.fromkeys(theirs, row[layout.score])
            if name != BASELINE and ours.keys() & theirs.keys():
                found = paired_difference(ours, theirs)
                row.update(difference=found.mean, low=found.low, high=found.high, verdict=found.verdict)
        rows.append(row)
    return rows


def _of_runs(runs: list[Row], layout: Layout) -> Row:
    row: Row = {"family": runs[0].get("family", "")}
    for key in layout.averaged:
        known = [run[key] for run in runs if run.get(key) is not None]
        row[key] = math.fsum(known) / len(known) if known else None
    for key in ("seconds_per_epoch", "draw_share"):
        values = sorted(run[key] for run in runs if run.get(key) is not None)
        row[key] = values[len(values) // 2] if values else None
    for key in ("peak_mb", "added_mb"):
        row[key] = max((run[key] for run in runs if run.get(key) is not None), default=None)
    audit: Row = next((run["audit"] for run in runs if run.get("audit")), {})
    for key in ("false_negatives", "hardness", "negatives_per_second"):
        row[key] = audit.get(key)
    for part, ending in (("uncorrected", ""), ("corrected", "_corrected")):
        for key, value in (audit.get(part) or {}).items():
            row[key + ending] = value
    row.pop("streams", None)
    row.pop("streams_corrected", None)
    return row


def summary_csv(rows: list[Row], layout: Layout) -> str:
    """The rows as CSV, numbers unrounded."""
    return _csv(["name", *(column.key for column in layout.columns), "fault"], rows)


def results_csv(names: list[str], results: dict[str, dict[int, Row]], layout: Layout) -> str:
    """Every run as CSV: one line a sampler and seed."""
    keys = ["name", "family", "seed", layout.score, *layout.averaged, "loss", "epochs", "seconds_per_epoch",
            "draw_share", "peak_mb", "added_mb"]
    return _csv(keys, [{**run, "name": name, "seed": seed} for name in names
                       for seed, run in sorted(results.get(name, {}).items())])


def _csv(keys: list[str], rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, extrasaction="ignore", lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if value is None or value != value else value for key, value in row.items()})
    return text.getvalue()


def verdicts(rows: list[Row], references: tuple[str, ...]) -> dict[str, list[str]]:
    """The names of each verdict against uniform, samplers only."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["verdict"] and row["name"] not in references:
            found.setdefault(row["verdict"], []).append(row["name"])
    return found
