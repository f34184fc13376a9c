"""The model of link prediction: an encoder of all nodes and a decoder of pairs; and what samplers see of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from graphns.base import Negatives
from graphns.data.link import LinkData
from graphns.encoders.message_passing import Adjacency, NodeEncoder
from graphns.encoders.sparse import Sparse
from graphns.graph.graph import Graph
from graphns.pipelines.link_config import LinkConfig
from graphns.scorers.decoders import Bilinear, Dot, HadamardMLP, places
from graphns.scorers.ncn import CommonNeighborMLP


class Table(NamedTuple):
    """Vectors of all nodes, or of those that a mini-batch embeds.

    Attributes:
        vectors: [n, d].
        nodes: [n] int64, whose they are, rising; None: row i is node i's.

    Example:
        >>> Table(torch.eye(2), torch.tensor([3, 8])).of(torch.tensor([8]))
        tensor([[0., 1.]])
    """

    vectors: Tensor
    nodes: Tensor | None = None

    def places(self, ids: Tensor) -> Tensor:
        """The rows of nodes, in the shape of `ids`.

        Raises:
            ValueError: one is not embedded.
        """
        return ids if self.nodes is None else places(self.nodes, ids)

    def of(self, ids: Tensor) -> Tensor:
        """The vectors [..., d] of nodes [...]."""
        return self.vectors[self.places(ids)]

    def detach(self) -> Table:
        """The same without gradient."""
        return Table(self.vectors.detach(), self.nodes)


class LinkModel(nn.Module):
    r"""Embeddings :math:`Z = \mathrm{enc}(X, A)` of all nodes, and scores :math:`\mathrm{dec}(z_u, z_v)` of pairs.

    Args:
        data: sizes, and for "ncn" the training graph, whose neighbours are those that messages come from.
        config: of the run.

    Example:
        >>> from graphns.data.link_loading import load_links
        >>> data = load_links("digits")
        >>> model = LinkModel.seeded(data, LinkConfig(encoder="mlp", decoder="dot", hidden_size=8, size=4))
        >>> table = model.embed(data)
        >>> table.shape, model.scores(table, torch.tensor([3]), torch.tensor([[4, 5]])).shape
        (torch.Size([1797, 4]), torch.Size([1, 2]))
    """

    def __init__(self, data: LinkData, config: LinkConfig) -> None:
        super().__init__()
        self.encoder = NodeEncoder(config.encoder, data.num_nodes, data.num_features or None, config.hidden_size,
                                   config.size, config.num_layers, config.dropout)
        options = (config.hidden_size, config.decoder_layers, config.dropout)
        self.decoder: nn.Module
        if config.decoder == "dot":
            self.decoder = Dot()
        elif config.decoder == "bilinear":
            self.decoder = Bilinear(config.size, symmetric=data.undirected)
        elif config.decoder == "mlp":
            self.decoder = HadamardMLP(config.size, *options)
        else:
            self.decoder = CommonNeighborMLP(message_graph(data, data.graph), config.size, *options)

    @classmethod
    def seeded(cls, data: LinkData, config: LinkConfig) -> Self:
        """The untrained model of a run: weights drawn by `config.seed`, torch's generator left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return cls(data, config).to(data.device)

    def forward(self, features: Tensor | Sparse | None, adjacency: Adjacency | Sequence[Adjacency],
                nodes: Tensor | None = None) -> Tensor:
        """Embeddings [N, d] of all nodes, or of some; see `NodeEncoder.forward`."""
        table: Tensor = self.encoder(features, adjacency, nodes)
        return table

    @torch.no_grad()
    def embed(self, data: LinkData, graph: Graph | None = None) -> Tensor:
        """Embeddings [N, d], without gradient, nothing dropped; over another graph than that of the training edges.

        Always over every neighbour, layer by layer, however training samples: no layer is kept longer than the next one
        needs it.
        """
        with _evaluating(self):
            edges = message_edges(data, data.graph if graph is None else graph)
            return self.forward(data.features, self.encoder.adjacency(edges))

    def scores(self, table: Tensor | Table, anchor: Tensor, ids: Tensor) -> Tensor:
        """Scores [B, m] of the nodes `ids` [B|1, m] for anchors [B], by their vectors; a tensor is those of all."""
        table = _table(table)
        scores: Tensor = self.decoder(table.of(anchor), table.vectors, table.places(ids), anchor, table.nodes)
        return scores

    def pair_scores(self, table: Tensor | Table, source: Tensor, target: Tensor) -> Tensor:
        """Scores [P] of pairs."""
        return self.scores(table, source, target[:, None])[:, 0]

    def scorer(self, data: LinkData, graph: Graph | None = None) -> Callable[[Tensor, Tensor], Tensor]:
        """What an evaluation asks: (source [P], target [P]) -> scores [P], nothing dropped, over one embedding of all.

        Args:
            data: on the model's device.
            graph: embedded over, and common neighbours are those of it; None: that of the training edges.
        """
        table = self.embed(data, graph)
        joined: Callable[[], AbstractContextManager[None]] = nullcontext
        if graph is not None and isinstance(self.decoder, CommonNeighborMLP):
            joined = partial(self.decoder.among, message_graph(data, graph))

        def score(source: Tensor, target: Tensor) -> Tensor:
            with _evaluating(self.decoder), joined():
                return self.pair_scores(table, source, target)

        return score

    def negative_scores(self, table: Tensor | Table, anchor: Tensor, negatives: Negatives) -> Tensor:
        """Scores [B, k] of what was drawn: other candidates, whole edges, or vectors that are no nodes'.

        Raises:
            ValueError: vectors, and the decoder asks for nodes.
        """
        if negatives.vectors is not None:
            if not negatives.vectors.shape[-1]:  # a queue that has seen nothing yet does not know how wide it will be
                return _table(table).vectors.new_zeros(negatives.mask.shape)
            return LinkView(self, table).score_vectors(anchor, negatives.vectors)
        if negatives.anchor is not None:
            source = negatives.anchor
            return self.pair_scores(table, source.flatten(), negatives.ids.expand_as(source).flatten()).view_as(source)
        return self.scores(table, anchor, negatives.ids)


def message_graph(data: LinkData, graph: Graph) -> Graph:
    """What messages pass along: the edges of a graph, in both directions where they have one (as OGB does)."""
    if data.undirected:
        return graph
    edges = graph.edge_index
    return Graph.from_edge_index(torch.cat([edges, edges.flip(0)], 1), graph.num_src)


def message_edges(data: LinkData, graph: Graph) -> Tensor:
    """The edges [2, E] of `message_graph`."""
    return message_graph(data, graph).edge_index


def _table(table: Tensor | Table) -> Table:
    return Table(table) if isinstance(table, Tensor) else table


class LinkView:
    """What a sampler may ask of a model at one step; a `Model` of the contract.

    Args:
        model: its decoder scores, with dropout off.
        table: the embeddings of the step; a tensor [N, d] is those of all nodes.
    """

    def __init__(self, model: LinkModel, table: Tensor | Table) -> None:
        self.model = model
        self.table = _table(table)

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Scores [B, m] of candidates `ids` [B|1, m] for anchors [B]."""
        with _evaluating(self.model.decoder):
            return self.model.scores(self.table, anchor, ids)

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        """Scores [B, m] of candidate vectors [B|1, m, d]."""
        if isinstance(self.model.decoder, CommonNeighborMLP):
            raise ValueError("common neighbours are those of nodes, and a vector is none: choose another decoder")
        rows, m, width = vectors.shape
        ids = torch.arange(rows * m, device=vectors.device).view(rows, m)
        scores: Tensor = self.model.decoder(self.table.of(anchor), vectors.reshape(rows * m, width), ids)
        return scores

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        """Rows [..., d] of the table; with `layers`, [..., 1, d]: the last layer is what the decoder reads."""
        rows = self.table.of(ids)
        return rows.unsqueeze(-2) if layers else rows


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Dropout off for a while."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
