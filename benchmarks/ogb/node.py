r"""ogbn-arxiv and ogbn-products as OGB's leaderboards ask: ten runs, official split and evaluator, mean and deviation.

    python benchmarks/ogb/node.py --sampler shared                          # ogbn-arxiv, GRACE, 256 shared negatives
    python benchmarks/ogb/node.py --dataset ogbn-products --sampler shared \
        --set num_neighbors=[10,10] --set batch_size=1024

Each run trains a method on the graph without labels, freezes the embeddings, trains a classifier on the train nodes,
and tests after every epoch; the test accuracy that counts is that of the epoch of the best validation accuracy.
The run r, from 0, has the seed `--seed` + r: of weights, views, draws and dropout. The classifier's arguments have the
names and defaults of OGB's example for ogbn-arxiv (nodeproppred/arxiv/mlp.py).

Without `--sampler` a method draws as published. GRACE then compares every two nodes, 3e10 pairs a step on ogbn-arxiv
and 6e12 on ogbn-products: name a sampler.

GRACE with `--sampler shared` took 3.1 GB at its peak on a random graph of ogbn-arxiv's size and 4.3 GB at a tenth of
ogbn-products' (on the CPU, hidden_size=128), so all of ogbn-products' 2.4 million nodes and 62 million edges want about
40 GB. `--set num_neighbors` makes steps of mini-batches; what then remains are the graph, the features (1 GB), and one
pass of the encoder over all nodes, without gradient.

Files, with `--out results.csv`: results.csv, a row a finished run; results.json, what was asked, versions, the number
of parameters and the statistics; results/run-01 and so on, checkpoints. The same command goes on where one was cut
off; more `--runs` are added to those that are there.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NoReturn

import torch
from logger import FIGURES, Logger, Score
from mlp import MLP, train_epochs

from graphns.adapters.ogb.node import NAMES, accuracy, read_node
from graphns.commands.node_run import NodeRun
from graphns.commands.run_folder import setting
from graphns.compare.files import read_json, write_json, write_text
from graphns.compare.surroundings import machine, versions
from graphns.data.files import node_data
from graphns.data.named import default_root
from graphns.data.node import NodeData
from graphns.pipelines.node import fit

FIELDS = ("run", "seed", *FIGURES, "epoch", "pretrain_epochs", "loss", "pretrain_seconds", "probe_seconds",
          "method_parameters", "sampler_parameters", "probe_parameters")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Hand the message on."""
        raise ValueError(message)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", type=int, default=0, help="number of the GPU; -1, or without one: the CPU")
    parser.add_argument("--log_steps", type=int, default=1, help="epochs between lines")
    parser.add_argument("--num_layers", type=int, default=3, help="of the classifier")
    parser.add_argument("--hidden_channels", type=int, default=256, help="of the classifier")
    parser.add_argument("--dropout", type=float, default=0.5, help="of the classifier")
    parser.add_argument("--lr", type=float, default=0.01, help="of the classifier")
    parser.add_argument("--epochs", type=int, default=500, help="of the classifier")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--dataset", default="ogbn-arxiv", help=", ".join(NAMES))
    parser.add_argument("--root", type=Path, default=None, help="holds the data sets (default: GRAPHNS_DATA)")
    parser.add_argument("--meta_dict", type=Path, default=None, help="a data set in OGB's format that is not OGB's: "
                                                                     "the meta_dict.pt of ogb.io.DatasetSaver")
    parser.add_argument("--evaluator", default=None, choices=NAMES, help="whose evaluator (default: the data set's)")
    parser.add_argument("--method", default="grace", help="grace, ...; an unknown name lists them")
    parser.add_argument("--sampler", default=None, help="negatives: a name, options as name:option=value")
    parser.add_argument("--pretrain_epochs", type=int, default=None, help="of the method (default: its own)")
    parser.add_argument("--set", default=[], action="append", help="a setting of the method as name=value")
    parser.add_argument("--use_features", action="store_true", help="classify embeddings and features side by side")
    parser.add_argument("--probe", choices=("mlp", "linear"), default="mlp", help="linear: one layer, no dropout")
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument("--out", type=Path, default=None, help="a .csv file (default: DATASET-METHOD.csv)")
    options = parser.parse_args(arguments)
    for name, least in (("device", -1), ("log_steps", 1), ("num_layers", 2), ("hidden_channels", 1), ("epochs", 1),
                        ("runs", 1)):
        if getattr(options, name) < least:
            raise ValueError(f"--{name} must be at least {least}, got {getattr(options, name)}")
    if not 0 <= options.dropout < 1:
        raise ValueError(f"--dropout must be in [0, 1), got {options.dropout}")
    if not 0 < options.lr < float("inf"):
        raise ValueError(f"--lr must be above 0, got {options.lr}")
    if any(setting(each)[0] == "seed" for each in options.set):
        raise ValueError("each run has a seed of its own: give the first one's by --seed, not by --set")
    options.out = Path(f"{options.dataset}-{options.method}.csv") if options.out is None else options.out
    if options.out.suffix != ".csv":
        raise ValueError(f"--out must end in .csv, got {options.out}")
    options.root = default_root() if options.root is None else options.root.expanduser()
    options.evaluator = options.evaluator or options.dataset
    if options.evaluator not in NAMES:
        raise ValueError(f"there is no evaluator of {options.dataset}: name another's by --evaluator, of "
                         f"{' or '.join(NAMES)}, which measure accuracy")
    return options


def accelerator(device: int) -> str:
    """Fabric's word for the device; of several GPUs the one asked for becomes the only one that is seen.

    Raises:
        ValueError: there is no such GPU.
    """
    count = torch.cuda.device_count()
    if device < 0 or not count:
        return "cpu"
    if device >= count:
        raise ValueError(f"--device {device}: the GPUs that are seen have the numbers 0 to {count - 1}")
    if count > 1:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(count)))
        os.environ["CUDA_VISIBLE_DEVICES"] = seen.split(",")[device]  # `fit` takes the first; CUDA has not begun yet
    return "cuda"


def plan(options: argparse.Namespace, run: int) -> NodeRun:
    """What a run trains; checks all that a user says of it."""
    return NodeRun.make(options.dataset, method=options.method, sampler=options.sampler, seed=options.seed + run,
                        epochs=options.pretrain_epochs, settings=tuple(options.set), loggers="none")


def asked(options: argparse.Namespace) -> dict[str, Any]:
    """All that decides the figures, as plain values."""
    whole = plan(options, 0).as_dict()
    probe = {"probe": options.probe, "lr": options.lr, "epochs": options.epochs, "use_features": options.use_features}
    if options.probe == "mlp":
        probe |= {name: getattr(options, name) for name in ("num_layers", "hidden_channels", "dropout")}
    return {**whole, "evaluator": options.evaluator, **probe}


def read(options: argparse.Namespace) -> NodeData:
    """The data set, undirected, with its official split and features as OGB has them.

    Raises:
        ValueError: it is not there and cannot be downloaded, or has not one class and features a node.
    """
    meta = None
    if options.meta_dict is not None:
        try:
            meta = torch.load(options.meta_dict, weights_only=True)
            meta["dir_path"] = str(options.meta_dict.parent / Path(meta["dir_path"]).name)  # wherever it was written
        except (OSError, UnpicklingError, KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"{options.meta_dict} is no meta_dict.pt of ogb.io.DatasetSaver ({type(error).__name__})"
                             ) from error
    try:
        return node_data(options.dataset, read_node(options.dataset, options.root, meta))
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error


def finished(options: argparse.Namespace, wanted: dict[str, Any]) -> list[dict[str, str]]:
    """The rows that an earlier call has left.

    Raises:
        ValueError: the files are of other arguments, or are no results.
    """
    about = options.out.with_suffix(".json")
    if not about.exists():
        if options.out.exists():
            raise ValueError(f"there is {options.out}, but no {about.name} beside it: name another --out")
        return []
    known = read_json(about)
    theirs = known.get("asked") if isinstance(known, dict) else None
    if not isinstance(theirs, dict):
        raise ValueError(f"{about} is not of this script: name another --out")
    before, now = _flat(theirs), _flat(wanted)
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            raise ValueError(f"{options.out} holds runs with {name}={before.get(name)}, now it is {now.get(name)}: "
                             "name another --out, or delete it and its .json")
    if not options.out.exists():
        return []
    with options.out.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        rows = list(table)
    if tuple(table.fieldnames or ()) != FIELDS:
        raise ValueError(f"{options.out} has other columns than this script writes: name another --out")
    return rows


def train(options: argparse.Namespace, run: int, data: NodeData, device: str, logger: Logger) -> dict[str, Any]:
    """One run: the method, then the classifier on its embeddings; gives the run's row."""
    planned = plan(options, run)

    def progress(done: int, of: int, loss: float) -> None:
        if done % options.log_steps == 0 or done == of:
            print(f"Run: {run + 1:02d}, Pretrain: {done:02d}, Loss: {loss:.4f}", flush=True)

    sampler = planned.sampler(data)
    result = fit(planned.method_class, data, sampler, planned.config, progress=progress, accelerator=device,
                 folder=options.out.with_suffix("") / f"run-{run + 1:02d}")
    x = result.embeddings.to(data.device)
    x = torch.cat([x, data.dense], 1) if options.use_features else x
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(planned.config.seed)
        probe = MLP(x.shape[1], options.hidden_channels, data.num_classes,
                    1 if options.probe == "linear" else options.num_layers, options.dropout).to(data.device)
    masks = {"train": data.train_mask, "valid": data.val_mask, "test": data.test_mask}
    split = {name: mask.nonzero()[:, 0] for name, mask in masks.items() if mask is not None}
    start = time.perf_counter()
    done = train_epochs(probe, x, data.y, split, partial(accuracy, options.evaluator), lr=options.lr,
                        epochs=options.epochs, seed=planned.config.seed)
    for epoch, (loss, shares) in enumerate(done, 1):
        logger.add_result(run, shares)
        if epoch % options.log_steps == 0:
            print(f"Run: {run + 1:02d}, Epoch: {epoch:02d}, Loss: {loss:.4f}, " + ", ".join(
                f"{name}: {100 * share:.2f}%" for name, share in zip(("Train", "Valid", "Test"), shares, strict=True)),
                flush=True)
    return {"run": run + 1, "seed": planned.config.seed, **vars(logger.score(run)), "pretrain_epochs": result.epoch,
            "loss": result.losses[-1] if result.losses else "", "pretrain_seconds": round(sum(result.epoch_seconds), 2),
            "probe_seconds": round(time.perf_counter() - start, 2), "method_parameters": _size(result.model),
            "sampler_parameters": 0 if sampler is None else _size(sampler), "probe_parameters": _size(probe)}


def write(options: argparse.Namespace, wanted: dict[str, Any], rows: list[dict[str, Any]], logger: Logger,
          surroundings: dict[str, Any]) -> None:
    """The CSV and the JSON of the runs that are finished."""
    text = io.StringIO()
    table = csv.DictWriter(text, FIELDS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    parts = {name: int(rows[0][f"{name}_parameters"]) for name in ("method", "sampler", "probe")}
    figures = {name: {"mean": mean, "std": std} for name, (mean, std) in logger.statistics().items()}
    # the JSON first: rows without what they are rows of would be of no use
    write_json(options.out.with_suffix(".json"), {
        "asked": wanted, "runs": len(rows), "statistics": figures,
        "parameters": {**parts, "total": sum(parts.values())}, **surroundings})
    write_text(options.out, text.getvalue())


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        go(parse(arguments))
    except ValueError as error:
        print(f"node.py: {error}", file=sys.stderr)
        return 2
    return 0


def go(options: argparse.Namespace) -> None:
    """All runs that are not done, then the statistics of all."""
    wanted = json.loads(json.dumps(asked(options)))
    rows: list[dict[str, Any]] = list(finished(options, wanted))
    logger = Logger(max([options.runs, *(int(row["run"]) for row in rows)]))
    for row in rows:
        shares = {name: float(row[name]) for name in FIGURES}
        logger.keep(int(row["run"]) - 1, Score(**shares, epoch=int(row["epoch"])))
    missing = [run for run in range(options.runs) if run not in logger.finished]
    print(options)
    if missing:
        device = accelerator(options.device)
        data = read(options)
        data = data.to("cuda:0") if device == "cuda" else data
        gpu = {"gpu": torch.cuda.get_device_name(0)} if device == "cuda" else {}
        surroundings = {"arguments": {name: str(value) for name, value in vars(options).items()},
                        "versions": {**versions(), "ogb": version("ogb")}, "machine": {**machine(), **gpu}}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        for run in missing:
            rows = sorted([*rows, train(options, run, data, device, logger)], key=lambda row: int(row["run"]))
            write(options, wanted, rows, logger, surroundings)
            logger.print_statistics(run)
    logger.print_statistics()


def _flat(asked: dict[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in asked.items() if name != "settings"}, **asked.get("settings", {})}


def _size(module: torch.nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


if __name__ == "__main__":
    raise SystemExit(main())
