r"""Samplers of contrastive learning on nodes at equal tuning budgets: probe accuracy, with paired differences.

    python benchmarks/quality/node.py --data Cora                       # six samplers, 8 trials and 10 seeds each
    python benchmarks/quality/node.py --data Cora,CiteSeer --minutes 60 # an hour of it; the same command goes on
    python benchmarks/quality/node.py --quick                           # a minute, to see that everything works

For each data set, method and sampler Optuna proposes `--trials` settings of one space, the same for every sampler: the
method's preset first, then draws by a seed (below ten trials Optuna's TPE draws at random, so all samplers are given
the same). Each trial is trained once with a seed that no reported run has; the accuracy of the probe on validation
nodes chooses. With the settings chosen, each seed is trained, and test nodes are read once a run. The seed decides
initial weights, views and (where the data set has no split of its own) the split, so runs of one seed are paired.

A run that is cut off, or stopped by `--minutes`, goes on where it was: a finished training is a row of a CSV.

Results, in --out: tuning.csv (a row a trial), runs.csv (a row a seed), differences.csv and results.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import torch
from equal_budget import TUNING_SEED, Clock, Space, measure
from rows import Rows
from sampler_report import report

from graphns.commands.node_run import NodeRun
from graphns.compare.specs import parse_list
from graphns.compare.surroundings import machine, versions
from graphns.data import load, spelled
from graphns.data.node import NodeData
from graphns.metrics.probe import fit_probe
from graphns.pipelines import methods
from graphns.pipelines.node import fit

SAMPLERS = "all,uniform,degree,random-walk,hardest,mixture"
SPACE: Space = {
    "temperature": ("float", 0.2, 1.0, False), "learning_rate": ("float", 2e-4, 2e-3, True),
    "drop_edge": ("rates", 0.1, 0.5), "drop_feature": ("rates", 0.0, 0.5), "k": ("choice", (64, 256, 512)),
}


def train(data: NodeData, method: str, sampler: str, options: argparse.Namespace, settings: dict[str, Any],
          seed: int) -> dict[str, Any]:
    """One training and its probe."""
    changes = {**options.set, **settings, "seed": seed}
    if options.epochs is not None:
        changes["epochs"] = options.epochs
    config = methods.find(method).config_class.preset(data.name, **changes)
    run = NodeRun(data.name, method, config, parse_list(sampler)[0])
    start = time.perf_counter()
    # all of them is the method's own reference, which streams where a list of ids would not fit
    result = fit(run.method_class, data, None if sampler == "all" else run.sampler(data), config)
    seconds = time.perf_counter() - start
    probe = fit_probe(result.embeddings, data, options.protocols[data.name], seed)
    return {"accuracy": probe.accuracy, "validation": probe.validation, "strength": probe.strength,
            "loss": result.losses[-1], "epochs": len(result.losses), "seconds": round(seconds, 2)}


def measure_sampler(data: NodeData, method: str, sampler: str, options: argparse.Namespace, tuning: Rows, runs: Rows,
                    clock: Clock) -> None:
    """Tune one sampler under one method, then train every seed."""
    budget = options.budget if data.name not in options.raw else {**options.budget, "raw": True}
    key = {"data": data.name, "method": method, "sampler": sampler, "protocol": options.protocols[data.name],
           "budget": json.dumps(budget, sort_keys=True)}
    known = methods.find(method).config_class.preset(data.name, **options.set).to_dict()
    measure(SPACE, known, options.trials, options.seeds, tuning, runs, key, clock,
            lambda settings, seed: train(data, method, sampler, options, settings, seed))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="Cora,CiteSeer,Computers", type=_words)
    parser.add_argument("--root", default=None, help="where named data sets lie (default: GRAPHNS_DATA)")
    parser.add_argument("--methods", default="grace", type=_words)
    parser.add_argument("--samplers", default=SAMPLERS, type=_words, help="options as name:option=value")
    parser.add_argument("--seeds", default=10, type=int, help="seeds 0, 1, ...")
    parser.add_argument("--trials", default=8, type=int, help="settings tried for each sampler")
    parser.add_argument("--epochs", default=None, type=int, help="default: the method's preset")
    parser.add_argument("--set", default=[], action="append", help="a setting of all runs, as name=value")
    parser.add_argument("--raw", default=[], type=_words, help="data whose rows' features are not divided by their sum")
    parser.add_argument("--minutes", default=None, type=float, help="begin no training after so many")
    parser.add_argument("--threads", default=None, type=int)
    parser.add_argument("--out", default=Path(__file__).parents[1] / "results" / "node", type=Path)
    parser.add_argument("--quick", action="store_true", help="digits, two samplers, trials and seeds: no results")
    options = parser.parse_args(arguments)
    if options.quick:
        options.data, options.samplers, options.trials, options.seeds, options.epochs = ["digits"], [
            "all", "uniform"], 2, 2, 2
    from graphns.commands.run_folder import setting

    options.set = dict(setting(each) for each in options.set)
    options.seeds = list(range(min(options.seeds, TUNING_SEED)))
    options.raw = [spelled(name) for name in options.raw]
    options.samplers = [spec.text for spec in parse_list(",".join(options.samplers))]
    options.budget = {"epochs": options.epochs, **options.set}
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for method in options.methods:
        methods.find(method)
    options.out.mkdir(parents=True, exist_ok=True)
    key = ("data", "method", "sampler", "protocol", "budget")
    tuning = Rows(options.out / "tuning.csv", (*key, "trial", "settings", "validation", "loss", "seconds"))
    runs = Rows(options.out / "runs.csv", (*key, "trials", "seed", "settings", "accuracy", "validation", "strength",
                                           "loss", "epochs", "seconds"))
    clock, options.protocols = Clock(options.minutes), {}
    for name in options.data:
        data = load(name, options.root, normalize=False if spelled(name) in options.raw else None)
        options.protocols[data.name] = "public" if data.train_mask is not None else "random"
        for method in options.methods:
            for sampler in options.samplers:
                measure_sampler(data, method, sampler, options, tuning, runs, clock)
    print(report(options, runs, tuning, {"versions": versions(), "machine": machine()}))
    return 0


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


if __name__ == "__main__":
    raise SystemExit(main())
