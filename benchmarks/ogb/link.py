r"""ogbl-ddi, -collab, -ppa and -citation2 as OGB's leaderboards ask: ten runs, official split, negatives and evaluator.

    python benchmarks/ogb/link.py --use_sage                                          # ogbl-ddi, OGB's SAGE
    python benchmarks/ogb/link.py --use_sage --sampler hardest:pool=8 --out hard.csv  # other negatives
    python benchmarks/ogb/link.py --dataset ogbl-collab --use_valedges_as_input

Each run trains an encoder and OGB's LinkPredictor, scores training, validation and test edges every `--eval_steps`
epochs and after the last, and reports the test figure of the epoch of the best validation figure, each metric for
itself: Hits@10, 20 and 30 of ddi, Hits@10, 50 and 100 of collab and ppa, MRR of citation2, all in per cent. The run r,
from 0, has the seed `--seed` + r: of weights, order, draws, dropout, and of the training edges that are scored, as many
as there are validation edges.

Arguments have the names and defaults of OGB's examples (linkproppred/DATASET/gnn.py), which differ by data set. Without
`--sampler` negatives are drawn as nearly as there, k=1 a positive: both ends of non-edges of the training graph (ddi),
both ends (collab, ppa), the target (citation2), never the edge itself. No sampler sees a validation or test edge.

What differs from the examples: each distinct training edge is learned once an epoch (collab repeats some over the
years), weights and years of edges are not read, and gradients of the whole model are scaled to norm 1 together
(`--set clip=null`: not at all).

Files, with `--out results.csv`: results.csv, a row for each finished run and metric; results.json, what was asked,
versions, the number of parameters and the statistics; results/run-01 and so on, checkpoints. The same command goes on
where one was cut off; more `--runs` are added to those that are there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arguments import answered, check, parser
from board import Board, Loggers, Rows, label, size
from link_figures import LinkFigures
from logger import FIGURES

from graphns.adapters.ogb.link import HITS
from graphns.commands.link_run import LinkRun, LinkSource
from graphns.commands.run_folder import setting
from graphns.data.link import LinkData
from graphns.data.link_loading import load_links
from graphns.pipelines.link_prediction import fit

_BOTH_ENDS = "global-edges:exclude=self"
EXAMPLES: dict[str, dict[str, Any]] = {
    "ogbl-ddi": dict(num_layers=2, dropout=0.5, lr=0.005, epochs=200, eval_steps=5, sampler="global-edges"),
    "ogbl-collab": dict(num_layers=3, dropout=0.0, lr=0.001, epochs=400, eval_steps=1, sampler=_BOTH_ENDS),
    "ogbl-ppa": dict(num_layers=3, dropout=0.0, lr=0.01, epochs=20, eval_steps=1, sampler=_BOTH_ENDS),
    "ogbl-citation2": dict(num_layers=3, dropout=0.0, lr=0.0005, epochs=50, eval_steps=1,
                           sampler="uniform:exclude=self"),
}
"""What differs between OGB's examples."""
FIELDS = ("run", "seed", "metric", *FIGURES, "epoch", "epochs", "loss", "train_seconds", "sample_seconds",
          "eval_seconds", "num_drawn", "model_parameters", "sampler_parameters")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    known = parser(__doc__.splitlines()[0], list(EXAMPLES), "DATASET-ENCODER.csv",
                   sampler="negatives: a name, options as name:option=value (default: the data set's)",
                   set="a further setting of the training as name=value: k, side, encoder, decoder, clip, ...")
    known.add_argument("--use_sage", action="store_true", help="encoder: SAGE, instead of GCN")
    known.add_argument("--use_valedges_as_input", action="store_true", help="ogbl-collab: embed over validation edges "
                                                                            "too where test edges are scored")
    known.add_argument("--num_layers", type=int, default=None, help="of encoder and decoder (default: 3; ddi: 2)")
    known.add_argument("--hidden_channels", type=int, default=256)
    known.add_argument("--dropout", type=float, default=None, help="(default: 0; ddi: 0.5)")
    known.add_argument("--batch_size", type=int, default=64 * 1024, help="positives a step")
    known.add_argument("--lr", type=float, default=None, help="(default: the data set's)")
    known.add_argument("--epochs", type=int, default=None, help="(default: the data set's)")
    known.add_argument("--eval_steps", type=int, default=None, help="epochs between scores (default: 1; ddi: 5)")
    options = known.parse_args(arguments)
    options.dataset = options.dataset.lower().replace("_", "-")
    if options.dataset not in EXAMPLES:
        raise ValueError(f"{options.dataset} is not among the data sets of this script: {', '.join(EXAMPLES)}")
    for name, value in EXAMPLES[options.dataset].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.use_valedges_as_input and options.dataset != "ogbl-collab":
        raise ValueError(f"OGB lets validation edges in for ogbl-collab alone, not for {options.dataset}: leave "
                         "--use_valedges_as_input out")
    encoder = "sage" if options.use_sage else "gcn"
    options.out = Path(f"{options.dataset}-{encoder}.csv") if options.out is None else options.out
    check(options, dict.fromkeys(("num_layers", "hidden_channels", "batch_size", "epochs", "eval_steps"), 1))
    return options


def plan(options: argparse.Namespace, run: int) -> LinkRun:
    """What a run trains; checks all that a user says of it."""
    width, layers = options.hidden_channels, options.num_layers
    # these have no argument of OGB's, or a flag alone, so --set may say otherwise
    free = {"encoder": "gcn", "decoder": "mlp", "size": width, "decoder_layers": layers}
    for each in options.set:
        free.pop(setting(each)[0], None)
    if options.use_sage:
        free["encoder"] = "sage"
    if options.use_valedges_as_input:
        free["use_valid_edges"] = True
    elif any(setting(each)[0] == "use_valid_edges" for each in options.set):
        raise ValueError("say --use_valedges_as_input instead of --set use_valid_edges")
    return LinkRun.make(LinkSource(options.dataset), sampler=options.sampler, settings=tuple(options.set),
                        loggers="none", seed=options.seed + run, hidden_size=width, num_layers=layers,
                        dropout=options.dropout, batch_size=options.batch_size, learning_rate=options.lr,
                        epochs=options.epochs, validate_every=options.eval_steps, **free)


def read(options: argparse.Namespace) -> LinkData:
    """The data set with its official split and negatives.

    Raises:
        ValueError: it is not there and cannot be downloaded.
    """
    return load_links(options.dataset, options.root)


def train(options: argparse.Namespace, run: int, data: LinkData, device: str, loggers: Loggers) -> Rows:
    """One run; gives its rows, one for each metric."""
    planned = plan(options, run)
    figures = LinkFigures(data, planned.config.seed, planned.config.use_valid_edges)

    def progress(done: int, of: int, loss: float) -> None:
        if done % options.log_steps or not figures.history or figures.history[-1][0] != done:
            return
        for metric, shares in figures.history[-1][1].items():
            told = ", ".join(f"{name}: {100 * share:.2f}%"
                             for name, share in zip(("Train", "Valid", "Test"), shares, strict=True))
            print(f"{label(metric)}\nRun: {run + 1:02d}, Epoch: {done:02d}, Loss: {loss:.4f}, {told}")
        print("---", flush=True)

    sampler = planned.sampler(data)
    assert sampler is not None
    done = fit(data, sampler, planned.config, figures, parts={"figures": figures}, progress=progress,
               folder=options.out.with_suffix("") / f"run-{run + 1:02d}", checkpoint_every=options.eval_steps,
               accelerator=device)
    for epoch, measured in figures.history:
        for metric, shares in measured.items():
            loggers[metric].add_result(run, shares, epoch)
    about = {"epochs": len(done.log.losses), "loss": done.log.losses[-1],
             "train_seconds": round(sum(done.log.epoch_seconds), 2),
             "sample_seconds": round(sum(done.log.sample_seconds), 2), "eval_seconds": round(figures.seconds, 2),
             "num_drawn": done.log.num_drawn, "model_parameters": size(done.model),
             "sampler_parameters": size(sampler)}
    return [{"run": run + 1, "seed": planned.config.seed, "metric": metric, **vars(logger.score(run)), **about}
            for metric, logger in loggers.items()]


def main(arguments: Sequence[str] | None = None) -> int:
    return answered("link.py", lambda: go(parse(arguments)))


def go(options: argparse.Namespace) -> None:
    """All runs that are not done, then the statistics of all."""
    metrics = [f"hits@{k}" for k in HITS.get(options.dataset, ())] or ["mrr"]
    Board(options, plan(options, 0).as_dict(), FIELDS, ("model", "sampler"), metrics).work(read, train)


if __name__ == "__main__":
    raise SystemExit(main())
