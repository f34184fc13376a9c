"""Results of single runs, gathered into one row a sampler; what each column is called, holds and means."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphns.compare.settings import REFERENCES
from graphns.compare.statistics import mean_std, paired_difference

Row = dict[str, Any]
BASELINE = "uniform"


@dataclass(frozen=True)
class Column:
    """One column of the tables.

    Args:
        key: its name in the rows and in the CSV.
        title: its heading.
        group: the table it stands in: "quality", "gradient" or "cost".
        meaning: one sentence for the report.
        show: how a value is written.
    """

    key: str
    title: str
    group: str
    meaning: str
    show: Callable[[Any], str]


def _number(pattern: str, factor: float = 1.0) -> Callable[[Any], str]:
    def show(value: Any) -> str:
        return "–" if value is None or math.isnan(value) else pattern.format(value * factor)

    return show


def _word(value: Any) -> str:
    return "–" if value in (None, "") else str(value)


def _rate(value: Any) -> str:
    if value is None or math.isnan(value):
        return "–"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"


_percent = _number("{:.1f} %", 100)
_points = _number("{:+.2f}", 100)
_small = _number("{:.3g}")
_cosine = _number("{:.4f}")

COLUMNS: tuple[Column, ...] = (
    Column("family", "family", "quality", "The family of the method.", _word),
    Column("seeds", "seeds", "quality", "Runs that finished.", _word),
    Column("accuracy", "accuracy", "quality",
           "Test accuracy of a linear probe on the frozen embeddings, mean over seeds; its regularisation is chosen on "
           "the validation nodes.", _percent),
    Column("std", "± std", "quality", "Standard deviation over seeds (n - 1), in percentage points.",
           _number("{:.2f}", 100)),
    Column("difference", "vs uniform", "quality",
           "Mean paired difference to uniform with the same seeds, in percentage points.", _points),
    Column("low", "95 % from", "quality", "Lower end of the difference's 95 % interval (paired t over seeds).",
           _points),
    Column("high", "to", "quality", "Upper end of that interval.", _points),
    Column("verdict", "verdict", "quality",
           "'no difference' where the interval covers 0; 'better' or 'worse' where it does not; 'no interval' with one "
           "seed.", _word),
    Column("false_negatives", "false neg.", "quality",
           "Share of drawn negatives that are of the anchor's class (labels are used to measure, never to draw).",
           _percent),
    Column("hardness", "hardness", "quality",
           "Mean share of all candidates that the frozen model scores below the drawn one: 50 % is what indifferent "
           "draws have, 100 % the hardest.", _percent),
    Column("bias", "bias", "gradient",
           "Length of (expected gradient - all-negatives gradient), over the latter's length; Monte-Carlo noise of the "
           "mean is taken out.", _small),
    Column("variance", "variance", "gradient",
           "Expected squared distance of one draw's gradient from its expectation, over the squared length of the "
           "all-negatives gradient.", _small),
    Column("cosine", "cosine", "gradient", "Cosine of the mean gradient with the all-negatives gradient.", _cosine),
    Column("cosine_one", "one draw", "gradient", "The same for one draw's gradient, on average.", _cosine),
    Column("noise", "noise", "gradient", "Standard error of the mean gradient: a bias below it is not told from 0.",
           _small),
    Column("bias_corrected", "bias, corrected", "gradient",
           "Bias with the log-probability correction, s - log(k q); only where the sampler's density is marginal.",
           _small),
    Column("variance_corrected", "variance, c.", "gradient", "Variance with the correction.", _small),
    Column("cosine_corrected", "cosine, c.", "gradient", "Cosine of the mean gradient with the correction.", _cosine),
    Column("cosine_one_corrected", "one draw, c.", "gradient", "Mean cosine of one draw's with the correction.",
           _cosine),
    Column("noise_corrected", "noise, c.", "gradient", "Standard error of the mean gradient with the correction.",
           _small),
    Column("negatives_per_second", "negatives/s", "cost",
           "Usable (anchor, negative) pairs that drawing alone gives in a second, model scores included where a "
           "sampler reads them.", _rate),
    Column("seconds_per_epoch", "s/epoch", "cost", "Median wall time of a training epoch, the first left out.", _small),
    Column("draw_share", "of it drawing", "cost", "Share of the training time that drawing took.", _percent),
    Column("peak_mb", "peak MB", "cost", "Peak resident memory of the training process.", _number("{:.0f}")),
    Column("added_mb", "of it training", "cost",
           "Peak memory above what the process held before training, libraries and data loaded.", _number("{:.0f}")),
)
GROUPS = {"quality": "What it learns", "gradient": "Its gradient against that of all negatives",
          "cost": "What it costs"}


def gather(names: list[str], results: dict[str, dict[int, Row]], faults: dict[str, str]) -> list[Row]:
    """One row a name, in the order given.

    Args:
        names: references first, then samplers.
        results: of each name, of each seed, what its run gave.
        faults: why a name was not run, or not to its end.
    """
    accuracies = {name: {seed: run["accuracy"] for seed, run in results.get(name, {}).items()} for name in names}
    rows = []
    for name in names:
        runs = results.get(name, {})
        row: Row = {"name": name, "fault": faults.get(name, ""), "seeds": len(runs), "accuracies": accuracies[name]}
        row.update({column.key: None for column in COLUMNS if column.key != "seeds"})
        if runs:
            row.update(_of_runs(list(runs.values())))
            row["accuracy"], row["std"] = mean_std(list(accuracies[name].values()))
            if name != BASELINE and accuracies[name].keys() & accuracies.get(BASELINE, {}).keys():
                found = paired_difference(accuracies[name], accuracies[BASELINE])
                row.update(difference=found.mean, low=found.low, high=found.high, verdict=found.verdict)
        rows.append(row)
    return rows


def _of_runs(runs: list[Row]) -> Row:
    row: Row = {"family": runs[0].get("family", "")}
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


def summary_csv(rows: list[Row]) -> str:
    """The rows as CSV, numbers unrounded."""
    return _csv(["name", *(column.key for column in COLUMNS), "fault"], rows)


def results_csv(names: list[str], results: dict[str, dict[int, Row]]) -> str:
    """Every run as CSV: one line a sampler and seed."""
    keys = ["name", "family", "seed", "accuracy", "loss", "epochs", "seconds_per_epoch", "draw_share", "peak_mb",
            "added_mb"]
    return _csv(keys, [{**run, "name": name, "seed": seed} for name in names
                       for seed, run in sorted(results.get(name, {}).items())])


def _csv(keys: list[str], rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, extrasaction="ignore", lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if value is None or value != value else value for key, value in row.items()})
    return text.getvalue()


def verdicts(rows: list[Row]) -> dict[str, list[str]]:
    """The names of each verdict against uniform, samplers only."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["verdict"] and row["name"] not in REFERENCES:
            found.setdefault(row["verdict"], []).append(row["name"])
    return found
