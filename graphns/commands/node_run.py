"""One training of a method on nodes as a folder: what was asked, how it went, and the embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphns.base import Sampler
from graphns.commands.run_folder import check_accelerator, chosen, logger_names, make_loggers, progress_bar, run_folder
from graphns.compare import specs
from graphns.compare.files import replacing, write_json
from graphns.compare.settings import import_module
from graphns.data import load, spelled
from graphns.data.node import NodeData
from graphns.pipelines import methods
from graphns.pipelines.method import NodeMethod
from graphns.pipelines.node import NodeResult, fit
from graphns.pipelines.node_config import NodeConfig

GIVEN = {"model": None, "features": "features"}
"""What training on nodes can give to samplers that need it, and the option that takes it."""
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
        loggers: see `graphns.commands.run_folder.logger_names`.
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
        changes = chosen({"seed": seed, "epochs": epochs, "patience": patience}, settings)
        config = found.config_class.preset(Path(data).stem if Path(data).suffix else spelled(data), **changes)
        spec = None
        if sampler is not None:
            if not found.takes_sampler:
                raise ValueError(f"{name} draws no negatives: leave --sampler out")
            spec = specs.parse(sampler)
            specs.misfits((spec,), GIVEN, f"training {name}")
        return cls(data, name, config, spec, None if root is None else str(root), logger_names(loggers), normalize)

    def go(self, folder: Path, *, command: str = "", checkpoint_every: int = 25, accelerator: str = "cpu",
           precision: str = "32-true", threads: int | None = None, quiet: bool = False) -> NodeResult:
        """Train, or go on with the training that `folder` holds, and write into it.

        Files: config.yaml, what was asked; checkpoint.pt; metrics/metrics.csv and tensorboard/, a row an epoch;
        embeddings.npy, [N, d] float32; result.json, the last loss and the times.

        Raises:
            ValueError: the folder holds other files or another run; the data cannot be had; see `fit`.
        """
        check_accelerator(accelerator)
        with run_folder(folder, _OURS, self.as_dict()):
            if threads is not None:
                torch.set_num_threads(threads)
            data = load(self.data, self.root, normalize=self.normalize)
            sampler = self.sampler(data)
            with progress_bar(self.config.epochs, quiet) as progress:
                result = fit(self.method_class, data, sampler, self.config, folder=folder, progress=progress,
                             checkpoint_every=checkpoint_every, accelerator=accelerator, precision=precision,
                             loggers=make_loggers(folder, self.loggers, {"command": command, **self.as_dict(),
                                                                         "root": self.root}))
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
