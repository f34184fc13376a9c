"""One training of link prediction as a folder: what was asked, how it went, the model and what it scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from graphns.base import Sampler
from graphns.commands.run_folder import check_accelerator, chosen, logger_names, make_loggers, progress_bar, run_folder
from graphns.compare import specs
from graphns.compare.files import replacing, write_json
from graphns.compare.link_source import GIVEN, LinkSource, link_sampler
from graphns.compare.settings import import_module
from graphns.data.link import LinkData
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel
from graphns.pipelines.link_prediction import LinkResult, train

_OURS = ("config.yaml", "checkpoint.pt", "embeddings.npy", "model.pt", "result.json", "metrics", "tensorboard")


@dataclass(frozen=True)
class LinkRun:
    """What a training is told; `LinkRun.make` checks it.

    Args:
        source: the data and their split.
        config: settings of the training.
        spec: the sampler; None: uniform, known neighbours left out.
        loggers: see `graphns.commands.run_folder.logger_names`.

    Example:
        >>> LinkRun.make(LinkSource("digits"), sampler="degree", settings=("k=8",)).config.k
        8
    """

    source: LinkSource
    config: LinkConfig
    spec: specs.Spec | None = None
    loggers: tuple[str, ...] = ()

    @classmethod
    def make(cls, source: LinkSource, *, sampler: str | None = None, settings: tuple[str, ...] = (),
             loggers: str = "csv", imports: tuple[str, ...] = (), **changes: Any) -> LinkRun:
        """A training from what a user writes.

        Args:
            source: the data and their split.
            sampler: name and options.
            settings: each as name=value.
            loggers: names.
            imports: modules that may register samplers.
            changes: settings by name; None leaves one as it is.

        Raises:
            ValueError: an unknown sampler, setting or logger, or one that does not fit.
        """
        for module in imports:
            import_module(module)
        config = LinkConfig.preset(source.data, **chosen(changes, settings))
        spec = None if sampler is None else specs.parse(sampler)
        if spec is not None:
            specs.misfits((spec,), GIVEN, "training links")
        return cls(source, config, spec, logger_names(loggers))

    def go(self, folder: Path, *, command: str = "", checkpoint_every: int = 25, accelerator: str = "cpu",
           threads: int | None = None, quiet: bool = False) -> LinkResult:
        """Train, or go on with the training that `folder` holds, and write into it.

        Files: config.yaml, what was asked; checkpoint.pt; metrics/metrics.csv and tensorboard/, a row an epoch;
        model.pt, the weights of the chosen epoch; embeddings.npy, [N, d] float32; result.json, every metric on
        validation and test edges, and the times.

        Raises:
            ValueError: the folder holds other files or another run; the data or the accelerator cannot be had; see
                `train`.
        """
        check_accelerator(accelerator)
        with run_folder(folder, _OURS, self.as_dict()):
            if threads is not None:
                torch.set_num_threads(threads)
            data = self.source.load()
            sampler = self.sampler(data)
            with progress_bar(self.config.epochs, quiet) as progress:
                result = train(data, sampler, self.config, folder=folder, progress=progress,
                               checkpoint_every=checkpoint_every, accelerator=accelerator,
                               loggers=make_loggers(folder, self.loggers, {"command": command, **self.as_dict(),
                                                                           "root": self.source.root}))
        with replacing(folder / "embeddings.npy") as temporary:
            np.save(temporary, result.embeddings.numpy(), allow_pickle=False)
        with replacing(folder / "model.pt") as temporary:
            torch.save(result.model.cpu().state_dict(), temporary)
        write_json(folder / "result.json", {
            "epochs": len(result.losses), "epoch": result.epoch, "metric": data.metric,
            "valid": result.valid.as_dict(), "test": result.test.as_dict(),
            "loss": result.losses[-1] if result.losses else None, "seconds": sum(result.epoch_seconds),
            "sample_seconds": sum(result.sample_seconds), "num_drawn": result.num_drawn,
            "num_nodes": data.num_nodes, "size": result.embeddings.shape[1]})
        return result

    def sampler(self, data: LinkData) -> Sampler | None:
        """The sampler over the training graph; None: the pipeline's own."""
        return None if self.spec is None else link_sampler(self.spec, data, self.config.k, self.config.size)

    def as_dict(self) -> dict[str, Any]:
        """Plain values: what decides the run."""
        source = {key: value for key, value in asdict(self.source).items() if key != "root"}
        return {"task": "link", **source, "sampler": None if self.spec is None else self.spec.text,
                "seed": self.config.seed, "settings": self.config.to_dict()}


def read_run(folder: Path) -> tuple[LinkSource, LinkConfig]:
    """What a folder of `graphns train link` was asked.

    Raises:
        ValueError: it is no such folder.
    """
    path = folder / "config.yaml"
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    if not path.is_file():
        raise ValueError(f"{folder} holds no config.yaml: it is no run of 'graphns train link'")
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
        if read["task"] != "link":
            raise KeyError
        names = LinkSource.__dataclass_fields__
        return LinkSource(**{name: read[name] for name in names}), LinkConfig.from_dict(read["settings"])
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no config of 'graphns train link'") from error


def read_model(folder: Path, data: LinkData, config: LinkConfig) -> LinkModel:
    """The trained model of a folder.

    Raises:
        ValueError: its training is not finished, or it cannot be read, or it does not fit the data.
    """
    path = folder / "model.pt"
    if not path.is_file():
        raise ValueError(f"{folder} holds no model.pt: its training is not finished")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in many ways
        raise ValueError(f"{path} is no model that can be read ({type(error).__name__}): the command that trained it "
                         "writes it anew") from error
    model = LinkModel.seeded(data, config)
    try:
        model.load_state_dict(saved)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} does not fit {data.name}: {error}") from error
    return model.eval()
