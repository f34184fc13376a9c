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
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from arguments import answered, check, parser
from board import Board, Loggers, Rows, size
from logger import FIGURES
from mlp import MLP, train_epochs

from graphns.adapters.ogb.node import NAMES, accuracy, read_node
from graphns.commands.node_run import NodeRun
from graphns.data.files import node_data
from graphns.data.node import NodeData
from graphns.pipelines.node import fit

FIELDS = ("run", "seed", *FIGURES, "epoch", "pretrain_epochs", "loss", "pretrain_seconds", "probe_seconds",
          "method_parameters", "sampler_parameters", "probe_parameters")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    known = parser(__doc__.splitlines()[0], NAMES, "DATASET-METHOD.csv", set="a setting of the method as name=value",
                   sampler="negatives: a name, options as name:option=value")
    known.add_argument("--num_layers", type=int, default=3, help="of the classifier")
    known.add_argument("--hidden_channels", type=int, default=256, help="of the classifier")
    known.add_argument("--dropout", type=float, default=0.5, help="of the classifier")
    known.add_argument("--lr", type=float, default=0.01, help="of the classifier")
    known.add_argument("--epochs", type=int, default=500, help="of the classifier")
    known.add_argument("--meta_dict", type=Path, default=None, help="a data set in OGB's format that is not OGB's: "
                                                                    "the meta_dict.pt of ogb.io.DatasetSaver")
    known.add_argument("--evaluator", default=None, choices=NAMES, help="whose evaluator (default: the data set's)")
    known.add_argument("--method", default="grace", help="grace, ...; an unknown name lists them")
    known.add_argument("--pretrain_epochs", type=int, default=None, help="of the method (default: its own)")
    known.add_argument("--use_features", action="store_true", help="classify embeddings and features side by side")
    known.add_argument("--probe", choices=("mlp", "linear"), default="mlp", help="linear: one layer, no dropout")
    options = known.parse_args(arguments)
    options.out = Path(f"{options.dataset}-{options.method}.csv") if options.out is None else options.out
    check(options, {"num_layers": 2, "hidden_channels": 1, "epochs": 1})
    options.evaluator = options.evaluator or options.dataset
    if options.evaluator not in NAMES:
        raise ValueError(f"there is no evaluator of {options.dataset}: name another's by --evaluator, of "
                         f"{' or '.join(NAMES)}, which measure accuracy")
    return options


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


def train(options: argparse.Namespace, run: int, data: NodeData, device: str, loggers: Loggers) -> Rows:
    """One run: the method, then the classifier on its embeddings; gives the run's row."""
    logger, = loggers.values()
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
    row = {"run": run + 1, "seed": planned.config.seed, **vars(logger.score(run)), "pretrain_epochs": result.epoch,
            "loss": result.losses[-1] if result.losses else "", "pretrain_seconds": round(sum(result.epoch_seconds), 2),
            "probe_seconds": round(time.perf_counter() - start, 2), "method_parameters": size(result.model),
            "sampler_parameters": 0 if sampler is None else size(sampler), "probe_parameters": size(probe)}
    return [row]


def main(arguments: Sequence[str] | None = None) -> int:
    return answered("node.py", lambda: go(parse(arguments)))


def go(options: argparse.Namespace) -> None:
    """All runs that are not done, then the statistics of all."""
    Board(options, asked(options), FIELDS, ("method", "sampler", "probe")).work(read, train)


if __name__ == "__main__":
    raise SystemExit(main())
