r"""Contrastive methods on nodes beside what their papers report, each under the protocol of its figure.

    python benchmarks/quality/published_node.py                         # everything: hours
    python benchmarks/quality/published_node.py --methods dgi --data Cora --minutes 30
    python benchmarks/quality/published_node.py --quick                 # a minute, to see that everything works

Nothing is tuned here: a method runs with its preset, and with what an entry of `ENTRIES` says beside it. The seed
decides weights, views, draws and, where a protocol draws one, the split. The probe is liblinear's or gradient
descent's: the mean validation accuracy of all trainings of an entry chooses. Test nodes choose
nothing. Tables of different protocols stand apart. A finished training is in runs.csv and is not made again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rows import Rows

from graphns.commands.node_run import NodeRun
from graphns.compare.memory import peak_mb, reset_peak
from graphns.compare.specs import parse
from graphns.compare.statistics import mean_std
from graphns.compare.surroundings import machine, versions
from graphns.data import load
from graphns.data.node import NodeData
from graphns.metrics.probe import CLASSIFIERS, fit_probe
from graphns.pipelines import methods
from graphns.pipelines.node import fit


@dataclass(frozen=True)
class Entry:
    """One published figure, in per cent, and how it is aimed at.

    Args:
        method: by name.
        data: by name.
        protocol: of the probe.
        published: the figure, or the ends of a range.
        within: the distance to it that counts as reached; None: at least the figure.
        source: where the figure stands.
        sampler: None: the method's own.
        settings: beside the preset.
        splits: of each training.
        normalize: whether features are divided by the sum of their row; None: as usual for the data.
    """

    method: str
    data: str
    protocol: str
    published: tuple[float, float]
    within: float | None
    source: str
    sampler: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    splits: int = 1
    normalize: bool | None = None

    def reached(self, accuracy: float) -> bool:
        """Whether a mean accuracy lies in the band."""
        slack = self.within if self.within is not None else 0.0
        below = accuracy >= self.published[0] - slack
        return below and (self.within is None or accuracy <= self.published[1] + slack)


DGI, CCA, GRACE = "DGI, ICLR 2019", "CCA-SSG, NeurIPS 2021", "GRACE, 2020"
SHARED = "shared"
ENTRIES = (
    Entry("dgi", "Cora", "public", (82.3, 82.3), 1.0, DGI),
    Entry("dgi", "CiteSeer", "public", (71.8, 71.8), 1.2, DGI),
    Entry("dgi", "PubMed", "public", (76.8, 76.8), 1.2, DGI),
    Entry("cca-ssg", "Cora", "public", (84.2, 84.2), 1.0, CCA),
    Entry("cca-ssg", "PubMed", "public", (81.6, 81.6), 1.2, CCA),
    Entry("grace", "Cora", "random-10-90", (83.3, 83.3), 1.0, GRACE),
    Entry("grace", "CiteSeer", "random-10-90", (72.1, 72.1), 1.5, GRACE),
    # the authors train for 1,500 epochs: more than an hour of a core each
    Entry("grace", "PubMed", "random-10-90", (86.7, 86.7), 0.8, GRACE, SHARED, {"k": 512, "epochs": 1000}, splits=10),
    Entry("cca-ssg", "Computers", "random-10-10-80", (88.5, 88.5), None, "at least", splits=2),
    Entry("bgrl", "Computers", "random-10-10-80", (88.5, 88.5), None, "at least", splits=2),
    Entry("grace", "Computers", "random-10-10-80", (86.5, 89.5), 0.0, "the range of published tables", SHARED,
          {"k": 512}, splits=2, normalize=False),
    Entry("grace", "Physics", "random-10-10-80", (95.0, 95.0), None, "at least; published tables say out of memory",
          SHARED, {"k": 512}, splits=2),
)


def measure(data: NodeData, entry: Entry, seed: int, epochs: int | None) -> list[dict[str, Any]]:
    """One training, and its probe under each split."""
    changes = {**entry.settings, "seed": seed, **({} if epochs is None else {"epochs": epochs})}
    config = methods.find(entry.method).config_class.preset(data.name, **changes)
    run = NodeRun(data.name, entry.method, config, None if entry.sampler is None else parse(entry.sampler))
    reset_peak()
    start = time.perf_counter()
    result = fit(run.method_class, data, run.sampler(data), config)
    seconds, peak = time.perf_counter() - start, peak_mb()
    found = []
    for number in range(entry.splits):
        split = entry.splits * seed + number
        for classifier in classifiers(entry.protocol):
            probe = fit_probe(result.embeddings, data, entry.protocol, split, classifier=classifier)
            found.append({"split": split, "probe": classifier, "accuracy": probe.accuracy,
                          "validation": probe.validation, "strength": probe.strength, "loss": result.losses[-1],
                          "epochs": len(result.losses), "seconds": round(seconds, 1), "peak_mb": round(peak)})
    return found


def classifiers(protocol: str) -> tuple[str, ...]:
    """The probes that a protocol allows: descent is stopped by validation nodes."""
    return CLASSIFIERS if protocol != "random-10-90" else CLASSIFIERS[:1]


def chosen(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The rows of the probe with the best mean validation accuracy; of equals, the first."""
    kinds = [[row for row in rows if row["probe"] == classifier] for classifier in CLASSIFIERS]
    return max(kinds, key=lambda kind: sum(float(row["validation"]) for row in kind) / max(1, len(kind)))


def report(out: Path, runs: Rows, seeds: int) -> str:
    """results.md: a table a protocol."""
    lines = ["# Methods on nodes beside published figures", "",
             f"Accuracy of a linear probe on test nodes, per cent, mean ± standard deviation; {seeds} trainings, or as "
             "many as stand in the column. Presets, nothing tuned here but the kind of probe, which "
             "validation accuracy chose. " + ", ".join(
                 f"{name} {value}" for name, value in versions().items()) + f"; {machine()['processor']}.", ""]
    for protocol in dict.fromkeys(entry.protocol for entry in ENTRIES):
        table = []
        for entry in ENTRIES:
            rows = [row for row in runs.rows if row["key"] == key_of(entry, None) and int(row["seed"]) < seeds]
            if entry.protocol != protocol or not rows:
                continue
            rows = chosen(rows)
            mean, std = mean_std([100 * float(row["accuracy"]) for row in rows])
            accuracy = f"{mean:.2f} ± {std:.2f}" if len(rows) > 1 else f"{mean:.2f}"
            low, high = entry.published
            figure = f"{low}" if low == high else f"{low}–{high}"
            figure += f" ± {entry.within}" if entry.within else ""
            seconds = sum(float(row["seconds"]) for row in rows) / len(rows)
            features = "" if entry.normalize is None else f", features {'' if entry.normalize else 'not '}normalised"
            table.append(f"| {entry.method} | {entry.data}{features} | {entry.sampler or 'own'} | {rows[0]['probe']} | "
                         f"{accuracy} | {len({row['seed'] for row in rows})}, {len(rows)} | {figure} | "
                         f"{entry.source} | {'yes' if entry.reached(mean) else 'no'} | {rows[0]['epochs']} | "
                         f"{seconds:.0f} | {max(int(row['peak_mb']) for row in rows)} |")
        if table:
            head = ("method", "data", "negatives", "probe", "accuracy", "trainings, splits", "published",
                    "source", "in the band", "epochs", "s a training", "peak MB")
            lines += [f"## Protocol {protocol}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|", *table, ""]
    text = "\n".join(lines)
    (out / "results.md").write_text(text)
    return text


def key_of(entry: Entry, epochs: int | None) -> str:
    """What tells the rows of an entry from those of others."""
    key = [entry.method, entry.data, entry.protocol, entry.sampler, entry.settings, entry.splits, epochs]
    return json.dumps(key if entry.normalize is None else [*key, {"normalize": entry.normalize}])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default=None, help="only these, separated by commas")
    parser.add_argument("--data", default=None, help="only these, separated by commas")
    parser.add_argument("--root", default=None, help="where named data sets lie (default: GRAPHNS_DATA)")
    parser.add_argument("--seeds", default=10, type=int)
    parser.add_argument("--minutes", default=None, type=float, help="begin no training after so many")
    parser.add_argument("--threads", default=None, type=int)
    parser.add_argument("--out", default=Path(__file__).parents[1] / "results" / "node-published", type=Path)
    parser.add_argument("--quick", action="store_true", help="digits, two epochs: no results")
    options = parser.parse_args(arguments)
    epochs, entries = None, [entry for entry in ENTRIES
                             if entry.method in (options.methods or entry.method).split(",")
                             and entry.data in (options.data or entry.data).split(",")]
    if options.quick:
        epochs, options.seeds = 2, 1
        entries = [Entry(name, "digits", "random-10-90", (0.0, 100.0), 0.0, "none") for name in ("grace", "dgi")]
    if not entries:
        parser.error("no entry is left: see ENTRIES for the methods and data")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    runs = Rows(options.out / "runs.csv", ("key", "seed", "split", "probe", "accuracy", "validation", "strength",
                                           "loss", "epochs", "seconds", "peak_mb"))
    end = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    data: dict[tuple[str, bool | None], NodeData] = {}
    for seed in range(options.seeds):
        for entry in entries:
            key = key_of(entry, epochs)
            last = {"split": entry.splits * (seed + 1) - 1, "probe": classifiers(entry.protocol)[-1]}
            if runs.find(key=key, seed=seed, **last) is not None:
                continue
            if end is not None and time.monotonic() >= end:
                break
            if (entry.data, entry.normalize) not in data:
                data[entry.data, entry.normalize] = load(entry.data, options.root, normalize=entry.normalize)
            print(f"{entry.method} {entry.data} {entry.protocol}: seed {seed}", file=sys.stderr, flush=True)
            for row in measure(data[entry.data, entry.normalize], entry, seed, epochs):
                if runs.find(key=key, seed=seed, split=row["split"], probe=row["probe"]) is None:
                    runs.add(key=key, seed=seed, **row)
    print(report(options.out, runs, options.seeds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
