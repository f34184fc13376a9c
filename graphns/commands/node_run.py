"""One training of a method on nodes as a folder: what was asked, how it went, and the embeddings."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from graphns.base import Sampler
from graphns.compare import specs
from graphns.compare.files import replacing, write_json, write_text
from graphns.compare.settings import import_module
from graphns.compare.surroundings import machine, versions
from graphns.data import load, spelled
from graphns.data.node import NodeData
from graphns.pipelines import methods
from graphns.pipelines.method import NodeMethod
from graphns.pipelines.node import NodeResult, fit
from graphns.pipelines.node_config import NodeConfig

GIVEN = {"model": None, "features": "features"}
"""What training on nodes can give to samplers that need it, and the option that takes it."""
LOGGERS = ("csv", "tensorboard")
_OURS = ("config.yaml", "checkpoint.pt", "embeddings.npy", "result.json", "metrics", "tensorboard")


@dataclass(frozen=True)
class NodeRun:
    """What a training is told; `NodeRun.make` checks it.

    Args:
        data: name or file of the data set.
        method: in `graphns.pipelines.methods`.
        config: settings of the method.
        spec: the sampler; None: the method's own.
        root: folder of the data sets; None: the usual one.
        loggers: of `LOGGERS`.
        normalize: see `graphns.data.load`.

    Example:
        >>> NodeRun.make("digits", sampler="uniform", settings=("k=8",)).config.to_dict()["k"]
        8
    """

    data: str
    method: str
    config: NodeConfig
    spec: specs.Spec | None = None
    root: str | None = None
    loggers: tuple[str, ...] = ()
    normalize: bool | None = None

    @classmethod
    def make(cls, data: str, *, method: str = "grace", sampler: str | None = None, seed: int = 0,
             epochs: int | None = None, patience: int | None = None, settings: tuple[str, ...] = (),
             root: str | Path | None = None, loggers: str = "csv", imports: tuple[str, ...] = (),
             normalize: bool | None = None) -> NodeRun:
        """A training from what a user writes.

        Raises:
            ValueError: an unknown method, sampler, setting or logger, or one that does not fit.
        """
        for module in imports:
            import_module(module)
        found = methods.find(method)
        name = methods.name_of(found)
        changes: dict[str, Any] = {"seed": seed}
        for key, value in (("epochs", epochs), ("patience", patience)):
            if value is not None:
                changes[key] = value
        for each in settings:
            key, value = setting(each)
            if key in changes and key != "seed":
                raise ValueError(f"{key} is given twice")
            changes[key] = value
        config = found.config_class.preset(Path(data).stem if Path(data).suffix else spelled(data), **changes)
        spec = None
        if sampler is not None:
            if not found.takes_sampler:
                raise ValueError(f"{name} draws no negatives: leave --sampler out")
            spec = specs.parse(sampler)
            specs.misfits((spec,), GIVEN, f"training {name}")
        words = () if loggers.strip().lower() == "none" else tuple(word.strip() for word in loggers.split(","))
        for word in words:
            if word not in LOGGERS:
                raise ValueError(f"no logger is called {word!r}; there are: {', '.join(LOGGERS)}, or none")
        return cls(data, name, config, spec, None if root is None else str(root), words, normalize)

    def go(self, folder: Path, *, command: str = "", checkpoint_every: int = 25, accelerator: str = "cpu",
           precision: str = "32-true", threads: int | None = None, quiet: bool = False) -> NodeResult:
        """Train, or go on with the training that `folder` holds, and write into it.

        Files: config.yaml, what was asked; checkpoint.pt; metrics/metrics.csv and tensorboard/, a row an epoch;
        embeddings.npy, [N, d] float32; result.json, the last loss and the times.

        Raises:
            ValueError: the folder holds other files or another run; the data cannot be had; see `fit`.
        """
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder} is a file; name a folder with --out")
        if folder.is_dir() and any(each.name not in _OURS for each in folder.iterdir() if each.name[:1] != "."):
            raise ValueError(f"{folder} holds other files; name a new folder with --out")
        if threads is not None:
            torch.set_num_threads(threads)
        data = load(self.data, self.root, normalize=self.normalize)
        fresh = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._check_folder(folder)
            sampler = self.sampler(data)
            with _progress(self.config.epochs, quiet) as progress:
                result = fit(self.method_class, data, sampler, self.config, folder=folder, progress=progress,
                             checkpoint_every=checkpoint_every, accelerator=accelerator, precision=precision,
                             loggers=self._loggers(folder, command))
        except ValueError:
            if fresh and not (folder / "checkpoint.pt").exists():
                shutil.rmtree(folder)  # refused before anything was done
            raise
        with replacing(folder / "embeddings.npy") as temporary:
            np.save(temporary, result.embeddings.numpy(), allow_pickle=False)
        write_json(folder / "result.json", {
            "epochs": len(result.losses), "epoch": result.epoch, "loss": result.losses[-1] if result.losses else None,
            "seconds": sum(result.epoch_seconds), "sample_seconds": sum(result.sample_seconds),
            "num_drawn": result.num_drawn, "num_nodes": data.num_nodes, "size": result.embeddings.shape[1]})
        return result

    @property
    def method_class(self) -> type[NodeMethod]:
        """The class of the method."""
        return methods.find(self.method)

    def sampler(self, data: NodeData) -> Sampler | None:
        """The sampler over the data's graph; None: the method's own."""
        if self.spec is None:
            return None
        settings = self.config.to_dict()
        defaults = {"exclude": settings.get("exclude", "self"), "popularity": "uniform", "features": lambda: data.dense}
        if "k" in settings:
            defaults["pool"] = 4 * settings["k"]  # as in a comparison
        return self.spec.build(data.graph, **defaults)

    def as_dict(self) -> dict[str, Any]:
        """Plain values: what decides the run."""
        return {"data": self.data, "method": self.method, "sampler": None if self.spec is None else self.spec.text,
                "seed": self.config.seed, "normalize": self.normalize, "settings": self.config.to_dict()}

    def _check_folder(self, folder: Path) -> None:
        path = folder / "config.yaml"
        if not path.is_file():
            return
        try:
            theirs = yaml.safe_load(path.read_text(encoding="utf-8"))
            theirs = {"normalize": None, **theirs}  # a folder of an earlier version has none
            theirs = {key: theirs[key] for key in self.as_dict()}
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no config of a training; name a new folder with --out") from error
        ours = self.as_dict()
        pairs = [(key, theirs[key], ours[key]) for key in ("data", "method", "sampler", "normalize")]
        pairs += [(key, theirs["settings"].get(key), ours["settings"].get(key))
                  for key in {**theirs["settings"], **ours["settings"]} if key != "epochs"]
        for key, other, own in pairs:
            if other != own:
                raise ValueError(f"{folder} holds a run with {key} = {other}, now it is {own}: name another folder "
                                 "with --out, or delete this one")

    def _loggers(self, folder: Path, command: str) -> list[Any]:
        """Fabric's loggers, begun anew: `fit` tells them a resumed run's past. Also writes config.yaml."""
        from lightning.fabric.loggers.csv_logs import CSVLogger
        from lightning.fabric.loggers.tensorboard import TensorBoardLogger

        config = {"command": command, **self.as_dict(), "root": self.root, "versions": versions(),
                  "machine": machine()}
        write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        made: list[Any] = []
        for name in ("metrics", "tensorboard"):
            shutil.rmtree(folder / name, ignore_errors=True)
        if "csv" in self.loggers:
            made.append(CSVLogger(folder, name="metrics", version="", flush_logs_every_n_steps=1))
        if "tensorboard" in self.loggers:
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


@contextmanager
def _progress(epochs: int, quiet: bool) -> Iterator[Callable[[int, int, float], None] | None]:
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
