"""DGI: a node's embedding is told from that of the same place in a corrupted graph, by a summary of the graph."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from graphns.base import Feedback, Query, Sampler
from graphns.data.node import NodeData
from graphns.encoders.convolution import GraphConvolution
from graphns.objectives.bce import binary_cross_entropy
from graphns.pipelines.dgi_config import DgiConfig
from graphns.pipelines.method import DRAWS, NodeMethod, Step, reads_feedback
from graphns.pipelines.node import NodeResult, fit
from graphns.pipelines.node_config import NodeConfig
from graphns.streams import Stream

_BLOCK = 1 << 24  # numbers of the [rows, m, d] tensors in which candidates are scored: 64 MiB


class Dgi(NodeMethod):
    r"""DGI: one graph convolution with PReLU, and a bilinear discriminator for training only.

    .. math:: h_i = \sigma\Big(\sum_j \hat A_{ij} W^\top x_j + b\Big), \qquad
        s = \mathrm{sigmoid}\Big(\frac1N \sum_i h_i\Big), \qquad D(h, s) = h^\top R\, s

    Args:
        data: its number of features is read.
        config: the width, and all that a step needs.

    Shape:
        `embed` gives [N, hidden_size].
    """

    config_class = DgiConfig
    config: DgiConfig

    def __init__(self, data: NodeData, config: DgiConfig) -> None:
        super().__init__(data, config)
        self.convolution = GraphConvolution(data.num_features, config.hidden_size)
        self.activation = nn.PReLU()
        self.relation = nn.Parameter(torch.empty(config.hidden_size, config.hidden_size))
        bound = config.hidden_size**-0.5
        nn.init.uniform_(self.relation, -bound, bound)

    @classmethod
    def default_sampler(cls, data: NodeData, config: NodeConfig) -> Sampler:
        """The published corruption: the nodes shuffled."""
        from graphns.samplers.static.shuffle import Shuffle

        return Shuffle(data.graph, exclude="self")

    def patches(self, transformed: Tensor, data: NodeData) -> Tensor:
        """Embeddings [N, d] of the graph whose nodes have the features X W [N, d]."""
        patches: Tensor = self.activation(self.convolution.propagate(transformed, data.adjacency))
        return patches

    def step(self, data: NodeData, views: None, sampler: Sampler | None, stream: Stream, epoch: int = 0) -> Step:
        r"""Corrupt the graph with nodes drawn from `stream`, and tell its patches from the true ones.

        .. math:: L = -\frac1N \sum_i \log \mathrm{sigmoid}\, D(h_i, s)
                  - \mathrm{mean}_{ic\ \text{usable}} \log\big(1 - \mathrm{sigmoid}\, D(\tilde h_{ic}, s)\big)

        :math:`\tilde h_{ic}` is the embedding of node i in the graph in which every node has the features of the c-th
        node drawn for it. A node for which none could be drawn keeps its own and counts in the first half only.
        """
        assert sampler is not None
        nodes = torch.arange(data.num_nodes, device=data.device)
        with self.precision():
            transformed = self.convolution.transform(data.features)
            spread = self.convolution.propagate(transformed, data.adjacency)
            true = self.activation(spread)
            direction = self.relation @ true.float().mean(0).sigmoid()
        direction = direction.float()
        model = PatchModel(self, data, transformed.detach().float(), spread.detach().float(), direction.detach())
        query = Query(nodes, nodes, self.config.k, model, stream.child(DRAWS), row=nodes, epoch=epoch)
        start = time.perf_counter()
        negatives = sampler(query)
        sample_seconds = time.perf_counter() - start
        if negatives.vectors is not None or negatives.anchor is not None:
            raise ValueError(f"{type(sampler).__name__} gives negatives that are no nodes of their anchor; DGI needs "
                             "ids of nodes")
        if negatives.mask.shape[1] != self.config.k:
            raise ValueError(f"{type(sampler).__name__} gives {negatives.mask.shape[1]} negatives a node, and each is "
                             f"a graph to embed; DGI needs k={self.config.k}")
        drawn = torch.where(negatives.mask, negatives.ids, nodes[:, None])
        with self.precision():
            # rows of X in another order need no new product: (X W)[ids] = X[ids] W
            corrupted = [self.patches(transformed.index_select(0, ids), data).float() for ids in drawn.T]
        positive = true.float() @ direction
        negative = torch.stack([each @ direction for each in corrupted], 1)
        loss = binary_cross_entropy(positive, negative, negatives.mask)
        feedback = Feedback(loss=loss)
        if reads_feedback(sampler):
            feedback = Feedback(positive, negative, loss, model.table, model.table)
        return Step(loss, query, negatives, feedback, sample_seconds)

    @torch.no_grad()
    def embed(self, data: NodeData) -> Tensor:
        """Embeddings [N, hidden_size] of the whole graph: what a probe reads."""
        return self.patches(self.convolution.transform(data.features), data)


class PatchModel:
    r"""What samplers see of a step: how true the discriminator finds a node's patch if it alone is replaced.

    .. math:: s(i, j) = D\Big(\sigma\Big(\sum_n \hat A_{in} W^\top x_n + \hat A_{ii} W^\top (x_j - x_i) + b\Big), s\Big)

    The candidate table holds the transformed features :math:`W^\top x_j`, which are what is replaced. In the graph that
    the loss sees, the neighbours are replaced too; which ones is known only after all have been drawn.

    Args:
        method: its bias and activation are read.
        data: its degrees are read.
        table: X W [N, d].
        spread: the embeddings [N, d] before the activation.
        direction: R s [d].
    """

    def __init__(self, method: Dgi, data: NodeData, table: Tensor, spread: Tensor, direction: Tensor) -> None:
        self.activation = method.activation
        self.table, self.spread, self.direction = table, spread, direction
        self.own_share = 1 / (data.graph.degree + 1).to(table.dtype)  # the diagonal of the propagation matrix

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Scores [B, m] of candidates `ids` [B|1, m] for anchors [B]."""
        found = []
        for part in self._parts(anchor, ids.shape[1]):
            some = ids if len(ids) == 1 else ids[part]
            found.append(self._score(anchor[part], self.table[some]))
        return torch.cat(found) if found else self.spread.new_zeros(0, ids.shape[1])

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        """Scores [B, m] of transformed features [B|1, m, d]."""
        found = []
        for part in self._parts(anchor, vectors.shape[1]):
            found.append(self._score(anchor[part], vectors if len(vectors) == 1 else vectors[part]))
        return torch.cat(found) if found else self.spread.new_zeros(0, vectors.shape[1])

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        """Transformed features [..., d] of nodes; with `layers`, [..., 1, d], for there is one layer."""
        rows = self.table[ids]
        return rows.unsqueeze(-2) if layers else rows

    def _parts(self, anchor: Tensor, m: int) -> tuple[Tensor, ...]:
        places = torch.arange(len(anchor), device=anchor.device)
        return torch.split(places, max(1, _BLOCK // (max(m, 1) * self.table.shape[1]))) if len(anchor) else ()

    def _score(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        share = self.own_share[anchor, None]
        rest = self.spread[anchor] - share * self.table[anchor]
        patches: Tensor = self.activation(rest[:, None] + share[:, None] * vectors)
        return patches @ self.direction


def train(data: NodeData, sampler: Sampler | None = None, config: DgiConfig | None = None,
          **options: Any) -> NodeResult:
    """Train DGI with a graph corrupted by the negatives of `sampler`.

    Args:
        data: see `graphns.data.load`.
        sampler: over `data.graph`: which node's features each node gets in the corrupted graph. None: a shuffle of all
            nodes (`Shuffle`), the published method.
        config: None: `DgiConfig.preset(data.name)`.
        options: folder, progress, loggers, accelerator, precision, …: see `graphns.pipelines.node.fit`.

    What is random: weights and draws, keyed by `config.seed`; torch's generator is left alone.

    Raises:
        ValueError: the folder holds another run; the sampler cannot serve DGI; the loss is no longer finite; an
            unknown precision.

    Example:
        >>> from graphns.data import load
        >>> result = train(load("digits"), config=DgiConfig(hidden_size=8, epochs=2))
        >>> result.embeddings.shape, len(result.losses)
        (torch.Size([1797, 8]), 2)

    References:
        Veličković, Fedus, Hamilton, Liò, Bengio, Hjelm: Deep Graph Infomax. ICLR 2019.
    """
    return fit(Dgi, data, sampler, config, **options)
