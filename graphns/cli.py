"""The command line: `graphns audit`, `compare`, `eval node`, `list`, `sample` and `train node`.

Nothing heavy is imported before a command runs, so `graphns --help` answers at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

try:
    import typer
except ModuleNotFoundError as error:  # the core installs without the command line's packages
    raise SystemExit(f"graphns: the command line needs {error.name}: pip install 'graphns[pipelines]'") from error

from graphns.commands.eval_node import eval_node
from graphns.commands.train_node import train_node
from graphns.compare.audit_command import audit

if TYPE_CHECKING:
    from torch import Tensor

    from graphns.base import Negatives, Query, Sampler
    from graphns.data.edge_files import EdgeFile

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
                  context_settings={"help_option_names": ["-h", "--help"]})
app.command()(audit)
app.add_typer(train := typer.Typer(help="Train a method and keep what it learns.", rich_markup_mode=None), name="train")
train.command("node")(train_node)
app.add_typer(evaluate := typer.Typer(help="Measure what was learned.", rich_markup_mode=None), name="eval")
evaluate.command("node")(eval_node)


def _show_version(wanted: bool) -> None:
    if wanted:
        from graphns import __version__

        typer.echo(f"graphns {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True,
                                          help="Show the version and leave.")] = False,
) -> None:
    """Negative sampling for graph representation learning."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option(help="Only sampler, objective, mixer or batcher.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON, every field.")] = False,
) -> None:
    """Show everything that has a name: samplers, objectives, mixers, batchers."""
    import dataclasses
    import difflib
    import json as json_module
    from typing import get_args

    from graphns import registry

    kinds = get_args(registry.Kind)
    if kind is not None and kind not in kinds:
        near = difflib.get_close_matches(kind, kinds, n=1)
        raise ValueError(f"there is no kind {kind!r}; " + (f"did you mean {near[0]!r}?" if near else
                                                           f"the kinds are {', '.join(kinds)}"))
    rows = [row for row in registry.entries() if kind in (None, row.kind)]
    if json:
        typer.echo(json_module.dumps([dataclasses.asdict(row) for row in rows], indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "kind", "family", "also called", "needs", "what it does", box=None, pad_edge=False)
    for row in rows:
        family = "" if row.family == row.kind else row.family
        table.add_row(row.name, row.kind, family, ", ".join(row.aliases), ", ".join(row.needs), row.summary)
    console = Console()
    (console if console.is_terminal else Console(width=150)).print(table)


@app.command()
def compare(
    data: Annotated[str, typer.Option(help="Data set; digits is built in.")] = "digits",
    root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets.")] = None,
    samplers: Annotated[str | None, typer.Option(help="Names separated by commas, options as "
                                                      "name:option=value; all-fitting: every one that fits. "
                                                      "Default: some of every family.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each sampler: seeds 0, 1, ...")] = 3,
    epochs: Annotated[int | None, typer.Option(min=1, help="Training epochs; default: set for the data.")] = None,
    k: Annotated[int | None, typer.Option(min=1, help="Negatives per node; default: set for the data.")] = None,
    exclude: Annotated[str, typer.Option(help="self (as GRACE does) or neighbors.")] = "self",
    corrected: Annotated[bool, typer.Option("--corrected", help="Train with the log-probability correction.")] = False,
    split: Annotated[str | None, typer.Option(help="public or random; default: public, where there is one.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the results; a run cut off goes on there.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each run; default: all cores.")] = None,
    module: Annotated[list[str] | None, typer.Option("--import", help="Import this module first: it may register "
                                                                      "samplers. May be repeated.")] = None,
) -> None:
    """Train one contrastive model under several samplers and report what each changes."""
    from graphns.compare.run import compare as run
    from graphns.compare.settings import Settings

    settings = Settings.make(data, root=root, samplers=samplers, seeds=seeds, epochs=epochs, k=k, exclude=exclude,
                             split=split, corrected=corrected, threads=threads, imports=tuple(module or ()))
    raise typer.Exit(run(settings, out or Path(f"graphns-compare-{Path(settings.data).stem}"), command=_command_line()))


@app.command()
def sample(
    graph: Annotated[Path, typer.Argument(help="Edge list: CSV, TSV, npz, npy, GraphML or edge_index.pt.")],
    sampler: Annotated[str, typer.Option(help="Name, with options as name:option=value.")] = "uniform",
    num: Annotated[int, typer.Option(min=1, help="How many pairs to draw for: edges of the graph, or repeats of each "
                                                 "--anchor.")] = 10,
    k: Annotated[int, typer.Option(min=1, help="Negatives of each pair.")] = 1,
    anchor: Annotated[list[str] | None, typer.Option(help="Draw for this node only; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same negatives.")] = 0,
    exclude: Annotated[str | None, typer.Option(help="neighbors (known edges are never drawn) or self.")] = None,
    num_nodes: Annotated[int | None, typer.Option(min=1, help="Nodes of the graph, if some have no edge.")] = None,
    undirected: Annotated[bool, typer.Option("--undirected", help="Each edge counts in both directions.")] = False,
    output: Annotated[Path | None, typer.Option(help="A .csv or .npz file; otherwise CSV on the screen.")] = None,
) -> None:
    """Draw negatives for the edges of a graph in a file."""
    if output is not None and output.suffix not in (".csv", ".npz"):
        raise ValueError(f"cannot write {output.name}: the name must end in .csv or .npz")
    import torch

    from graphns.base import Query
    from graphns.compare.specs import option_names, parse
    from graphns.data import edge_files
    from graphns.streams import Stream, bounded

    spec = parse(sampler)
    _refuse_needs(spec.name)
    file = edge_files.read(graph, num_nodes, undirected)
    if exclude is not None:
        from graphns import registry

        if "exclude" not in option_names(registry.load(spec.name)):
            raise ValueError(f"{spec.name} takes no --exclude")
        spec.options.setdefault("exclude", exclude)
    built = spec.build(file.graph)
    _refuse_model(built, spec.name)
    stream = Stream(seed)
    if anchor:
        anchors = torch.tensor([file.node(label) for label in anchor]).repeat_interleave(num)
        positives = _stand_in(file, anchors)
    else:
        drawn = bounded(stream.child(0).words(torch.arange(num), 1)[:, 0], file.graph.num_edges)
        anchors, positives = file.graph.edge_index[:, drawn]
    query = Query(anchors, positives, k, stream=stream.child(1))
    with torch.no_grad():
        negatives = built(query)
    _write(_columns(file, query, negatives, with_positive=not anchor), output)
    missing = int((~negatives.mask).sum())
    if missing:
        typer.echo(f"graphns: {missing} of {negatives.mask.numel()} draws had no candidate and are left out", err=True)


def _refuse_needs(name: str) -> None:
    from graphns import registry
    from graphns.compare.specs import unmet

    missing = unmet(registry.find(name), {"model": None, "pairs": None})  # of the model, `_refuse_model` tells
    if missing:
        free = ", ".join(row.name for row in registry.entries("sampler") if not set(row.needs) - {"pairs"})
        raise ValueError(f"{name} needs {' and '.join(missing)}, which a file of edges has not; without there are: "
                         f"{free}")


def _refuse_model(built: Sampler, name: str) -> None:
    if built.model_aware:
        from graphns import registry

        free = ", ".join(row.name for row in registry.entries("sampler") if not set(row.needs) - {"pairs"})
        raise ValueError(f"{name} reads a model's scores, and a file has no model; without one there are: {free}")


def _stand_in(file: EdgeFile, anchors: Tensor) -> Tensor:
    """Positives for anchors that were named without one: the anchor itself, which is never drawn anyway."""
    if not file.graph.bipartite:
        return anchors
    import torch

    firsts = [file.graph.neighbors(int(anchor))[:1] for anchor in anchors]
    for anchor, first in zip(anchors.tolist(), firsts, strict=True):
        if not len(first):
            raise ValueError(f"anchor {anchor} has no edge; in a bipartite graph an anchor needs one")
    return torch.cat(firsts)


def _columns(file: EdgeFile, query: Query, negatives: Negatives, with_positive: bool) -> dict[str, list[object]]:
    mask = negatives.mask.cpu()
    source, drawn = negatives.pairs(query).tolist()
    columns: dict[str, list[object]] = {"anchor": source}
    if with_positive and negatives.anchor is None:
        columns["positive"] = query.positive[:, None].expand(mask.shape)[mask].tolist()
    columns["negative"] = drawn
    if file.names is not None:
        names = file.names
        columns = {key: [names[int(str(each))] for each in values] for key, values in columns.items()}
    if negatives.log_prob is not None:
        columns["log_prob"] = negatives.log_prob.expand(mask.shape)[mask].tolist()
    return columns


def _write(columns: dict[str, list[object]], output: Path | None) -> None:
    import csv
    import io

    if output is not None and output.suffix == ".npz":
        import numpy as np

        from graphns.compare.files import replacing

        # untyped: NumPy before 2.1 takes no allow_pickle, and later stubs expect one among the arrays
        arrays: Any = {key: np.asarray(values) for key, values in columns.items()}
        with replacing(output) as temporary:
            np.savez(temporary, **arrays)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    if output is None:
        typer.echo(text.getvalue(), nl=False)
    else:
        from graphns.compare.files import write_text

        write_text(output, text.getvalue())


def _command_line() -> str:
    import shlex

    return shlex.join(["graphns", *sys.argv[1:]])


def _is_users(error: Exception) -> bool:
    """Whether an error is the user's to mend: a file, a missing package, or a check of this library that said no."""
    if isinstance(error, OSError):
        return True
    if not isinstance(error, ValueError):
        return False
    # a ValueError from inside another library is a bug of ours, and is shown whole
    raised_in = traceback.extract_tb(error.__traceback__)[-1].filename
    return Path(raised_in).is_relative_to(Path(__file__).parent)


def _stopped() -> int:
    print("graphns: stopped; the same command goes on where a training or comparison was", file=sys.stderr)
    return _STOPPED


def _fail(message: str) -> int:
    print("graphns: " + " ".join(message.split()), file=sys.stderr)
    return 2


def run(arguments: list[str] | None = None) -> int:
    """Do what the command line says; the exit status. 2: the user's mistake, told in one line on stderr."""
    try:
        status = int(app(args=arguments, prog_name="graphns", standalone_mode=False) or 0)
        return _stopped() if status == _STOPPED else status
    except BrokenPipeError:  # the reader of a pipe had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return _stopped()
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own: an unknown option, a missing value
            return _fail(error.format_message())
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in _EXTRA:
            return _fail(f"this command needs {error.name}: pip install 'graphns[pipelines]'")
        if _is_users(error):
            return _fail(str(error))
        raise


_STOPPED = 130  # what shells report of a command that Ctrl-C ended
_EXTRA = ("rich", "lightning", "sklearn", "matplotlib", "pandas", "yaml", "networkx", "faiss", "pynndescent")


def main() -> None:
    """Entry point of the command `graphns`."""
    sys.exit(run())


if __name__ == "__main__":
    main()
