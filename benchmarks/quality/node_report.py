"""The table of samplers on nodes: means, paired differences to `all` and to `uniform`, and what they say together."""

from __future__ import annotations

import argparse
import csv
from typing import Any

from rows import Rows

from graphns.compare.statistics import Difference, mean_std, paired_difference

REFERENCES = ("all", "uniform")


def report(options: argparse.Namespace, runs: Rows, tuning: Rows, surroundings: dict[str, Any]) -> str:
    """Write differences.csv and results.md into the folder of `options`, and give the latter."""
    lines = ["# Samplers on nodes, at equal tuning budgets", "",
             f"{options.trials} trials a sampler on validation nodes, {len(options.seeds)} seeds; probe accuracy on "
             "test nodes in per cent, mean ± standard deviation over seeds. Differences are paired by seed, with "
             "Student's 95 % interval. Budget: what all trainings of a table share, beside the method's preset (null: "
             "the preset's own).", "",
             "Versions: " + ", ".join(f"{name} {value}" for name, value in surroundings["versions"].items())
             + f"; {surroundings['machine']['processor']}.", ""]
    table: list[dict[str, Any]] = []
    winners: dict[str, list[str]] = {}
    for name, method, budget in dict.fromkeys((row["data"], row["method"], row["budget"]) for row in runs.rows):
        rows = [row for row in runs.rows if (row["data"], row["method"], row["budget"], row["trials"])
                == (name, method, budget, str(options.trials)) and int(row["seed"]) in options.seeds]
        if rows and method in options.methods:
            found = _section(name, method, rows, options, table)
            lines += found[0]
            winners[f"{name}, {method}, {budget}"] = found[1]
    lines += ["## Together", ""]
    for where, names in winners.items():
        lines.append(f"- {where}: " + (f"{', '.join(names)} above both all and uniform by more than the interval"
                                       if names else "no sampler is above both all and uniform by more than the "
                                                     "interval"))
    spent = sum(float(row["seconds"]) for row in [*runs.rows, *tuning.rows])
    lines += ["", f"Trainings took {spent / 3600:.1f} hours in all.", ""]
    with (options.out / "differences.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["data", "method", "budget", "sampler", "to", "mean", "low", "high", "seeds",
                                       "verdict"])
        writer.writeheader()
        writer.writerows(table)
    text = "\n".join(lines)
    (options.out / "results.md").write_text(text)
    return text


def _section(name: str, method: str, rows: list[dict[str, str]], options: argparse.Namespace,
             table: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """The table of one data set and method, and the samplers that beat both references."""
    values: dict[str, dict[int, float]] = {}
    for row in rows:
        values.setdefault(row["sampler"], {})[int(row["seed"])] = 100 * float(row["accuracy"])
    lines = [f"## {name}, {method}, protocol {rows[0]['protocol']}", "", f"Budget: `{rows[0]['budget']}`", "",
             "| sampler | accuracy | seeds | − all | − uniform | s a training | settings |",
             "|---|---|---|---|---|---|---|"]
    winners = []
    for sampler in options.samplers:
        if sampler not in values:
            lines.append(f"| {sampler} | not run yet | | | | | |")
            continue
        own = [row for row in rows if row["sampler"] == sampler]
        gaps: dict[str, Difference] = {}
        for other in REFERENCES:
            if other != sampler and values[sampler].keys() & values.get(other, {}).keys():
                gap = gaps[other] = paired_difference(values[sampler], values[other])
                table.append({"data": name, "method": method, "budget": rows[0]["budget"], "sampler": sampler,
                              "to": other, "mean": gap.mean, "low": gap.low, "high": gap.high, "verdict": gap.verdict,
                              "seeds": len(values[sampler].keys() & values[other].keys())})
        cells = ["{:.2f} ± {:.2f}".format(*mean_std(list(values[sampler].values()))), str(len(own))]
        cells += [f"{gaps[other].mean:+.2f} [{gaps[other].low:+.2f}, {gaps[other].high:+.2f}]" if other in gaps else ""
                  for other in REFERENCES]
        cells += [f"{sum(float(row['seconds']) for row in own) / len(own):.1f}", f"`{own[0]['settings']}`"]
        lines.append(f"| {sampler} | {' | '.join(cells)} |")
        if len(gaps) == len(REFERENCES) and all(gap.verdict == "better" for gap in gaps.values()):
            winners.append(sampler)
    return [*lines, ""], winners
