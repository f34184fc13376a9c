"""What the tests of methods on nodes share: small data, and a run that is cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.base import Sampler
from graphns.data.node import NodeData
from graphns.encoders.sparse import Sparse
from graphns.pipelines.method import NodeMethod
from graphns.pipelines.node import fit
from graphns.pipelines.node_config import NodeConfig


def tiny(num_nodes: int = 30, sparse: bool = False) -> NodeData:
    """A random graph; `sparse` features have one entry or two in twenty."""
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(num_nodes, (2, 60), generator=generator)
    x = torch.rand(num_nodes, 20 if sparse else 12, generator=generator)
    return NodeData("tiny", x * (x > 0.93) if sparse else x, edges, torch.arange(num_nodes) % 3)


def dense_of(data: NodeData) -> NodeData:
    """The same data, whose features are multiplied as a dense matrix."""
    assert isinstance(data.features, Sparse)
    dense = NodeData(data.name, data.x, data.edge_index, data.y)
    vars(dense)["features"] = dense.x  # where the cached property keeps its answer
    return dense


def propagation(data: NodeData) -> Tensor:
    """The propagation matrix of a GCN [N, N], from its formula."""
    adjacency = torch.eye(data.num_nodes)
    adjacency[data.edge_index[1], data.edge_index[0]] = 1
    scale = adjacency.sum(1) ** -0.5
    return scale[:, None] * adjacency * scale


class Cut(Exception):
    """The power goes out."""


def cut_after(epochs: int) -> Callable[[int, int, float], None]:
    """A progress callback that ends the run after some epochs."""
    def progress(done: int, total: int, loss: float) -> None:
        if done == epochs:
            raise Cut

    return progress


def check_cut_off_run(method: type[NodeMethod], data: NodeData, config: NodeConfig, folder: Path,
                      sampler: Callable[[], Sampler | None] = lambda: None) -> None:
    """A run cut off after epoch 5 and gone on with ends with the bits of one that was not."""
    whole = fit(method, data, sampler(), config)
    with pytest.raises(Cut):
        fit(method, data, sampler(), config, folder=folder, checkpoint_every=2, progress=cut_after(5))
    epochs: list[int] = []
    resumed = fit(method, data, sampler(), config, folder=folder, progress=lambda done, *_: epochs.append(done))
    assert epochs[0] == 5  # the last checkpoint was of 4
    assert torch.equal(resumed.embeddings, whole.embeddings)
    assert resumed.losses == whole.losses and resumed.num_drawn == whole.num_drawn
    for (name, ours), (_, theirs) in zip(resumed.model.state_dict().items(), whole.model.state_dict().items(),
                                         strict=True):
        assert torch.equal(ours, theirs), name


def check_seeds(method: type[NodeMethod], data: NodeData, config: NodeConfig) -> None:
    """The seed decides a run, and torch's generator is left alone."""
    state = torch.get_rng_state()
    first, second, other = (fit(method, data, None, config.replace(seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.embeddings, second.embeddings) and first.losses == second.losses
    assert not torch.equal(first.embeddings, other.embeddings)


def gradients(loss: Tensor, parameters: Any) -> list[Tensor]:
    """Of a loss, with the graph kept."""
    return list(torch.autograd.grad(loss, list(parameters), retain_graph=True))
