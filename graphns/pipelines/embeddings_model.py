"""The model of training on vectors: a head that projects each row by itself, and the cosine over a temperature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from graphns.data.link import LinkData
from graphns.encoders.message_passing import Adjacency
from graphns.encoders.sparse import Sparse
from graphns.pipelines.embeddings_config import EmbeddingConfig
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel
from graphns.scorers.decoders import Dot


class EmbeddingModel(LinkModel):
    r"""Projections :math:`z_i = h(x_i) / \lVert h(x_i) \rVert` and scores :math:`\langle z_u, z_v \rangle / \tau`.

    Args:
        data: its sizes.
        config: of the run.
        head: what projects rows [n, F] to [n, d]; None: the perceptron of the settings.

    Raises:
        ValueError: the head does not give a row of numbers for each row.

    Example:
        >>> from graphns.data import load_vectors
        >>> from graphns.pipelines.embeddings_data import EmbeddingTask
        >>> task = EmbeddingTask.make(load_vectors("digits"), EmbeddingConfig())
        >>> EmbeddingModel.seeded(task.links, EmbeddingConfig(size=8)).project(task.data.x).shape
        torch.Size([1797, 8])
    """

    def __init__(self, data: LinkData, config: LinkConfig, head: nn.Module | None = None) -> None:
        super().__init__(data, config)
        assert isinstance(config, EmbeddingConfig)
        self.normalize = config.normalize
        self.decoder = _Scaled(config.temperature)
        if head is not None:
            assert isinstance(data.x, Tensor)
            _check_head(head.to(data.device), data.x)
            self.encoder: nn.Module = _Rowwise(head)  # type: ignore[assignment]

    @classmethod
    def seeded(cls, data: LinkData, config: LinkConfig, head: nn.Module | None = None) -> Self:
        """The untrained model of a run: weights drawn by `config.seed`, torch's generator left as it was.

        A head that is given keeps its own weights.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return cls(data, config, head).to(data.device)

    def forward(self, features: Tensor | Sparse | None, adjacency: Adjacency | Sequence[Adjacency],
                nodes: Tensor | None = None) -> Tensor:
        """Embeddings [n, d] of rows [n, F]; edges are not read."""
        table: Tensor = self.encoder(features, adjacency, nodes)
        return normalize(table) if self.normalize else table

    @torch.no_grad()
    def project(self, x: Tensor) -> Tensor:
        """Embeddings [n, d] of any rows [n, F], without gradient, nothing dropped."""
        training = self.training
        self.eval()
        try:
            nothing = torch.empty(2, 0, dtype=torch.int64, device=x.device)
            return self.forward(x, nothing)
        finally:
            self.train(training)


class _Scaled(nn.Module):
    """The dot product over a temperature; called as the decoders of `graphns.scorers.decoders`."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature, self.dot = temperature, Dot()

    def forward(self, anchors: Tensor, table: Tensor, ids: Tensor, anchor_ids: Tensor | None = None,
                nodes: Tensor | None = None) -> Tensor:
        scores: Tensor = self.dot(anchors / self.temperature, table, ids)
        return scores


def _check_head(head: nn.Module, x: Tensor) -> None:
    """Refuse a head that does not turn rows into rows."""
    two, training = x[:2], head.training
    try:
        with torch.no_grad():
            found = head.eval()(two)
    except RuntimeError as error:
        raise ValueError(f"the head cannot read rows [n, {x.shape[1]}]: {error}") from error
    finally:
        head.train(training)
    if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(two):
        raise ValueError(f"the head must give [n, d] of rows [n, {x.shape[1]}], got "
                         f"{tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__} of "
                         f"{len(two)} rows")


class _Rowwise(nn.Module):
    """A module of rows in the place of an encoder of nodes."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def adjacency(self, edge_index: Tensor, dense: bool | None = None) -> Tensor:
        return edge_index

    def forward(self, features: Tensor, adjacency: Adjacency | Sequence[Adjacency],
                nodes: Tensor | None = None) -> Tensor:
        found: Tensor = self.head(features)
        return found
