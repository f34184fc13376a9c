"""The folder of a training: what is refused there, loggers, progress; and settings as users write them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from graphns.compare.files import replacing, write_text
from graphns.compare.surroundings import machine, versions

LOGGERS = ("csv", "tensorboard")
_LOGS = ("metrics", "tensorboard")  # folders that loggers write, anew in every call


@contextmanager
def run_folder(folder: Path, files: Sequence[str], asked: Mapping[str, Any]) -> Iterator[None]:
    """A folder in which a training begins or goes on; left as it was where the training is refused.

    Args:
        folder: made if it is not there.
        files: names that a training writes; a folder that holds others is not touched.
        asked: what decides the run, plain values; "settings" holds those of the method, of which "epochs" may change.

    Raises:
        ValueError: the folder is a file, or holds other files or another run.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder with --out")
    if folder.is_dir() and any(each.name not in files for each in folder.iterdir() if each.name[:1] != "."):
        raise ValueError(f"{folder} holds other files; name a new folder with --out")
    fresh, config = not folder.exists(), folder / "config.yaml"
    before = config.read_bytes() if config.is_file() else None
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _check_same(folder, asked)
        yield
    except ValueError:
        if before is not None:
            _put_back(folder, before)
        elif not (folder / "checkpoint.pt").exists():  # refused before anything was done
            if fresh:
                shutil.rmtree(folder)
            else:
                config.unlink(missing_ok=True)
                _remove(folder / name for name in _LOGS)
        raise
    _remove(_aside(folder, name) for name in _LOGS)


def _aside(folder: Path, name: str) -> Path:
    """Where an earlier call's logs wait until this call is done."""
    return folder / f".{name}.before"


def _put_back(folder: Path, config: bytes) -> None:
    """The config and the logs of the run that the folder held."""
    with replacing(folder / "config.yaml") as temporary:
        temporary.write_bytes(config)
    for name in _LOGS:
        if _aside(folder, name).is_dir():
            _remove([folder / name])
            _aside(folder, name).rename(folder / name)


def _remove(folders: Iterable[Path]) -> None:
    for each in folders:
        shutil.rmtree(each, ignore_errors=True)


def _check_same(folder: Path, asked: Mapping[str, Any]) -> None:
    path = folder / "config.yaml"
    if not path.is_file():
        return
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
        # a folder of an earlier version lacks what was not asked then
        theirs = {key: read.get(key) if value is None else read[key] for key, value in asked.items()}
        settings: Mapping[str, Any] = theirs["settings"]
        pairs = [(key, theirs[key], value) for key, value in asked.items() if key not in ("settings", "seed")]
        pairs += [(key, settings.get(key), asked["settings"].get(key))
                  for key in {**settings, **asked["settings"]} if key != "epochs"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no config of a training; name a new folder with --out") from error
    for key, other, own in pairs:
        if other != own:
            raise ValueError(f"{folder} holds a run with {key} = {other}, now it is {own}: name another folder "
                             "with --out, or delete this one")


def check_accelerator(name: str) -> None:
    """Refuse what Fabric would not find.

    Raises:
        ValueError: it is none of cpu, cuda, mps and auto, or this machine has none.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "auto": True}
    if name not in there:
        raise ValueError(f"no accelerator is called {name!r}; there are: {', '.join(there)}")
    if not there[name]:
        raise ValueError(f"torch finds no {name} on this machine: leave --accelerator out, or say auto")


def logger_names(text: str) -> tuple[str, ...]:
    """The loggers that a user names: csv, tensorboard, both separated by a comma, or none.

    Raises:
        ValueError: one that is not known.

    Example:
        >>> logger_names("csv, tensorboard"), logger_names("none")
        (('csv', 'tensorboard'), ())
    """
    words = () if text.strip().lower() == "none" else tuple(word.strip() for word in text.split(","))
    for word in words:
        if word not in LOGGERS:
            raise ValueError(f"no logger is called {word!r}; there are: {', '.join(LOGGERS)}, or none")
    return words


def make_loggers(folder: Path, names: Sequence[str], config: Mapping[str, Any]) -> list[Any]:
    """Fabric's loggers, begun anew: a training tells them a resumed run's past. Also writes config.yaml.

    Args:
        folder: of the run.
        names: from `logger_names`.
        config: plain values; versions and machine are added.

    Raises:
        ValueError: a logger's package is missing.
    """
    from lightning.fabric.loggers.csv_logs import CSVLogger
    from lightning.fabric.loggers.tensorboard import TensorBoardLogger

    write_text(folder / "config.yaml", yaml.safe_dump({**config, "versions": versions(), "machine": machine()},
                                                      sort_keys=False, allow_unicode=True))
    made: list[Any] = []
    for name in _LOGS:
        if (folder / name).is_dir():
            _remove([_aside(folder, name)])
            (folder / name).rename(_aside(folder, name))
    if "csv" in names:
        made.append(CSVLogger(folder, name="metrics", version="", flush_logs_every_n_steps=1))
    if "tensorboard" in names:
        try:
            made.append(TensorBoardLogger(folder, name="tensorboard", version=""))
        except ModuleNotFoundError as error:
            raise ValueError("the tensorboard logger needs its package: pip install tensorboard") from error
    return made


def setting(text: str) -> tuple[str, Any]:
    """Read `name=value`; the value as YAML has it: numbers, true, null, words, [lists].

    Raises:
        ValueError: it is not written so.

    Example:
        >>> setting("drop-edge=[0.1, 0.2]")
        ('drop_edge', [0.1, 0.2])
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"write a setting as name=value, not {text!r}")
    try:
        read = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"the value of {key} cannot be read: {value!r}") from error
    if isinstance(read, str):
        with suppress(ValueError):
            read = float(read)  # 1e-3 is a word to YAML
    return key.strip().replace("-", "_"), read


def chosen(options: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """What a user sets: by options of their own, None where one was left out, and as `name=value`.

    Raises:
        ValueError: one is given in both ways (but the seed, whose option is never left out), or not written so.

    Example:
        >>> chosen({"epochs": 5, "k": None}, ["k=3"])
        {'epochs': 5, 'k': 3}
    """
    found = {key: value for key, value in options.items() if value is not None}
    for each in settings:
        key, value = setting(each)
        if key in found and key != "seed":
            raise ValueError(f"{key} is given twice")
        found[key] = value
    return found


@contextmanager
def progress_bar(epochs: int, quiet: bool) -> Iterator[Callable[[int, int, float], None] | None]:
    """What shows a training's progress on a terminal; None elsewhere, or where it is to be quiet."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TextColumn("loss {task.fields[loss]:.4f}"),
               TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=epochs, loss=float("nan"))
        yield lambda done, of, loss: bar.update(task, completed=done, loss=loss)
