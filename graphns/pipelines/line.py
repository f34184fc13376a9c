"""LINE: skip-gram whose pairs are the edges; of the first order, of the second, or of both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphns.base import Sampler
from graphns.data.node import NodeData
from graphns.pipelines.node import NodeResult, fit
from graphns.pipelines.skipgram import Pairs, SkipGram
from graphns.pipelines.skipgram_config import LineConfig
from graphns.streams import Stream


class Line(SkipGram):
    r"""LINE. First order: :math:`u_i^\top u_j` for edges (i, j). Second order: :math:`u_i^\top c_j`.

    Args:
        data: its number of nodes is read.
        config: sizes, order, and all that a step needs.
    """

    config_class = LineConfig
    config: LineConfig

    def __init__(self, data: NodeData, config: LineConfig) -> None:
        super().__init__(data, config)
        self.orders = ("first", "second") if config.order == "both" else (config.order,)
        size = config.hidden_size // len(self.orders)
        self.embedding = nn.ParameterDict({order: self.table(data.num_nodes, size) for order in self.orders})
        self.context = self.table(data.num_nodes, size, zero=True) if "second" in self.orders else None

    def tables(self, order: str) -> tuple[nn.Parameter, nn.Parameter]:
        """One table twice for the first order, embeddings and contexts for the second."""
        embedding = self.embedding[order]
        return embedding, embedding if order == "first" or self.context is None else self.context

    def num_steps(self, data: NodeData) -> int:
        """Batches of edges in an epoch, times the orders."""
        return -(-data.edge_index.shape[1] // self.config.batch_size) * len(self.orders)

    def pairs(self, data: NodeData, stream: Stream) -> Iterator[Pairs]:
        """Every edge in both directions, once an epoch; with both orders, a batch serves the one and then the other."""
        edges = torch.arange(data.edge_index.shape[1], device=data.device)
        order = stream.words(edges, 1)[:, 0].argsort()
        for batch in torch.split(order, self.config.batch_size) if len(order) else ():
            anchor, context = data.edge_index[:, batch]
            for name in self.orders:
                yield Pairs(anchor, context[:, None], None, batch, name)

    def embed(self, data: NodeData) -> Tensor:
        """The embeddings [N, hidden_size]; of both orders side by side, each in rows of length 1: both count."""
        tables = [self.embedding[order].detach() for order in self.orders]
        return tables[0].clone() if len(tables) == 1 else torch.cat([F.normalize(each, dim=1) for each in tables], 1)


def train(data: NodeData, sampler: Sampler | None = None, config: LineConfig | None = None,
          **options: Any) -> NodeResult:
    """Train LINE with the negatives of `sampler`.

    Args:
        data: see `graphns.data.load`. Its features are not read; give ``torch.zeros(N, 0)`` where there are none.
        sampler: over `data.graph`. None: degree^0.75.
        config: None: `LineConfig.preset(data.name)`.
        options: folder, progress, loggers, accelerator, precision, …: see `graphns.pipelines.node.fit`.

    What is random: weights, order of the edges and draws, all keyed by `config.seed`; torch's generator is left alone.

    Raises:
        ValueError: the folder holds another run; the sampler gives no ids of nodes; the graph has no edges; the loss is
            no longer finite.

    Example:
        >>> from graphns.data import load
        >>> train(load("digits"), config=LineConfig(hidden_size=8, epochs=1)).embeddings.shape
        torch.Size([1797, 8])

    References:
        LINE: Large-scale Information Network Embedding. WWW 2015.
    """
    return fit(Line, data, sampler, config, **options)
