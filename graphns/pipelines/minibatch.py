"""Mini-batches for contrastive training on graphs too large for one pass: anchors, negatives, and what embeds them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from graphns.base import Negatives, Query, Sampler
from graphns.data.node import NodeData
from graphns.encoders.sparse import Sparse
from graphns.graph.neighbors import check_fanouts
from graphns.kernels.memory import empty
from graphns.pipelines.method import ANCHORS
from graphns.samplers.compose.all import All
from graphns.samplers.efficient.in_batch import InBatch
from graphns.streams import Stream

if TYPE_CHECKING:
    from graphns.adapters.pyg.neighbor_sampler import NeighborSampler

LOADING = 4
"""The stream of what a loader draws, beside those of `graphns.pipelines.method` and of what a loss draws."""


@dataclass(frozen=True, eq=False)
class Minibatch:
    """A sub-graph that embeds some anchors and their negatives. It stands in for the `NodeData` where views are made.

    Attributes:
        node: [n] int64, the nodes' ids in the data: the B anchors first, then what else was drawn as a negative, then
            the sampled neighbours.
        edge_index: [2, e] int64, places in `node`; messages go from the first row to the second. It holds each sampled
            edge once, so that views are cut from it by `drop_edge` and are graphs of all n nodes.
        features: [n, F], in the form of `data.features`.
        query: what the sampler was asked, in ids of the data: what it is told again when it observes the step, and what
            a correction asks it about.
        negatives: what it answered, in ids of the data; None where nothing is drawn.
        negative_id: [B|1, k] int64, the places of the negatives in `node`; at a masked slot a valid one of no meaning.
    """

    node: Tensor
    edge_index: Tensor
    features: Tensor | Sparse
    query: Query
    negatives: Negatives | None = None
    negative_id: Tensor | None = None

    @property
    def num_nodes(self) -> int:
        """Nodes n of the sub-graph."""
        return len(self.node)

    @property
    def num_features(self) -> int:
        """F."""
        return self.features.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the batch lives."""
        return self.node.device

    @property
    def anchors(self) -> Tensor:
        """The places [B] of the anchors in `node`: 0 … B-1."""
        return torch.arange(self.query.batch_size, device=self.device)

    @property
    def placed(self) -> tuple[Query, Negatives | None]:
        """`query` and `negatives` in places of `node`: for losses that read the rows of this batch's embeddings."""
        query = replace(self.query, anchor=self.anchors, positive=self.anchors)
        if self.negatives is None or self.negative_id is None:
            return query, None
        return query, self.negatives._replace(ids=self.negative_id)


def minibatches(
    data: NodeData, sampler: Sampler | None, *, num_neighbors: Sequence[int], batch_size: int, stream: Stream,
    k: int = 1, epoch: int = 0, anchors: Tensor | None = None, num_workers: int = 0, **options: Any,
) -> Iterator[Minibatch]:
    """One pass over the anchors, in an order of its own, in batches of `batch_size`; the last one may be short.

    Each batch brings the distinct nodes among its anchors and their negatives, their sampled neighbours hop by hop, and
    the features of all of them, through PyG's `NodeLoader` and `graphns.pyg.NeighborSampler`. A GCN of L layers takes L
    hops; it scales by the degrees within the sub-graph, and they are those of the data where every neighbour of L + 1
    hops is taken.

    Random are the order, the neighbours and the negatives, keyed by (stream, epoch) and by the id of a node: the same
    batches for any `num_workers`, and no global generator is read or written.

    Args:
        data: where its tensors are, batches will be; sampling is done on the CPU.
        sampler: draws k negatives for each anchor; None: nothing is drawn. `All` means all of the batch, see
            `within_batches`. In-batch negatives are anchors already, and bring no further node.
        num_neighbors: neighbours per node in each hop; -1 takes them all.
        batch_size: anchors a batch.
        stream: where the randomness comes from.
        k: negatives an anchor.
        epoch: told to the sampler.
        anchors: [A] int64 ids; None: every node.
        num_workers: processes that load ahead; 0: the training process loads.
        options: of torch's `DataLoader`: `multiprocessing_context`, `prefetch_factor`, `timeout`, …

    Raises:
        ValueError: batch_size, k or a fanout is out of range; an anchor is no node; the sampler reads a model, keeps
            state or learns, which nothing can that draws before the step.

    Example:
        >>> from graphns import Shared
        >>> from graphns.data import load
        >>> data = load("digits")
        >>> batches = minibatches(data, Shared.from_graph(data.graph), num_neighbors=[3, 3], batch_size=1000, k=16,
        ...                       stream=Stream(0))
        >>> [(len(batch.anchors), batch.negative_id.shape, batch.features.shape[1]) for batch in batches]
        [(1000, torch.Size([1, 16]), 64), (797, torch.Size([1, 16]), 64)]

    References:
        Hamilton, Ying, Leskovec: Inductive Representation Learning on Large Graphs. NeurIPS 2017.
    """
    from torch_geometric.data import Data
    from torch_geometric.loader import NodeLoader

    from graphns.adapters.loading import check_static
    from graphns.adapters.pyg.neighbor_sampler import NeighborSampler

    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    check_fanouts(num_neighbors)
    if isinstance(sampler, All):
        k = batch_size
    negatives = None if sampler is None else within_batches(sampler)
    if negatives is not None:
        check_static(negatives)  # the losses here score what was drawn: there is no second stage
    if negatives is not None and data.device.type != "cpu":
        negatives = copy.deepcopy(negatives).to("cpu")
    drawing = NeighborSampler(data.graph, num_neighbors, negatives=negatives, k=k, seed=stream.child(LOADING).key)
    drawing.set_epoch(epoch)
    order = _ordered(data, anchors, stream.child(ANCHORS))
    # Workers draw; this process makes the batches of what they drew: features are read where they are, and not sent
    # between processes
    loader = NodeLoader(Data(edge_index=data.edge_index, num_nodes=data.num_nodes), drawing, input_nodes=order,
                        input_id=order, batch_size=batch_size, num_workers=num_workers, filter_per_worker=False,
                        **drawing.hooks(), **options)
    with torch.random.fork_rng(devices=[]):  # torch's loader takes a seed for its workers, who use none
        loaded = iter(loader)
    return map(_Assemble(drawing, data), loaded)


def within_batches(sampler: Sampler) -> Sampler:
    """What a sampler means where only a batch is embedded.

    `All`, every candidate, becomes every other anchor of the batch: `InBatch` over as many slots as the batch has, with
    the same exclusion, and the density of anchors that are drawn uniformly. Any other sampler means what it says.

    Example:
        >>> from graphns import Graph
        >>> sampler = within_batches(All(Graph.empty(9), exclude="self"))
        >>> type(sampler).__name__, sampler.exclude
        ('InBatch', 'self')
    """
    if isinstance(sampler, All):
        return InBatch(sampler.graph, exclude=sampler.exclude, popularity="uniform")
    return sampler


def features_of(features: Tensor | Sparse, node: Tensor) -> Tensor | Sparse:
    """The rows [n, F] of some nodes [n], in the form of the whole."""
    if isinstance(features, Sparse):
        return features.rows(node)
    if features.device.type != "cpu":
        return features[node]
    # in pages that are there already, or huge ones: touching new ones takes longer than reading the rows
    return torch.index_select(features, 0, node, out=empty(len(node), features.shape[1], dtype=np.float32))


@dataclass(frozen=True)
class _Assemble:
    """Makes the record of a batch as PyG's loader gives it."""

    sampler: NeighborSampler
    data: NodeData

    def __call__(self, batch: Any) -> Minibatch:
        from torch_geometric.sampler import NodeSamplerInput

        device = self.data.device
        node = batch.n_id.to(device)
        query = self.sampler.query(NodeSamplerInput(batch.input_id, batch.n_id[: batch.batch_size]))
        query = replace(query, anchor=node[: batch.batch_size], positive=node[: batch.batch_size],
                        row=query.row.to(device))
        features = features_of(self.data.features, node)
        if self.sampler.negatives is None:
            return Minibatch(node, batch.edge_index, features, query)
        place = batch.negative_id.to(device)
        log_prob = batch.negative_log_prob.to(device) if "negative_log_prob" in batch else None
        negatives = Negatives(node[place], log_prob, batch.negative_mask.to(device))
        return Minibatch(node, batch.edge_index, features, query, negatives, place)


def _ordered(data: NodeData, anchors: Tensor | None, stream: Stream) -> Tensor:
    """The anchors [A] in random order, each id keyed by itself."""
    if anchors is None:
        anchors = torch.arange(data.num_nodes)
    anchors = data.graph.rows(anchors.long()).cpu()
    return anchors[stream.words(anchors, 1)[:, 0].argsort(stable=True)]
