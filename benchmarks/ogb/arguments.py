"""What the leaderboard scripts are asked alike: OGB's arguments, how they are refused, and where a run trains."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import torch

from graphns.commands.run_folder import setting
from graphns.data.named import default_root


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Hand the message on."""
        raise ValueError(message)


def parser(description: str, datasets: Sequence[str], out: str, **options: str) -> Parser:
    """A parser that knows what all scripts are asked.

    Args:
        description: of the script.
        datasets: their names; the first is taken where none is named.
        out: the default of --out, in words.
        options: help of --sampler and --set.
    """
    made = Parser(description=description)
    made.add_argument("--device", type=int, default=0, help="number of the GPU; -1, or without one: the CPU")
    made.add_argument("--log_steps", type=int, default=1, help="epochs between lines")
    made.add_argument("--runs", type=int, default=10)
    made.add_argument("--dataset", default=datasets[0], help=", ".join(datasets))
    made.add_argument("--root", type=Path, default=None, help="holds the data sets (default: GRAPHNS_DATA)")
    made.add_argument("--sampler", default=None, help=options["sampler"])
    made.add_argument("--set", default=[], action="append", help=options["set"])
    made.add_argument("--seed", type=int, default=0, help="of the first run")
    made.add_argument("--out", type=Path, default=None, help=f"a .csv file (default: {out})")
    return made


def check(options: argparse.Namespace, least: Mapping[str, int]) -> None:
    """Hold the arguments to their bounds, and find the folder of the data sets.

    Args:
        options: with --dropout and --lr too.
        least: the lowest value of further arguments.

    Raises:
        ValueError: one is out of bounds.
    """
    for name, bound in {"device": -1, "log_steps": 1, "runs": 1, **least}.items():
        if getattr(options, name) < bound:
            raise ValueError(f"--{name} must be at least {bound}, got {getattr(options, name)}")
    if not 0 <= options.dropout < 1:
        raise ValueError(f"--dropout must be in [0, 1), got {options.dropout}")
    if not 0 < options.lr < float("inf"):
        raise ValueError(f"--lr must be above 0, got {options.lr}")
    if any(setting(each)[0] == "seed" for each in options.set):
        raise ValueError("each run has a seed of its own: give the first one's by --seed, not by --set")
    if options.out.suffix != ".csv":
        raise ValueError(f"--out must end in .csv, got {options.out}")
    options.root = default_root() if options.root is None else options.root.expanduser()


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


def answered(script: str, work: Callable[[], None]) -> int:
    """The exit code of a script's work: 2 after a mistake of the user's, which is told in one line."""
    try:
        work()
    except ValueError as error:
        print(f"{script}: {error}", file=sys.stderr)
        return 2
    return 0
