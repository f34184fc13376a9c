"""One training on vectors as a folder: what was asked, how it went, the head and what its embeddings retrieve."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphns.base import Sampler
from graphns.commands.run_folder import check_accelerator, chosen, logger_names, make_loggers, progress_bar, run_folder
from graphns.compare import specs
from graphns.compare.files import replacing, write_json
from graphns.compare.link_source import GIVEN, link_sampler
from graphns.compare.settings import import_module
from graphns.data.own_vectors import read_vectors
from graphns.data.vectors import VectorData, load_vectors
from graphns.pipelines.embeddings import EmbeddingResult, train
from graphns.pipelines.embeddings_config import EmbeddingConfig
from graphns.pipelines.embeddings_data import EmbeddingTask

_OURS = ("config.yaml", "checkpoint.pt", "embeddings.npy", "model.pt", "result.json", "metrics", "tensorboard")


@dataclass(frozen=True)
class VectorSource:
    """Which vectors; the arguments of `load_vectors`, or of `read_vectors` where `data` is an `.npy` file.

    Args:
        data: name or file.
        labels: file of labels, of one's own vectors.
        pairs: file of known pairs, of one's own vectors.
        features: of a named set: "tfidf", "encoder", "pixels" or "pca"; None: as usual.
        dim: columns after "tfidf" or "pca".
        encoder: a sentence-transformers model.
        root: folder of the data sets; None: the usual one.
    """

    data: str
    labels: str | None = None
    pairs: str | None = None
    features: str | None = None
    dim: int | None = None
    encoder: str | None = None
    root: str | None = None

    def load(self) -> VectorData:
        """The vectors.

        Raises:
            ValueError: they cannot be had, or an option does not belong to them.
        """
        if Path(self.data).suffix == ".npy":
            for name in ("features", "dim", "encoder"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{self.data} holds vectors already: leave --{name} out")
            return read_vectors(self.data, self.labels, self.pairs)
        if Path(self.data).suffix in (".npz", ".csv", ".txt", ".pt"):
            raise ValueError(f"{self.data} is no .npy file: save the vectors with numpy.save")
        for name in ("labels", "pairs"):
            if getattr(self, name) is not None:
                raise ValueError(f"{self.data} has what is published of it: --{name} belongs to a file of vectors")
        return load_vectors(self.data, self.root, self.features, dim=self.dim,  # type: ignore[arg-type]
                            encoder=self.encoder)


@dataclass(frozen=True)
class EmbeddingRun:
    """What a training is told; `EmbeddingRun.make` checks it.

    Args:
        source: the vectors.
        config: settings of the training.
        spec: the sampler; None: uniform, known neighbours left out.
        loggers: see `graphns.commands.run_folder.logger_names`.

    Example:
        >>> EmbeddingRun.make(VectorSource("digits"), sampler="degree", settings=("k=8",)).config.k
        8
    """

    source: VectorSource
    config: EmbeddingConfig
    spec: specs.Spec | None = None
    loggers: tuple[str, ...] = ()

    @classmethod
    def make(cls, source: VectorSource, *, sampler: str | None = None, settings: tuple[str, ...] = (),
             loggers: str = "csv", imports: tuple[str, ...] = (), **changes: Any) -> EmbeddingRun:
        """A training from what a user writes.

        Args:
            source: the vectors.
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
        config = EmbeddingConfig.preset(source.data, **chosen(changes, settings))
        spec = None if sampler is None else specs.parse(sampler)
        if spec is not None:
            specs.misfits((spec,), GIVEN, "training on vectors")
        return cls(source, config, spec, logger_names(loggers))

    def go(self, folder: Path, *, command: str = "", checkpoint_every: int = 25, accelerator: str = "cpu",
           threads: int | None = None, quiet: bool = False) -> EmbeddingResult:
        """Train, or go on with the training that `folder` holds, and write into it.

        Files: config.yaml, what was asked; checkpoint.pt; metrics/metrics.csv and tensorboard/, a row an epoch;
        model.pt, the weights of the chosen epoch; embeddings.npy, [N, d] float32, of all rows; result.json, every
        metric, what share of the negatives had the anchor's label, and the times.

        Raises:
            ValueError: the folder holds other files or another run; the data or the accelerator cannot be had; see
                `EmbeddingTask.make` and `train`.
        """
        check_accelerator(accelerator)
        with run_folder(folder, _OURS, self.as_dict()):
            if threads is not None:
                torch.set_num_threads(threads)
            task = EmbeddingTask.make(self.source.load(), self.config)
            sampler = self.sampler(task)
            with progress_bar(self.config.epochs, quiet) as progress:
                result = train(task, sampler, self.config, folder=folder, progress=progress,
                               checkpoint_every=checkpoint_every, accelerator=accelerator,
                               loggers=make_loggers(folder, self.loggers, {"command": command, **self.as_dict(),
                                                                           "root": self.source.root}))
        with replacing(folder / "embeddings.npy") as temporary:
            np.save(temporary, result.embeddings.numpy(), allow_pickle=False)
        with replacing(folder / "model.pt") as temporary:
            torch.save(result.model.cpu().state_dict(), temporary)
        write_json(folder / "result.json", {
            "epochs": len(result.losses), "epoch": result.epoch, "metric": task.links.metric, "valid": result.valid,
            "test": result.test, "raw": result.raw, "false_negatives": result.false_negatives,
            "false_by_epoch": result.false_by_epoch, "loss": result.losses[-1] if result.losses else None,
            "seconds": sum(result.epoch_seconds), "sample_seconds": sum(result.sample_seconds),
            "num_drawn": result.num_drawn, "num_rows": len(task.data), "num_trained": len(task.rows),
            "size": result.embeddings.shape[1]})
        return result

    def sampler(self, task: EmbeddingTask) -> Sampler | None:
        """The sampler over the graph of the rows trained on; None: the pipeline's own."""
        return None if self.spec is None else link_sampler(self.spec, task.links, self.config.k, self.config.size)

    def as_dict(self) -> dict[str, Any]:
        """Plain values: what decides the run."""
        source = {key: value for key, value in asdict(self.source).items() if key != "root"}
        return {"task": "embeddings", **source, "sampler": None if self.spec is None else self.spec.text,
                "seed": self.config.seed, "settings": self.config.to_dict()}
