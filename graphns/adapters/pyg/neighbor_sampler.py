"""Mini-batches for PyG's loaders on a plain install: sampled neighbourhoods, and negatives drawn for every seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.sampler import BaseSampler, EdgeSamplerInput, NodeSamplerInput, SamplerOutput

from graphns.adapters.loading import check_static, shared
from graphns.adapters.pyg.incoming import incoming
from graphns.base import Negatives, Query, Sampler
from graphns.graph.neighbors import Neighborhood, check_fanouts, sample_neighbors
from graphns.kernels.neighbors import relabel
from graphns.streams import Stream

NEIGHBORS, NEGATIVES = range(2)
"""The independent streams of an epoch: `Stream(seed, epoch).child(NEIGHBORS)` and so on."""


class NeighborSampler(BaseSampler):  # type: ignore[misc]  # PyG is not typed
    r"""Sample neighbours of the seeds, hop by hop, along the edges that point at them; and negatives for each seed.

    What `torch_geometric.sampler.NeighborSampler` gives (the same fields, order and direction, an edge that is given
    twice counted twice), without pyg-lib or torch-sparse, for `torch_geometric.loader.NodeLoader`. With `negatives`,
    every seed b gets k of them,

    .. math:: y_{b1} \dots y_{bk} \sim q(\cdot \mid b),

    and the distinct nodes among them are further seeds behind the batch's own, so that one pass embeds them too. Given
    to the loader with `hooks()`, its batches hold ``negative_id`` [B|1, k], places in ``batch.n_id``,
    ``negative_mask`` [B, k] (True = use; at a masked slot the id is a valid place of no meaning) and, where the sampler
    has a density, ``negative_log_prob`` [B|1, k]. The seeds stay ``batch.n_id[:batch.batch_size]``.

    Random are the neighbours, keyed by (seed, epoch, hop, node), and the negatives, keyed by (seed, epoch, input_id).
    So batches are the same for any number of workers, forked or spawned, and whatever the state of torch's, NumPy's and
    Python's generators; within an epoch a node keeps its neighbours in every batch. A loader tells its sampler of no
    epoch: call `set_epoch` before each pass, or every pass draws the same.

    Args:
        graph: PyG's `Data` with one kind of node, the one that the loader gets; or a `Graph`: then ``batch.e_id`` are
            columns of `graph.edge_index`, and the loader's data must hold those.
        num_neighbors: neighbours per node in each hop; -1 takes them all.
        negatives: a sampler on the CPU whose candidates are the nodes. It is asked for anchor = positive = the seed.
        k: negatives per seed.
        replace: whether a neighbour may be drawn twice.
        weighted: neighbours in proportion to `edge_weight`, or the weights of the `Graph`; those of weight 0 never.
        seed: of everything drawn here.

    Raises:
        ValueError: a fanout is neither positive nor -1; k is below 1; the graph has several kinds of nodes, or no
            weights for `weighted`; `negatives` reads a model, keeps state or learns, of which a loader's worker holds
            only a copy.

    Example:
        >>> from torch_geometric.data import Data
        >>> from torch_geometric.loader import NodeLoader
        >>> from graphns import Graph, Uniform
        >>> data = Data(x=torch.eye(6), edge_index=torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]]))
        >>> sampler = NeighborSampler(data, [2, 2], negatives=Uniform(Graph.from_edge_index(data.edge_index)), k=3)
        >>> loader = NodeLoader(data, sampler, input_nodes=torch.tensor([2, 5]), batch_size=2, **sampler.hooks())
        >>> sampler.set_epoch(1)
        >>> batch = next(iter(loader))
        >>> batch.n_id[:2].tolist(), batch.negative_id.shape, batch.x.shape[0] == len(batch.n_id)
        ([2, 5], torch.Size([2, 3]), True)

    References:
        Hamilton, Ying, Leskovec: Inductive Representation Learning on Large Graphs. NeurIPS 2017.
    """

    def __init__(
        self, graph: Any, num_neighbors: Sequence[int], *, negatives: Sampler | None = None, k: int = 1,
        replace: bool = False, weighted: bool = False, seed: int = 0,
    ) -> None:
        check_fanouts(num_neighbors)
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        if negatives is not None:
            check_static(negatives)
        self.incoming, self.permutation = incoming(graph, weighted)
        self.num_neighbors = list(num_neighbors)
        self.negatives = negatives
        self.k = k
        self.replace = replace
        self.weighted = weighted
        self.seed = seed
        self._epoch = shared(torch.zeros(1, dtype=torch.int64))

    @property
    def epoch(self) -> int:
        """The pass that is drawn for; 0 until `set_epoch` is called."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Draw anew: call it before a pass over the loader. Workers see it, persistent ones too."""
        self._epoch.fill_(epoch)

    @property
    def edge_permutation(self) -> Tensor:
        """[E] int64: the column of `edge_index` of each edge as it stands here; the loader applies it."""
        return self.permutation

    def hooks(self, transform: Callable[[Any], Any] | None = None) -> dict[str, Callable[[Any], Any]]:
        """Arguments of the loader that write what was drawn into its batches: `NodeLoader(..., **sampler.hooks())`.

        Args:
            transform: one of your own, called with each batch after that.
        """
        carrier = _Carrier(transform)
        return {"transform_sampler_output": carrier.take, "transform": carrier.give}

    def sample_from_nodes(self, index: NodeSamplerInput, **kwargs: Any) -> SamplerOutput:
        """The neighbourhood of the seeds, in PyG's form; metadata holds input ids, times and, if drawn, negatives."""
        if index.input_type is not None:
            raise ValueError(f"seeds of type {index.input_type!r}: this sampler takes graphs with one kind of node; "
                             "make the HeteroData homogeneous with .to_homogeneous()")
        stream = Stream(self.seed, self.epoch)
        seeds = index.node.long()
        drawn = None
        asked = seeds
        if self.negatives is not None and len(seeds):
            drawn = self._draw(self.query(index))
            asked = torch.cat([seeds, drawn.ids.flatten()])
        distinct, place = relabel(asked)
        found = sample_neighbors(self.incoming, distinct, self.num_neighbors, stream.child(NEIGHBORS),
                                 replace=self.replace, weighted=self.weighted)
        own = place[: len(seeds)]
        num_own = int(own.max()) + 1 if len(own) else 0
        if num_own < len(seeds):
            found, place = _repeated(found, own, num_own, place)
        metadata: tuple[Any, ...] = (index.input_id, index.time)
        if drawn is not None:
            metadata += (drawn._replace(ids=place[len(seeds) :].view(drawn.ids.shape)),)
        return SamplerOutput(node=found.node, row=found.row, col=found.col, edge=found.edge, metadata=metadata,
                             num_sampled_nodes=found.num_sampled_nodes, num_sampled_edges=found.num_sampled_edges)

    def query(self, index: NodeSamplerInput) -> Query:
        """What `negatives` is asked for these seeds in this epoch; what it answers is what the batch holds."""
        seeds = index.node.long()
        return Query(seeds, seeds, self.k, stream=Stream(self.seed, self.epoch).child(NEGATIVES), row=index.input_id,
                     epoch=self.epoch, time=index.time)

    def sample_from_edges(self, index: EdgeSamplerInput, neg_sampling: Any = None) -> SamplerOutput:
        """Seeds that are edges are not served."""
        raise NotImplementedError("seeds that are edges (LinkLoader) are not served by this sampler: give their end "
                                  "nodes to NodeLoader")

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy has an epoch of its own, which its own workers share."""
        self.__dict__.update(state)
        self._epoch = shared(self._epoch)

    def _draw(self, query: Query) -> Negatives:
        """Global ids of the negatives; a slot that nobody uses gets the first seed, which costs no further one."""
        assert self.negatives is not None
        drawn: Negatives = self.negatives(query)
        name, num_nodes = type(self.negatives).__name__, self.incoming.num_nodes
        if drawn.anchor is not None or drawn.vectors is not None:
            raise ValueError(f"{name} draws pairs or vectors; a loader embeds nodes, so it needs ids of nodes")
        used = drawn.mask.any(0, keepdim=True) if len(drawn.ids) == 1 else drawn.mask
        ids = torch.where(used, drawn.ids, query.anchor[0])
        if int(ids.max()) >= num_nodes:
            raise ValueError(f"{name} drew {int(ids.max())}, but the graph has {num_nodes} nodes; give a sampler whose "
                             "candidates are its nodes")
        return drawn._replace(ids=ids)


class _Carrier:
    """Takes what was drawn from a sampler's output, and gives it to the batch: the loader makes it of that output."""

    def __init__(self, transform: Callable[[Any], Any] | None) -> None:
        self.transform = transform
        self.drawn: Negatives | None = None

    def take(self, out: SamplerOutput) -> SamplerOutput:
        self.drawn = out.metadata[2] if len(out.metadata) > 2 else None
        return out

    def give(self, batch: Any) -> Any:
        if self.drawn is not None:
            batch.negative_id, batch.negative_mask = self.drawn.ids, self.drawn.mask
            if self.drawn.log_prob is not None:
                batch.negative_log_prob = self.drawn.log_prob
            self.drawn = None
        return batch if self.transform is None else self.transform(batch)


def _repeated(found: Neighborhood, own: Tensor, num_own: int, place: Tensor) -> tuple[Neighborhood, Tensor]:
    """The neighbourhood with a row for every seed, where some came twice: each has its node's edges.

    Args:
        found: of the distinct seeds, of which the first `num_own` are the batch's.
        own: [B] which of them each seed is.
        num_own: how many they are, fewer than B.
        place: [n] places in `found.node`.

    Returns:
        The neighbourhood, whose first B nodes are the seeds, and `place` in it: of a repeated seed, its first.
    """
    num_seeds = len(own)
    fresh = own > torch.cat([own.new_tensor([-1]), own.cummax(0).values[:-1]])  # they are numbered as they appear
    first, again = fresh.nonzero()[:, 0], (~fresh).nonzero()[:, 0]
    moved = torch.cat([first, torch.arange(num_seeds, len(found.node) + num_seeds - num_own)])
    node = torch.cat([found.node[own], found.node[num_own:]])
    row, col, edge = moved[found.row], moved[found.col], found.edge
    num_edges = list(found.num_sampled_edges)
    if num_edges:  # of the first hop, the edges of a seed go to each of its rows
        size = num_edges[0]
        degree = torch.bincount(found.col[:size], minlength=num_own)
        begin = degree.cumsum(0) - degree
        copied = degree[own[again]]
        target = torch.repeat_interleave(again, copied)
        within = torch.arange(len(target)) - torch.repeat_interleave(copied.cumsum(0) - copied, copied)
        source = begin[own[target]] + within  # edges of the first hop stand seed by seed
        col = torch.cat([col[:size], target, col[size:]])
        row = torch.cat([row[:size], row[source], row[size:]])
        edge = torch.cat([edge[:size], edge[source], edge[size:]])
        num_edges[0] += len(target)
        order = torch.cat([col[: num_edges[0]].argsort(stable=True), torch.arange(num_edges[0], len(col))])
        row, col, edge = row[order], col[order], edge[order]
    num_nodes = [found.num_sampled_nodes[0] + num_seeds - num_own, *found.num_sampled_nodes[1:]]
    return Neighborhood(node, row, col, edge, num_nodes, num_edges), moved[place]
