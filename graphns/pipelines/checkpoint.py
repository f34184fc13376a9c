"""Checkpoints of a training run: written whole or not at all, and resumed only by the run that wrote them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphns.base import Sampler
from graphns.data.node import NodeData
from graphns.encoders.sparse import Sparse

NAME = "checkpoint.pt"
_FORMAT = 1


@dataclass
class Log:
    """What a run has measured so far, one entry an epoch."""

    losses: list[float] = field(default_factory=list)
    epoch_seconds: list[float] = field(default_factory=list)
    sample_seconds: list[float] = field(default_factory=list)
    num_drawn: int = 0

    def add(self, loss: float, epoch_seconds: float, sample_seconds: float, num_drawn: int) -> None:
        """Note one epoch."""
        self.losses.append(loss)
        self.epoch_seconds.append(epoch_seconds)
        self.sample_seconds.append(sample_seconds)
        self.num_drawn += num_drawn


class Checkpoint:
    """The one checkpoint of a run in a folder.

    Args:
        folder: None keeps nothing.
        parts: modules and optimisers by name, whose states are the run's.
        identity: what makes it this run, as it begins; plain values. The key "epochs" of its "config" may grow.
    """

    def __init__(self, folder: str | Path | None, parts: dict[str, Any], identity: dict[str, Any]) -> None:
        self.path = None if folder is None else Path(folder) / NAME
        self.parts = parts
        self.identity = identity

    def save(self, log: Log) -> None:
        """Write the state beside the old one and put it in its place in one rename."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        state = {name: part.state_dict() for name, part in self.parts.items()}
        fresh = self.path.with_name(f".{NAME}.{os.getpid()}")
        torch.save({"format": _FORMAT, "identity": self.identity, "log": asdict(log), "state": state}, fresh)
        os.replace(fresh, self.path)

    def resume(self) -> Log:
        """Load the state, if there is one, into the parts.

        Raises:
            ValueError: the folder holds the checkpoint of another run, or a file that is none.
        """
        if self.path is None or not self.path.exists():
            return Log()
        saved = read(self.path)
        for key, value in self.identity.items():
            other = saved["identity"].get(key)
            if isinstance(value, dict) and isinstance(other, dict):
                for name in sorted(set(value) | set(other)):
                    if name != "epochs" and value.get(name) != other.get(name):
                        self._refuse(f"{key} {name}={other.get(name)!r}, not {value.get(name)!r}")
            elif other != value:
                self._refuse(f"{key}={other!r}, not {value!r}")
        log = Log(**saved["log"])
        epochs = self.identity.get("config", {}).get("epochs", len(log.losses))
        if len(log.losses) > epochs:
            self._refuse(f"{len(log.losses)} epochs done, more than epochs={epochs}")
        for name, part in self.parts.items():
            part.load_state_dict(saved["state"][name])
        return log

    def _refuse(self, difference: str) -> None:
        raise ValueError(f"{self.path} is the checkpoint of another run ({difference}): choose another folder, or "
                         "delete the file")


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint file, read without executing it.

    Raises:
        ValueError: it is no checkpoint, or one of a newer format.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} is no checkpoint that can be read ({type(error).__name__}): delete it") from error
    if not isinstance(saved, dict) or saved.get("format") != _FORMAT:
        raise ValueError(f"{path} is no checkpoint of format {_FORMAT}: delete it, or use the graphns that wrote it")
    return saved


def sampler_options(sampler: Sampler) -> dict[str, Any]:
    """The plain options of a sampler and of those it is made of: numbers, words, flags and None.

    Example:
        >>> from graphns import Graph, Uniform, Hardest
        >>> sampler_options(Hardest(Uniform(Graph.empty(9)), pool=4))["pool"]
        4
    """
    found: dict[str, Any] = {}
    for path, module in sampler.named_modules():
        if not isinstance(module, Sampler):
            continue
        if path:
            found[path] = type(module).__name__
        for name, value in vars(module).items():
            if name.startswith("_") or name == "training":
                continue
            for kind in (bool, int, float, str):  # of a subclass, the value: a file is read without its class
                if isinstance(value, kind):
                    found[f"{path}.{name}" if path else name] = kind(value)
                    break
            if value is None:
                found[f"{path}.{name}" if path else name] = None
    return found


def ordered_sum(values: Tensor) -> int:
    """A number that tells integers [n] apart, and their order."""
    return int((values * (2 * torch.arange(len(values), device=values.device) + 1)).sum())


def fingerprint(data: NodeData) -> dict[str, Any]:
    """Plain numbers that tell one data set from another, or from the same in another order."""
    edges = data.edge_index.cpu()
    mixed = ordered_sum(edges[0] * 31 + edges[1] * 17 + (edges[0] ^ edges[1]))
    return {"num_nodes": data.num_nodes, "num_features": data.num_features, "num_edges": edges.shape[1],
            "edges": mixed, "features": weighed(data.x)}


def weighed(x: Tensor | Sparse) -> float:
    """A number that tells features [N, F] apart, and their order."""
    device = x.device if isinstance(x, Tensor) else x.matrix.device
    row, column = (1 + (torch.arange(size, device=device) % 997).double() / 997 for size in x.shape)
    sums = row @ x.double() if isinstance(x, Tensor) else (x.transposed.double() @ row[:, None])[:, 0]
    return round(float(sums @ column), 3)
