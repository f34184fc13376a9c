r"""GRACE on PubMed by the loss of all nodes, and by losses that draw: whether accuracy suffers.

    python benchmarks/quality/losses_node.py                 # 200 epochs, one training each: two hours of one core
    python benchmarks/quality/losses_node.py --seeds 3       # goes on: a finished training is in losses.csv
    python benchmarks/quality/losses_node.py --quick         # digits, seconds

The dense form of the loss of all nodes wants four N x N matrices (10.9 GB at this size) and a minute a step;
`streamed` is the same loss and gradient to 1e-5 (tests/objectives/test_streamed_infonce.py) and stands for it here.
Everything else is equal: preset, weights, views, splits. A training is probed on ten random 10/90
splits, the same for every loss.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from published_node import Entry, measure
from rows import Rows

from graphns.compare.statistics import mean_std
from graphns.compare.surroundings import machine, versions
from graphns.data import load

LOSSES: dict[str, tuple[str | None, dict[str, Any]]] = {
    "shared-512": ("shared", {"k": 512}), "own-64": ("uniform", {"k": 64}), "streamed": (None, {}),
}
SPLITS = 10


def report(out: Path, runs: Rows, data: str, epochs: int) -> str:
    """losses.md: accuracy of each loss, and its distance to that of all nodes."""
    lines = [f"# GRACE on {data} by different losses", "",
             f"Accuracy of a linear probe on test nodes, per cent, {epochs} epochs, random 10/90, {SPLITS} "
             "splits a training, mean ± standard deviation over both; differences over the splits and trainings that a "
             "loss has in common with all nodes. "
             + ", ".join(f"{name} {value}" for name, value in versions().items()) + f"; {machine()['processor']}.", "",
             "| loss | negatives | accuracy | trainings | minus all nodes | s a training | peak MB |",
             "|---|---|---|---|---|---|---|"]
    rows = [row for row in runs.rows if (row["data"], row["epochs"]) == (data, str(epochs))]
    accuracies = {loss: {(row["seed"], row["split"]): 100 * float(row["accuracy"]) for row in rows
                         if row["loss"] == loss} for loss in LOSSES}
    for loss, (sampler, settings) in LOSSES.items():
        own = [row for row in rows if row["loss"] == loss]
        if not own:
            continue
        mean, std = mean_std(list(accuracies[loss].values()))
        paired = [accuracies[loss][key] - value for key, value in accuracies["streamed"].items()
                  if key in accuracies[loss]]
        differs = f"{mean_std(paired)[0]:+.2f}" if paired else "–"
        seconds = sum(float(row["seconds"]) for row in own) / len(own)
        negatives = (sampler or "all nodes") + "".join(f", {each}={value}" for each, value in settings.items())
        lines.append(f"| {loss} | {negatives} | {mean:.2f} ± {std:.2f} | {len({row['seed'] for row in own})} | "
                     f"{differs} | {seconds:.0f} | {max(int(row['peak_mb']) for row in own)} |")
    text = "\n".join(lines) + "\n"
    (out / "losses.md").write_text(text)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--losses", default=",".join(LOSSES), help="only these, separated by commas")
    parser.add_argument("--root", default=None, help="where named data sets lie (default: GRAPHNS_DATA)")
    parser.add_argument("--seeds", default=1, type=int)
    parser.add_argument("--threads", default=None, type=int)
    parser.add_argument("--out", default=Path(__file__).parents[1] / "results" / "node-published", type=Path)
    parser.add_argument("--quick", action="store_true", help="digits, two epochs: no results")
    options = parser.parse_args(arguments)
    unknown = set(options.losses.split(",")) - set(LOSSES)
    if unknown:
        parser.error(f"no loss {', '.join(sorted(unknown))}: choose among {', '.join(LOSSES)}")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    name, epochs = ("digits", 2) if options.quick else ("PubMed", 200)
    options.out.mkdir(parents=True, exist_ok=True)
    runs = Rows(options.out / "losses.csv", ("data", "loss", "settings", "seed", "split", "accuracy", "validation",
                                             "strength", "epochs", "seconds", "peak_mb"))
    data = load(name, options.root)
    for seed in range(options.seeds):
        for loss in options.losses.split(","):
            sampler, settings = LOSSES[loss]
            key = {"data": data.name, "loss": loss, "epochs": epochs, "seed": seed}
            if runs.find(**key, split=SPLITS * (seed + 1) - 1) is not None:
                continue
            print(f"{loss}: seed {seed}", file=sys.stderr, flush=True)
            entry = Entry("grace", data.name, "random-10-90", (0.0, 100.0), None, "", sampler, settings, SPLITS)
            for row in measure(data, entry, seed, epochs):
                if runs.find(**key, split=row["split"]) is None:
                    kept = {each: row[each] for each in ("split", "accuracy", "validation", "strength", "seconds",
                                                         "peak_mb")}
                    runs.add(**key, **kept, settings=json.dumps(settings))
    print(report(options.out, runs, data.name, epochs))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
