"""The command `graphns compare`. Nothing heavy is imported before it runs, so `graphns --help` answers at once."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

_OF_NODES = ("method", "exclude", "split")
_OF_LINKS = ("encoder", "decoder", "num_neighbors", "evaluation")


def compare(
    task: Annotated[str, typer.Option(help="node (a contrastive model, probed) or link (link prediction).")] = "node",
    data: Annotated[str, typer.Option(help="Data set; links: by name (heart-citeseer, ogbl-ddi, Cora, ...) or file. "
                                           "digits is built in.")] = "digits",
    root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets.")] = None,
    samplers: Annotated[str | None, typer.Option(help="Names separated by commas, options as "
                                                      "name:option=value; all-fitting: every one that fits. "
                                                      "Default: some of every family.")] = None,
    method: Annotated[str | None, typer.Option(help="Nodes: what is trained, grace (the default), dgi, ...; a wrong "
                                                    "name lists them.")] = None,
    encoder: Annotated[str | None, typer.Option(help="Links: gcn, sage, gat, mlp or embedding.")] = None,
    decoder: Annotated[str | None, typer.Option(help="Links: dot, bilinear, mlp or ncn.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each sampler: seeds 0, 1, ...")] = 3,
    epochs: Annotated[int | None, typer.Option(min=1, help="Training epochs; default: set for the data.")] = None,
    k: Annotated[int | None, typer.Option(min=1, help="Negatives per node, or per positive edge; default: set for the "
                                                      "data.")] = None,
    num_neighbors: Annotated[str | None, typer.Option(help="Links: mini-batches, sampled neighbours a node in each "
                                                           "layer, as 10,5; -1: all. Default: a step embeds the whole "
                                                           "graph.")] = None,
    exclude: Annotated[str | None, typer.Option(help="Nodes: self (as GRACE does; the default) or neighbors.")] = None,
    corrected: Annotated[bool, typer.Option("--corrected", help="Train with the log-probability correction.")] = False,
    split: Annotated[str | None, typer.Option(help="Nodes: public or random; default: public, where there is "
                                                   "one.")] = None,
    evaluation: Annotated[str | None, typer.Option(help="Links: heart or existing, where the data have both.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the results; a run cut off goes on there.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each run; default: all cores.")] = None,
    module: Annotated[list[str] | None, typer.Option("--import", help="Import this module first: it may register "
                                                                      "samplers. May be repeated.")] = None,
) -> None:
    """Train one model under several samplers and report what each changes."""
    from graphns.compare.run import compare as run
    from graphns.compare.settings import Settings
    from graphns.compare.task_kinds import module as of_task

    of_task(task)
    own: dict[str, Any] = {"method": method, "exclude": exclude, "split": split, "encoder": encoder,
                           "decoder": decoder, "num_neighbors": num_neighbors, "evaluation": evaluation}
    for name in _OF_LINKS if task == "node" else _OF_NODES:
        if own[name] is not None:
            other = "link" if task == "node" else "node"
            raise ValueError(f"--{name.replace('_', '-')} is an option of --task {other}, and this is "
                             f"--task {task}: leave it out")
    given = {name: value for name, value in own.items() if value is not None}
    shared: dict[str, Any] = {"root": root, "samplers": samplers, "seeds": seeds, "epochs": epochs, "k": k,
                              "corrected": corrected, "threads": threads, "imports": tuple(module or ())}
    if task == "link":
        from graphns.compare.link_settings import LinkSettings, fanouts

        if num_neighbors is not None:
            given["num_neighbors"] = fanouts(num_neighbors)
        settings: Settings | LinkSettings = LinkSettings.make(data, **shared, **given)
        name = f"graphns-compare-link-{Path(data).stem}"
    else:
        settings = Settings.make(data, **shared, **given)
        name = f"graphns-compare-{Path(data).stem}"
    raise typer.Exit(run(settings, out or Path(name), command=shlex.join(["graphns", *sys.argv[1:]])))
