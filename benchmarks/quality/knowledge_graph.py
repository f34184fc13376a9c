r"""Samplers for knowledge-graph embeddings at equal tuning budgets: filtered link prediction, with paired differences.

    python benchmarks/quality/knowledge_graph.py                  # UMLS, TransE and DistMult, seeds 0 to 4
    python benchmarks/quality/knowledge_graph.py --quick          # a minute, to see that everything works

Every method gets the same list of trials, drawn once from the scorer's grid by a seed: the same number of settings, the
same epochs. Each trial is trained once, with a seed that no reported run has; the filtered MRR of the valid facts
chooses the method's settings; a method with an objective of its own takes that one in place of a trial's. There, and
where a trial's `gap` is read by nothing (a logistic loss of DistMult), trials that differ on the list are the same
training: results.md says how many distinct settings a method had. With the settings chosen it is trained once for every
seed, and test facts are ranked once a run. Seeds pair the runs: a method and `uniform` of one seed share weights, order
of the facts and fair coins, up to their own settings.

Every training goes on until `--patience` validations in a row were not better, so that no method is cut off before it
converged; results.md says how many runs ended by that and how many by `--epochs`, and runs.csv holds each run's curve.
KBGAN is trained as in its paper: both sides first learn alone (`--pretraining` epochs each), then against each other.

A run that is cut off goes on where it stopped: every finished training is a row of a CSV, and rows that are there are
not made again. Methods whose sampler or objective is not in the registry are listed as missing.

Results, in --out: tuning.csv (a row a trial), runs.csv (a row a seed), differences.csv and results.md.
"""

from __future__ import annotations

import argparse
import csv
import inspect
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rows import Rows

from graphns import registry
from graphns.compare.statistics import mean_std, paired_difference
from graphns.data.knowledge_graph import KnowledgeGraph, load_knowledge_graph
from graphns.pipelines.knowledge_graph import KnowledgeGraphResult, build_sampler, train
from graphns.pipelines.knowledge_graph_config import KnowledgeGraphConfig
from graphns.streams import Stream

METRICS = ("mrr", "hits@1", "hits@3", "hits@10", "mean_rank")
TUNING_SEED = 1000  # of the trials' draws and trainings; no reported run has it


@dataclass(frozen=True)
class Method:
    """A way of drawing negatives: the sampler, the side, and the objective if it is part of the method."""

    sampler: str
    side: str = "fair"
    objective: str | None = None
    pretrained: bool = False  # both sides first learn alone

    def missing(self) -> str:
        """What the registry lacks; empty if nothing."""
        for name, kind in ((self.sampler, "sampler"), (self.objective, "objective")):
            try:
                if name is not None:
                    registry.find(name, kind)  # type: ignore[arg-type]
            except registry.UnknownNameError:
                return f"no {kind} {name}"
        return ""


METHODS = {
    "uniform": Method("uniform"),
    "bern": Method("uniform", "bern"),
    "self-adversarial": Method("uniform", "fair", "self-adversarial"),
    "nscaching": Method("nscaching", "bern"),
    "kbgan": Method("kbgan", "bern", pretrained=True),
    "adversarial": Method("adversarial", "bern"),
    "hardest": Method("hardest", "fair"),
    "tempered": Method("tempered", "fair"),
}
DEFAULT_METHODS = "uniform,bern,self-adversarial,nscaching,kbgan"
GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "transe": {"objective": ("margin", "bce"), "gap": (2.0, 4.0, 8.0, 12.0), "learning_rate": (0.003, 0.01, 0.03),
               "norm": (1, 2), "k": (4, 16)},
    "distmult": {"objective": ("margin", "bce"), "gap": (1.0, 2.0, 4.0, 8.0), "learning_rate": (0.003, 0.01, 0.03),
                 "regularization": (0.0, 0.003, 0.03), "k": (4, 16)},
}
"""The settings that trials are drawn from. `gap` is the margin, or for a logistic loss of distances, the offset."""


def trials(scorer: str, number: int) -> list[dict[str, Any]]:
    """The same settings for every method: `number` distinct draws from the grid, by seed."""
    grid = GRIDS[scorer]
    size = 1
    for values in grid.values():
        size *= len(values)
    found: dict[int, dict[str, Any]] = {}
    stream = Stream(TUNING_SEED)
    for attempt in range(50 * number):
        if len(found) == min(number, size):
            break
        code = (stream.at(attempt).key % (1 << 64)) % size
        rest, values = code, {}
        for name, choices in grid.items():
            rest, at = divmod(rest, len(choices))
            values[name] = choices[at]
        found.setdefault(code, values)
    return list(found.values())


def config_of(scorer: str, method: Method, trial: dict[str, Any], options: argparse.Namespace,
              seed: int) -> KnowledgeGraphConfig:
    """The settings of one training."""
    values = dict(trial)
    objective, gap = method.objective or values.pop("objective"), values.pop("gap")
    values.pop("objective", None)
    scorer_options: dict[str, Any] = {"norm": values.pop("norm")} if "norm" in values else {}
    objective_options: dict[str, Any] = {}
    if objective == "margin":
        objective_options["margin"] = gap
    elif scorer == "transe":
        scorer_options["offset"] = gap
    if method.pretrained:
        values |= {"model_pretraining": options.pretraining, "adversary_pretraining": options.pretraining}
    return KnowledgeGraphConfig(
        scorer=scorer, scorer_options=scorer_options, objective=objective, objective_options=objective_options,
        side=method.side, dim=options.dim, batch_size=options.batch_size, epochs=options.epochs,  # type: ignore[arg-type]
        validate_every=options.validate_every, patience=options.patience, seed=seed, **values)


def distinct_settings(scorer: str, method: Method, options: argparse.Namespace) -> int:
    """How many different trainings a method's trials are."""
    made = (config_of(scorer, method, trial, options, TUNING_SEED) for trial in trials(scorer, options.trials))
    return len({json.dumps(config.to_dict(), sort_keys=True) for config in made})


def budget(options: argparse.Namespace) -> str:
    """What all methods share; part of the key of a row, since other epochs or sizes give other rows."""
    return (f"dim={options.dim} batch={options.batch_size} epochs={options.epochs} every={options.validate_every} "
            f"patience={options.patience} pretraining={options.pretraining}")


def run(data: KnowledgeGraph, method: Method, config: KnowledgeGraphConfig) -> KnowledgeGraphResult:
    """One training, its sampler seeded too where it has parameters of its own."""
    cls = registry.load(method.sampler)
    makers = (cls.__init__, getattr(cls, "from_triples", cls.from_graph))
    takes_seed = any("seed" in inspect.signature(maker).parameters for maker in makers)
    sampler = build_sampler(method.sampler, data.train, **({"seed": config.seed} if takes_seed else {}))
    return train(data, sampler, config)


def measure(data: KnowledgeGraph, scorer: str, name: str, options: argparse.Namespace, tuning: Rows,
            runs: Rows) -> None:
    """Tune one method with one scorer, and train it for every seed; what is in the files is not made again."""
    method, found = METHODS[name], []
    key = {"data": data.name, "scorer": scorer, "method": name, "budget": budget(options)}
    for number, trial in enumerate(trials(scorer, options.trials)):
        settings = json.dumps(trial)
        row = tuning.find(**key, settings=settings)
        if row is None:
            say(f"{data.name} {scorer} {name}: trial {number + 1} of {options.trials}, {settings}")
            start = time.perf_counter()
            done = run(data, method, config_of(scorer, method, trial, options, TUNING_SEED))
            row = tuning.add(**key, settings=settings, valid_mrr=done.valid.mrr, epoch=done.epoch,
                             seconds=time.perf_counter() - start)
        found.append(row)
    best = max(found, key=lambda row: float(row["valid_mrr"]))
    for seed in options.seeds:
        if runs.find(**key, trials=options.trials, seed=seed) is not None:
            continue
        say(f"{data.name} {scorer} {name}: seed {seed}, {best['settings']}")
        start = time.perf_counter()
        done = run(data, method, config_of(scorer, method, json.loads(best["settings"]), options, seed))
        runs.add(**key, trials=options.trials, seed=seed, settings=best["settings"], valid_mrr=done.valid.mrr,
                 epoch=done.epoch, epochs_done=len(done.losses), seconds=time.perf_counter() - start,
                 curve=json.dumps([[epoch, round(value, 5)] for epoch, value in done.validation]),
                 **done.test.as_dict())


def report(data: KnowledgeGraph, options: argparse.Namespace, runs: Rows, missing: dict[str, str]) -> str:
    """Write differences.csv and results.md, and give the latter."""
    spent = budget(options)
    lines = [f"# {data.name}: filtered link prediction, {options.trials} trials a method", "",
             f"{len(options.seeds)} seeds, {spent}; ranks realistic, both sides. Differences to uniform are paired by "
             "seed, with Student's 95 % interval. Converged: runs that ended because "
             f"{options.patience} validations in a row were not better, before their epochs were spent.", "",
             "Distinct settings among the trials (an objective of "
             "the method's own, and a gap that no loss reads, make some of them the same training): "
             + "; ".join(f"{scorer} " + ", ".join(
                 f"{name} {distinct_settings(scorer, METHODS[name], options)}"
                 for name in options.methods if name not in missing) for scorer in options.scorers) + ".", ""]
    table = []
    for scorer in options.scorers:
        lines += [f"## {scorer}", "",
                  "| method | MRR | Hits@1 | Hits@10 | MRR − uniform | Hits@10 − uniform | converged "
                  "| epochs, chosen at |",
                  "|---|---|---|---|---|---|---|---|"]
        values = {name: [row for row in runs.rows if (row["data"], row["scorer"], row["method"], row["budget"])
                         == (data.name, scorer, name, spent) and row["trials"] == str(options.trials)
                         and int(row["seed"]) in options.seeds] for name in options.methods}
        for name, rows in values.items():
            if not rows:
                lines.append(f"| {name} | {missing.get(name, 'not run')} | | | | | | |")
                continue
            cells = ["{:.4f} ± {:.4f}".format(*mean_std([float(row[metric]) for row in rows]))
                     for metric in ("mrr", "hits@1", "hits@10")]
            for metric in ("mrr", "hits@10"):
                ours, base = ({int(row["seed"]): float(row[metric]) for row in each}
                              for each in (rows, values.get("uniform", [])))
                if name == "uniform" or not ours.keys() & base.keys():
                    cells.append("")
                    continue
                gap = paired_difference(ours, base)
                cells.append(f"{gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]")
                table.append({"data": data.name, "scorer": scorer, "method": name, "metric": metric, "mean": gap.mean,
                              "low": gap.low, "high": gap.high, "verdict": gap.verdict})
            converged = sum(int(row["epochs_done"]) < options.epochs for row in rows)
            lengths = [statistics.mean(float(row[each]) for row in rows) for each in ("epochs_done", "epoch")]
            cells += [f"{converged} of {len(rows)}", "{:.0f}, {:.0f}".format(*lengths)]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    with (options.out / "differences.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["data", "scorer", "method", "metric", "mean", "low", "high", "verdict"])
        writer.writeheader()
        writer.writerows(table)
    text = "\n".join(lines)
    (options.out / "results.md").write_text(text)
    return text


def say(line: str) -> None:
    """Progress, apart from the results."""
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="UMLS", help="a named knowledge graph, or a folder")
    parser.add_argument("--root", default=None, help="where named ones lie (default: GRAPHNS_DATA)")
    parser.add_argument("--scorers", default="transe,distmult", type=_words)
    parser.add_argument("--methods", default=DEFAULT_METHODS, type=_words, help=f"of {', '.join(METHODS)}")
    parser.add_argument("--seeds", default="0,1,2,3,4", type=lambda text: [int(word) for word in _words(text)])
    parser.add_argument("--trials", default=12, type=int, help="settings tried for each method")
    parser.add_argument("--dim", default=128, type=int)
    parser.add_argument("--batch-size", default=512, type=int)
    parser.add_argument("--epochs", default=500, type=int)
    parser.add_argument("--pretraining", default=100, type=int, help="epochs in which each side of KBGAN learns alone")
    parser.add_argument("--validate-every", default=10, type=int)
    parser.add_argument("--patience", default=10, type=int, help="validations without a better one")
    parser.add_argument("--out", default=Path(__file__).parent / "results" / "knowledge-graph", type=Path)
    parser.add_argument("--quick", action="store_true", help="two trials, two seeds, few epochs: no results")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seeds, options.trials, options.epochs, options.dim = options.seeds[:2], 2, 4, 16
        options.pretraining = 2
    for given, known in ((options.scorers, GRIDS), (options.methods, METHODS)):
        for name in given:
            if name not in known:
                parser.error(f"{name!r} is none of {', '.join(known)}")
    if TUNING_SEED in options.seeds:
        parser.error(f"seed {TUNING_SEED} is the one of the trials; take others")
    options.out.mkdir(parents=True, exist_ok=True)
    data = load_knowledge_graph(options.data, options.root)
    key = ("data", "scorer", "method", "budget")
    tuning = Rows(options.out / "tuning.csv", (*key, "settings", "valid_mrr", "epoch", "seconds"))
    runs = Rows(options.out / "runs.csv",
                (*key, "trials", "seed", "settings", "valid_mrr", "epoch", "epochs_done", *METRICS, "seconds", "curve"))
    missing = {name: why for name in options.methods if (why := METHODS[name].missing())}
    for name, why in missing.items():
        say(f"missing: {name} ({why} in the registry)")
    for scorer in options.scorers:
        for name in options.methods:
            if name not in missing:
                measure(data, scorer, name, options, tuning, runs)
    print(report(data, options, runs, missing))
    return 0


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


if __name__ == "__main__":
    raise SystemExit(main())
