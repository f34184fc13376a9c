"""DeepWalk and node2vec: skip-gram over random walks, of the first or of the second order."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from graphns.base import Sampler
from graphns.data.node import NodeData
from graphns.graph.walks import random_walks
from graphns.graph.windows import window_contexts
from graphns.pipelines.node import NodeResult, fit
from graphns.pipelines.skipgram import Pairs, SkipGram
from graphns.pipelines.skipgram_config import DeepWalkConfig, Node2VecConfig
from graphns.streams import Stream

_ORDER, _WALK, _WINDOW = range(3)


class WalkSkipGram(SkipGram):
    """Skip-gram whose pairs are nodes near each other on random walks, which are made a batch at a time.

    Args:
        data: its number of nodes is read.
        config: sizes, and all that a step needs.
    """

    config: DeepWalkConfig

    def __init__(self, data: NodeData, config: DeepWalkConfig) -> None:
        super().__init__(data, config)
        self.embedding = self.table(data.num_nodes, config.hidden_size)
        self.context = None if config.tied else self.table(data.num_nodes, config.hidden_size, zero=True)

    @property
    @abstractmethod
    def bias(self) -> tuple[float, float]:
        """Return and in-out parameter of the walks."""

    def tables(self, order: str) -> tuple[nn.Parameter, nn.Parameter]:
        """Embeddings and contexts."""
        return self.embedding, self.embedding if self.context is None else self.context

    def num_steps(self, data: NodeData) -> int:
        """Batches of walks in an epoch."""
        starts = int((data.graph.degree > 0).sum())
        return self.config.walks_per_node * -(-starts // self.config.batch_size)

    def pairs(self, data: NodeData, stream: Stream) -> Iterator[Pairs]:
        """The windows of `walks_per_node` passes over all nodes that have a neighbour, each in an order of its own.

        A node's walk in a pass depends on the stream, the pass and the node alone, not on the batches.
        """
        config = self.config
        starts = (data.graph.degree > 0).nonzero()[:, 0]
        for turn in range(config.walks_per_node):
            order = starts[stream.child(_ORDER, turn).words(starts, 1)[:, 0].argsort()]
            for batch in torch.split(order, config.batch_size) if len(order) else ():
                yield self._windows(data, batch, turn, stream)

    def _windows(self, data: NodeData, start: Tensor, turn: int, stream: Stream) -> Pairs:
        config = self.config
        p, q = self.bias
        walks = random_walks(data.graph, start, config.walk_length - 1, stream.child(_WALK, turn), p=p, q=q, row=start)
        shrink = stream.child(_WINDOW, turn) if config.shrink_window else None
        context, inside = window_contexts(walks, config.window, shrink=shrink, row=start)
        place = torch.arange(config.walk_length, device=walks.device)
        row = ((turn * data.num_nodes + start) * config.walk_length)[:, None] + place
        return Pairs(walks.flatten(), context.flatten(0, 1), inside.flatten(0, 1), row.flatten())

    def embed(self, data: NodeData) -> Tensor:
        """The embeddings [N, hidden_size]; those of nodes without neighbours are as they began."""
        return self.embedding.detach().clone()


class DeepWalk(WalkSkipGram):
    """DeepWalk, with negative sampling: uniform walks.

    Args:
        data: its number of nodes is read.
        config: sizes, and all that a step needs.
    """

    config_class = DeepWalkConfig

    @property
    def bias(self) -> tuple[float, float]:
        """1 and 1: the next node depends on this one alone."""
        return 1.0, 1.0


class Node2Vec(WalkSkipGram):
    """node2vec: walks of the second order, which remember where they came from.

    Args:
        data: its number of nodes is read.
        config: sizes, p and q, and all that a step needs.
    """

    config_class = Node2VecConfig
    config: Node2VecConfig

    @property
    def bias(self) -> tuple[float, float]:
        """The parameters of the config."""
        return self.config.p, self.config.q


def train(data: NodeData, sampler: Sampler | None = None, config: DeepWalkConfig | None = None,
          **options: Any) -> NodeResult:
    """Train DeepWalk, or with a `Node2VecConfig` node2vec, with the negatives of `sampler`.

    Args:
        data: see `graphns.data.load`. Its features are not read; give ``torch.zeros(N, 0)`` where there are none.
        sampler: over `data.graph`. None: degree^0.75.
        config: None: `DeepWalkConfig.preset(data.name)`.
        options: folder, progress, loggers, accelerator, precision, …: see `graphns.pipelines.node.fit`.

    What is random: weights, order of the starts, walks and draws, all keyed by `config.seed`; torch's generator is
    left alone.

    Raises:
        ValueError: the folder holds another run; the sampler gives no ids of nodes; the graph has no edges; the loss is
            no longer finite.

    Example:
        >>> from graphns.data import load
        >>> config = DeepWalkConfig(hidden_size=8, epochs=1, walks_per_node=1, walk_length=5, window=2)
        >>> train(load("digits"), config=config).embeddings.shape
        torch.Size([1797, 8])

    References:
        DeepWalk: Online Learning of Social Representations. KDD 2014.
        Grover, Leskovec: node2vec: Scalable Feature Learning for Networks. KDD 2016.
    """
    return fit(Node2Vec if isinstance(config, Node2VecConfig) else DeepWalk, data, sampler, config, **options)
