"""The command line: `graphns audit`, `compare`, `eval`, `list`, `mine`, `sample` and `train`.

Nothing heavy is imported before a command runs, so `graphns --help` answers at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError as error:  # the core installs without the command line's packages
    raise SystemExit(f"graphns: the command line needs {error.name}: pip install 'graphns[pipelines]'") from error

from graphns.commands.eval_link import eval_link
from graphns.commands.eval_node import eval_node
from graphns.commands.mine import mine
from graphns.commands.sample import sample
from graphns.commands.train_embeddings import train_embeddings
from graphns.commands.train_link import train_link
from graphns.commands.train_node import train_node
from graphns.compare.audit_command import audit
from graphns.compare.compare_command import compare

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
                  context_settings={"help_option_names": ["-h", "--help"]})
app.command()(audit)
app.command()(compare)
app.command()(mine)
app.command()(sample)
app.add_typer(train := typer.Typer(help="Train a method and keep what it learns.", rich_markup_mode=None), name="train")
train.command("embeddings")(train_embeddings)
train.command("link")(train_link)
train.command("node")(train_node)
app.add_typer(evaluate := typer.Typer(help="Measure what was learned.", rich_markup_mode=None), name="eval")
evaluate.command("link")(eval_link)
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
    print("graphns: stopped; the same command goes on where a training, comparison or mining was", file=sys.stderr)
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
