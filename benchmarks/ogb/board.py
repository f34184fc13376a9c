"""The runs of one command of a leaderboard script: their files, which are gone on with, and their statistics."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from arguments import accelerator
from logger import FIGURES, Logger, Score

from graphns.compare.files import read_json, write_json, write_text
from graphns.compare.surroundings import machine, versions

WHOLE = ("",)
Rows = list[dict[str, Any]]
Loggers = dict[str, Logger]


class Board:
    """Finished runs, as their files hold them, and those that are missing.

    Args:
        options: of the script; `out` names the CSV, beside which the JSON lies.
        asked: all that decides the figures, as plain values; files of anything else are refused.
        fields: the columns of the CSV, with those of `Score`, and "metric" where there are several.
        parts: what has columns "…_parameters", by name.
        metrics: what is measured; a run has a row for each.

    Raises:
        ValueError: the files are of other arguments, or are no results.
    """

    def __init__(self, options: argparse.Namespace, asked: Mapping[str, Any], fields: Sequence[str],
                 parts: Sequence[str], metrics: Sequence[str] = WHOLE) -> None:
        self.options, self.fields, self.parts = options, tuple(fields), tuple(parts)
        self.asked: dict[str, Any] = json.loads(json.dumps(asked))
        self.rows = finished(options.out, self.asked, self.fields)
        self.loggers: Loggers = {}
        for metric in metrics:
            self.loggers[metric] = Logger(max([options.runs, *(int(row["run"]) for row in self.rows)]))
        for row in self.rows:
            shares = {name: float(row[name]) for name in FIGURES}
            logger = self.loggers[row.get("metric", "")]
            logger.keep(int(row["run"]) - 1, Score(**shares, epoch=int(row["epoch"])))
        known = {int(row["run"]) - 1 for row in self.rows}
        self.missing = [run for run in range(options.runs) if run not in known]

    def work(self, read: Callable[[argparse.Namespace], Any],
             train: Callable[[argparse.Namespace, int, Any, str, Loggers], Rows]) -> None:
        """Do what is missing, and print the statistics of each such run and of all.

        Args:
            read: gives the data.
            train: (options, run, data, Fabric's word for the device, loggers) does one run, tells the loggers its
                results, and gives its rows.
        """
        print(self.options)
        if self.missing:
            device = accelerator(self.options.device)
            data = read(self.options)
            data = data.to("cuda:0") if device == "cuda" else data
            gpu = {"gpu": torch.cuda.get_device_name(0)} if device == "cuda" else {}
            surroundings = {"arguments": {name: str(value) for name, value in vars(self.options).items()},
                            "versions": {**versions(), "ogb": version("ogb")}, "machine": {**machine(), **gpu}}
            self.options.out.parent.mkdir(parents=True, exist_ok=True)
            for run in self.missing:
                fresh = train(self.options, run, data, device, self.loggers)
                self.rows = sorted([*self.rows, *fresh], key=lambda row: int(row["run"]))
                self._write(surroundings)
                self.print_statistics(run)
        self.print_statistics()

    def print_statistics(self, run: int | None = None) -> None:
        """One block for each metric: what one run has reached, or all of them."""
        for metric, logger in self.loggers.items():
            if metric:
                print(label(metric))
            logger.print_statistics(run)

    def _write(self, surroundings: Mapping[str, Any]) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, self.fields, lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        sizes = {part: int(self.rows[0][f"{part}_parameters"]) for part in self.parts}
        figures = {metric: {name: {"mean": mean, "std": std} for name, (mean, std) in logger.statistics().items()}
                   for metric, logger in self.loggers.items()}
        # the JSON first: rows without what they are rows of would be of no use
        write_json(self.options.out.with_suffix(".json"), {
            "asked": self.asked, "runs": len({int(row["run"]) for row in self.rows}),
            "statistics": figures.get("", figures), "parameters": {**sizes, "total": sum(sizes.values())},
            **surroundings})
        write_text(self.options.out, text.getvalue())


def finished(out: Path, asked: Mapping[str, Any], fields: tuple[str, ...]) -> Rows:
    """The rows that an earlier call has left.

    Raises:
        ValueError: the files are of other arguments, or are no results.
    """
    about = out.with_suffix(".json")
    if not about.exists():
        if out.exists():
            raise ValueError(f"there is {out}, but no {about.name} beside it: name another --out")
        return []
    known = read_json(about)
    theirs = known.get("asked") if isinstance(known, dict) else None
    if not isinstance(theirs, dict):
        raise ValueError(f"{about} is not of this script: name another --out")
    before, now = _flat(theirs), _flat(asked)
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            raise ValueError(f"{out} holds runs with {name}={before.get(name)}, now it is {now.get(name)}: name "
                             "another --out, or delete it and its .json")
    if not out.exists():
        return []
    with out.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        rows: Rows = list(table)
    if tuple(table.fieldnames or ()) != fields:
        raise ValueError(f"{out} has other columns than this script writes: name another --out")
    return rows


def label(metric: str) -> str:
    """A metric as OGB's examples print it.

    Example:
        >>> label("hits@20"), label("mrr")
        ('Hits@20', 'MRR')
    """
    return metric.capitalize() if "@" in metric else metric.upper()


def size(module: torch.nn.Module) -> int:
    """How many parameters a module has."""
    return sum(each.numel() for each in module.parameters())


def _flat(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in asked.items() if name != "settings"}, **asked.get("settings", {})}
