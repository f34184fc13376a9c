"""The table of samplers at equal budgets: means, paired differences to references, and what they say together."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from typing import Any

from rows import Rows

from graphns.compare.statistics import Difference, mean_std, paired_difference

REFERENCES = ("all", "uniform")


def report(options: argparse.Namespace, runs: Rows, tuning: Rows, surroundings: dict[str, Any], *,
           title: str = "Samplers on nodes, at equal tuning budgets", figure: str = "probe accuracy on test nodes",
           validated: str = "validation nodes", references: Sequence[str] = REFERENCES) -> str:
    """Write differences.csv and results.md into the folder of `options`, and give the latter."""
    lines = [f"# {title}", "",
             f"{options.trials} trials a sampler on {validated}, {len(options.seeds)} seeds; {figure} in per cent, "
             "mean ± standard deviation over seeds. Differences are paired by seed, with "
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
            found = _section(name, method, rows, options, table, references)
            lines += found[0]
            winners[f"{name}, {method}, {budget}"] = found[1]
    lines += ["## Together", ""]
    both = " and ".join(["both " * (len(references) > 1) + references[0], *references[1:]])
    for where, names in winners.items():
        lines.append(f"- {where}: {', '.join(names) or 'no sampler is'} above {both} by more than the interval")
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
             table: list[dict[str, Any]], references: Sequence[str]) -> tuple[list[str], list[str]]:
    """The table of one data set and method, and the samplers that beat both references."""
    values: dict[str, dict[int, float]] = {}
    for row in rows:
        values.setdefault(row["sampler"], {})[int(row["seed"])] = 100 * float(row["accuracy"])
    against = " | ".join(f"− {other}" for other in references)
    lines = [f"## {name}, {method}, protocol {rows[0]['protocol']}", "", f"Budget: `{rows[0]['budget']}`", "",
             f"| sampler | mean ± deviation | seeds | {against} | s a training | settings |",
             "|---" * (5 + len(references)) + "|"]
    winners = []
    for sampler in options.samplers:
        if sampler not in values:
            lines.append(f"| {sampler} | not run yet |" + " |" * (3 + len(references)))
            continue
        own = [row for row in rows if row["sampler"] == sampler]
        gaps: dict[str, Difference] = {}
        for other in references:
            if other != sampler and values[sampler].keys() & values.get(other, {}).keys():
                gap = gaps[other] = paired_difference(values[sampler], values[other])
                table.append({"data": name, "method": method, "budget": rows[0]["budget"], "sampler": sampler,
                              "to": other, "mean": gap.mean, "low": gap.low, "high": gap.high, "verdict": gap.verdict,
                              "seeds": len(values[sampler].keys() & values[other].keys())})
        cells = ["{:.2f} ± {:.2f}".format(*mean_std(list(values[sampler].values()))), str(len(own))]
        cells += [f"{gaps[other].mean:+.2f} [{gaps[other].low:+.2f}, {gaps[other].high:+.2f}]" if other in gaps else ""
                  for other in references]
        cells += [f"{sum(float(row['seconds']) for row in own) / len(own):.1f}", f"`{own[0]['settings']}`"]
        lines.append(f"| {sampler} | {' | '.join(cells)} |")
        if len(gaps) == len(references) and all(gap.verdict == "better" for gap in gaps.values()):
            winners.append(sampler)
    return [*lines, ""], winners
