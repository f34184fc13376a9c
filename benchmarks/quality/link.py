r"""Samplers of link prediction at equal tuning budgets: test figures, with paired differences to uniform.

    python benchmarks/quality/link.py                                   # HeaRT CiteSeer, GCN, six samplers
    python benchmarks/quality/link.py --data ogbl-ddi --samplers uniform,hardest,heart --seeds 5 --epochs 50
    python benchmarks/quality/link.py --quick                           # a minute, to see that everything works

For each sampler Optuna proposes `--trials` settings of one space: the preset first, then draws by a seed, the same for
all samplers. Each trial is trained once with a seed that no reported run has; the data's official metric on validation
edges chooses the settings, and in every training the epoch. With the settings chosen, each seed is trained, and test
edges are scored once a run. Seeds pair the runs.

`heart` draws from lists that HeaRT's generator makes of the training graph and the training edges alone: for each end
of an edge, the nodes that resource allocation, personalised PageRank or features call likely.

A run that is cut off, or stopped by `--minutes`, goes on where it was: a finished training is a row of a CSV.

Results, in --out: tuning.csv (a row a trial), runs.csv (a row a seed, with its curve), differences.csv, results.md.
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

from graphns.base import Sampler
from graphns.commands.link_run import LinkRun
from graphns.commands.run_folder import setting
from graphns.compare.link_source import LinkSource
from graphns.compare.specs import parse_list
from graphns.compare.surroundings import machine, versions
from graphns.data.link import LinkData
from graphns.graph.graph import Graph
from graphns.metrics.heart_negatives import heart_negatives
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_prediction import train
from graphns.samplers.static.candidate_lists import CandidateLists

SAMPLERS = "uniform,degree,random-walk,heart,hardest,mixture"
SPACE: Space = {"learning_rate": ("float", 5e-4, 1e-2, True), "dropout": ("float", 0.0, 0.6, False),
                "k": ("choice", (1, 4, 16))}
HEART_SIZE = 50  # candidates that each training edge gives to the lists


def heart_lists(data: LinkData) -> Sampler:
    """Candidates of each node, as HeaRT's generator ranks them for its training edges."""
    drawn = heart_negatives(data.graph, data.train, HEART_SIZE, x=data.x, exclude=data.graph, seed=TUNING_SEED)
    pairs, positive = drawn.flatten(1), data.train.repeat_interleave(drawn.shape[2], dim=1)
    kept = pairs[0] == positive[0]  # the source stayed, or the target did
    anchor = torch.where(kept, pairs[0], pairs[1])
    candidate = torch.where(kept, pairs[1], pairs[0])
    return CandidateLists(data.graph, Graph.from_edge_index(torch.stack([anchor, candidate]), data.num_nodes))


def train_once(data: LinkData, sampler: str, options: argparse.Namespace, lists: dict[str, Sampler],
               settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """One training, and its figures."""
    changes = {**options.set, **settings, "seed": seed}
    if options.epochs is not None:
        changes["epochs"] = options.epochs
    config = LinkConfig.preset(data.name, **changes)
    if sampler == "heart":
        if data.name not in lists:
            lists[data.name] = heart_lists(data)
        drawn = lists[data.name]
    else:
        found = LinkRun(LinkSource(data.name), config, parse_list(sampler)[0]).sampler(data)
        assert found is not None
        drawn = found
    start = time.perf_counter()
    result = train(data, drawn, config)
    seconds = time.perf_counter() - start
    return {"accuracy": result.test.as_dict()[data.metric], "validation": result.valid.as_dict()[data.metric],
            "loss": result.losses[-1], "epochs": len(result.losses), "epoch": result.epoch,
            "seconds": round(seconds, 2), "figures": json.dumps({key: round(value, 5) for key, value
                                                                 in result.test.as_dict().items()}),
            "curve": json.dumps([[epoch, round(value, 5)] for epoch, value in result.validation])}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="heart-citeseer", type=_words)
    parser.add_argument("--root", default=None, help="where named data sets lie (default: GRAPHNS_DATA)")
    parser.add_argument("--evaluation", default=None, help="heart or existing, where the data have both")
    parser.add_argument("--samplers", default=SAMPLERS, type=_words, help="options as name:option=value; heart is ours")
    parser.add_argument("--seeds", default=10, type=int, help="seeds 0, 1, ...")
    parser.add_argument("--trials", default=8, type=int, help="settings tried for each sampler")
    parser.add_argument("--epochs", default=None, type=int, help="default: the preset's")
    parser.add_argument("--set", default=[], action="append", help="a setting of all runs, as name=value")
    parser.add_argument("--minutes", default=None, type=float, help="begin no training after so many")
    parser.add_argument("--threads", default=None, type=int)
    parser.add_argument("--out", default=Path(__file__).parents[1] / "results" / "link", type=Path)
    parser.add_argument("--quick", action="store_true", help="digits, two samplers, trials and seeds: no results")
    options = parser.parse_args(arguments)
    if options.quick:
        options.data, options.samplers, options.trials, options.seeds, options.epochs = ["digits"], [
            "uniform", "heart"], 2, 2, 2
    options.set = dict(setting(each) for each in options.set)
    options.seeds = list(range(min(options.seeds, TUNING_SEED)))
    options.samplers = [name if name == "heart" else parse_list(name)[0].text for name in options.samplers]
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options.out.mkdir(parents=True, exist_ok=True)
    key = ("data", "method", "sampler", "protocol", "budget")
    tuning = Rows(options.out / "tuning.csv", (*key, "trial", "settings", "validation", "loss", "seconds"))
    runs = Rows(options.out / "runs.csv", (*key, "trials", "seed", "settings", "accuracy", "validation", "loss",
                                           "epochs", "epoch", "seconds", "figures", "curve"))
    clock = Clock(options.minutes)
    lists: dict[str, Sampler] = {}
    options.methods = []
    for name in options.data:
        data = LinkSource(name, options.root, options.evaluation).load()
        config = LinkConfig.preset(data.name, **options.set)
        method = f"{config.encoder}-{config.decoder}"
        options.methods.append(method)
        for sampler in options.samplers:
            row = {"data": data.name, "method": method, "sampler": sampler,
                   "protocol": f"{data.setting} negatives, {data.metric}",
                   "budget": json.dumps({"epochs": options.epochs, **options.set}, sort_keys=True)}
            measure(SPACE, config.to_dict(), options.trials, options.seeds, tuning, runs, row, clock,
                    lambda settings, seed, data=data, sampler=sampler: train_once(  # type: ignore[misc]
                        data, sampler, options, lists, settings, seed))
    print(report(options, runs, tuning, {"versions": versions(), "machine": machine()},
                 title="Samplers of link prediction, at equal tuning budgets",
                 figure="the metric named, on test edges,", validated="validation edges", references=("uniform",)))
    return 0


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


if __name__ == "__main__":
    raise SystemExit(main())
