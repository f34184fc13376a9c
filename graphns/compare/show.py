"""What a comparison shows on a terminal: progress bars while it runs, tables when it is done."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any

from rich import progress as bars
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphns.compare.layout import BASELINE, Layout
from graphns.compare.table import Row

_COLOURS = {"better": "green", "worse": "red"}


class Progress:
    """Two bars on stderr: all runs, and the epochs of the present one.

    Args:
        total: runs there are.
        quiet: show nothing.
    """

    def __init__(self, total: int, quiet: bool = False) -> None:
        self._bars = bars.Progress(
            bars.TextColumn("{task.description}"), bars.BarColumn(bar_width=28), bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(), bars.TextColumn("{task.fields[note]}"), console=Console(stderr=True),
            disable=quiet, transient=True)
        self._all = self._bars.add_task("all runs", total=total, note="")
        self._one: bars.TaskID | None = None
        self._began = 0.0

    def __enter__(self) -> Progress:
        """Show the bars."""
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Take the bars away."""
        self._bars.stop()

    def begin(self, name: str) -> None:
        """A run begins."""
        self._began = time.monotonic()
        if self._one is not None:
            self._bars.remove_task(self._one)
        self._one = self._bars.add_task(name, total=None, note="")

    def report(self, message: dict[str, Any]) -> None:
        """A run has told how far it is: {"epoch", "of"} or {"note"}."""
        assert self._one is not None
        if "of" in message:
            self._bars.update(self._one, total=message["of"], completed=message["epoch"])
        self._bars.update(self._one, note=message.get("note", ""))

    def end(self) -> None:
        """A run has ended."""
        self._bars.advance(self._all)
        console = self._bars.console
        if not console.is_terminal and not self._bars.disable and self._one is not None:
            # in a log file there are no bars: one line a run says that it is alive
            task = self._bars.tasks[0]
            name = self._bars.tasks[-1].description
            console.print(f"{int(task.completed)}/{int(task.total or 0)} {name} "
                          f"({time.monotonic() - self._began:.1f} s)", highlight=False)


def tell(lines: list[str]) -> None:
    """Lines on stderr, each by itself."""
    console = Console(stderr=True, highlight=False)
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def print_tables(rows: list[Row], report: Path, layout: Layout) -> None:
    """The tables of the report on stdout, and where the report is."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=160)
    for group, title in layout.groups.items():
        columns = [column for column in layout.columns if column.group == group]
        shown = [row for row in rows if any(row[column.key] is not None for column in columns if column.key != "seeds")]
        if group != "quality":
            columns = [column for column in columns if any(row[column.key] is not None for row in rows)]
        if not shown or not columns:
            continue
        out = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
        out.add_column("sampler", no_wrap=True)
        for column in columns:
            out.add_column(column.title, justify="left" if column.key in ("family", "verdict") else "right")
        for row in shown:
            cells = [Text(column.show(row[column.key]), style=_COLOURS.get(str(row[column.key]), ""))
                     for column in columns]
            style = "dim" if row["family"] == "reference" else "bold" if row["name"] == BASELINE else ""
            out.add_row(Text(row["name"]), *cells, style=style)
        console.print(out)
        console.print()
    for row in rows:
        if row["fault"]:
            console.print(Text(f"{row['name']}: {row['fault']}"), soft_wrap=True)
    console.print(Text(f"report: {report}"), soft_wrap=True)
