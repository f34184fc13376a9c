"""Mini-batches for PyG's loaders on a plain install: sampled neighbourhoods, and negatives drawn for every seed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.sampler import (
    BaseSampler,
    EdgeSamplerInput,
    HeteroSamplerOutput,
    NegativeSampling,
    NodeSamplerInput,
    SamplerOutput,
)
from torch_geometric.sampler.base import NumNeighbors, SubgraphType

from graphns.adapters.loading import shared
from graphns.adapters.pyg import link_seeds
from graphns.adapters.pyg.carrier import Carrier, Drawn
from graphns.adapters.pyg.node_seeds import node_seeds
from graphns.adapters.pyg.outputs import as_output
from graphns.adapters.pyg.relations import ONE, prepare
from graphns.adapters.pyg.seed_negatives import SeedNegatives
from graphns.adapters.pyg.two_stages import select_from_batch, split
from graphns.base import Negatives, Query, Sampler
from graphns.graph.subgraphs import Trees, sample_subgraph
from graphns.kernels.keys import row_keys
from graphns.streams import Stream

NEIGHBORS, NEGATIVES, SOURCES = range(3)
"""The independent streams of an epoch: `Stream(seed, epoch).child(NEIGHBORS)` and so on."""


class NeighborSampler(BaseSampler):  # type: ignore[misc]  # PyG is not typed
    r"""Sample neighbours of the seeds, hop by hop, along the edges that point at them; and negatives for each seed.

    What `torch_geometric.sampler.NeighborSampler` gives for `NodeLoader` and `LinkLoader` (the same arguments, fields,
    order and direction, an edge that is given twice counted twice), without pyg-lib or torch-sparse, from `Data`,
    `HeteroData` or PyG's stores. `graphns.pyg.LinkNeighborLoader` and `NeighborLoader` make one themselves.

    With `negatives`, every seed node or seed edge gets k of them, given its node or source,

    .. math:: y_{b1} \dots y_{bk} \sim q(\cdot \mid b),

    Seed edges: where PyG's negatives would stand, for the amount that `neg_sampling` asks for. In the binary mode the
    destination is replaced and the source kept, unless the sampler draws both (`GlobalEdges`). Without `negatives` it
    is PyG's rule, which does not look at the edges. Seed nodes: the distinct nodes among the negatives are further
    seeds behind the batch's own, so that one pass embeds them too. Given to the loader with `hooks()`, batches hold
    ``negative_mask`` (True = use; at a masked slot the id is a valid place of no meaning), where the sampler has a
    density ``negative_log_prob``, and for seed nodes ``negative_id`` [B|1, k], places in ``batch.n_id``. The mask is
    [B, k], and in the binary mode one per negative. Heterogeneous, they stand with PyG's own fields.

    A sampler that reads the model is drawn in two stages: its pool by the loader, where the negatives would stand; its
    choice by `select` in the training step.

    Random are the neighbours, keyed by (seed, epoch, hop, node), of disjoint trees by input_id too, and the negatives,
    keyed by (seed, epoch, input_id). So batches are the same for any number of workers, forked or spawned, and whatever
    the state of torch's, NumPy's and Python's generators. A loader tells its sampler of no epoch: call `set_epoch`
    before each pass, or every pass draws the same.

    Args:
        data: what the loader gets; or a `Graph`: then ``batch.e_id`` are columns of `graph.edge_index`.
        num_neighbors: neighbours per node in each hop; -1 takes them all; a dict by kind of edge.
        subgraph_type: "directional", "bidirectional" (sampled edges both ways) or "induced" (all edges between the
            sampled nodes).
        replace: whether a neighbour may be drawn twice.
        disjoint: a tree for every seed, that shares no node with others.
        temporal_strategy: "uniform", or "last" for the newest edges.
        time_attr: times of nodes or edges: no node sees a later one than its seed's. Implies `disjoint`.
        weight_attr: neighbours in proportion to these weights of edges, where not all are taken.
        is_sorted: columns are sorted by target, within a target by time: saves sorting them.
        share_memory: without effect: workers share what they read anyway.
        directed: deprecated in PyG: False is ``subgraph_type="induced"``.
        negatives: a sampler on the CPU whose candidates are the nodes at the seeds' other end.
        k: negatives per seed node.
        weighted: ``weight_attr="edge_weight"``, or the weights of the `Graph`.
        seed: of everything drawn here.

    Raises:
        ValueError: an argument is out of range or does not fit the data; the message says which. `negatives` keeps
            state, learns, or reads the model in a way that cannot be split.

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
        self, data: Any, num_neighbors: Any, subgraph_type: SubgraphType | str = "directional", replace: bool = False,
        disjoint: bool = False, temporal_strategy: str = "uniform", time_attr: str | None = None,
        weight_attr: str | None = None, is_sorted: bool = False, share_memory: bool = False, directed: bool = True, *,
        negatives: Sampler | None = None, k: int = 1, weighted: bool = False, seed: int = 0,
    ) -> None:
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        if temporal_strategy not in ("uniform", "last"):
            raise ValueError(f"temporal_strategy must be 'uniform' or 'last', got {temporal_strategy!r}")
        if not directed:
            warnings.warn(f"The usage of the 'directed' argument in '{type(self).__name__}' is deprecated. Use "
                          "`subgraph_type='induced'` instead.", stacklevel=2)
        base = None if negatives is None else split(negatives)
        self.prepared = prepare(data, weight_attr, time_attr, is_sorted, weighted)
        self._negatives = SeedNegatives(negatives, base, self.prepared)
        self.num_neighbors = num_neighbors
        self.subgraph_type = SubgraphType(subgraph_type) if directed else SubgraphType.induced
        self.disjoint = disjoint
        if temporal_strategy == "last" and any(r.cumulative is not None for r in self.prepared.relations.values()):
            raise ValueError("temporal_strategy='last' leaves no choice to weights; leave weight_attr out, or take "
                             "'uniform'")
        self.keep_orig_edges = False
        self.negatives = negatives
        self.k = k
        self.replace = replace
        self.temporal_strategy = temporal_strategy
        self.seed = seed
        self._epoch = shared(torch.zeros(1, dtype=torch.int64))

    @property
    def disjoint(self) -> bool:
        """Whether every seed has a tree of its own; always where there are times."""
        return self._disjoint or self.prepared.temporal

    @disjoint.setter
    def disjoint(self, disjoint: bool) -> None:
        self._disjoint = disjoint
        if self.disjoint and self.subgraph_type == SubgraphType.induced:
            raise ValueError("'disjoint' sampling not supported with `subgraph_type='induced'`; take 'directional'")

    @property
    def num_neighbors(self) -> NumNeighbors:
        """Neighbours per node in each hop; a list or a dict may be set."""
        return self._num_neighbors

    @num_neighbors.setter
    def num_neighbors(self, given: Any) -> None:
        numbers = given if isinstance(given, NumNeighbors) else NumNeighbors(given)
        if isinstance(numbers.values, dict) and not self.prepared.hetero:
            raise ValueError("num_neighbors is a dict by kind of edge, but the data have one kind; give a list")
        kinds = list(self.prepared.relations)
        values = numbers.get_values(kinds) if self.prepared.hetero else {None: numbers.get_values()}
        for fanouts in values.values():
            for fanout in fanouts:
                if fanout < -1:
                    raise ValueError(f"a fanout must be at least 0, or -1 for all neighbours, got {fanout}")
        self._num_neighbors, self._fanouts = numbers, values

    @property
    def epoch(self) -> int:
        """The pass that is drawn for; 0 until `set_epoch` is called."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Draw anew: call it before a pass over the loader. Workers see it, persistent ones too."""
        self._epoch.fill_(epoch)

    def hooks(
        self, transform: Callable[[Any], Any] | None = None,
        transform_sampler_output: Callable[[Any], Any] | None = None,
    ) -> dict[str, Callable[[Any], Any]]:
        """Arguments of the loader that write what was drawn into its batches: `NodeLoader(..., **sampler.hooks())`.

        Args:
            transform: one of your own, called with each batch after that.
            transform_sampler_output: one of your own, called with each output before that.
        """
        carrier = Carrier(transform, transform_sampler_output)
        return {"transform_sampler_output": carrier.take, "transform": carrier.give}

    def sample_from_nodes(self, index: NodeSamplerInput, **kwargs: Any) -> SamplerOutput | HeteroSamplerOutput:
        """The neighbourhood of the seeds, in PyG's form; metadata holds input ids, times and, if drawn, negatives.

        Edges are columns of `edge_index`, so there is no `edge_permutation` left to apply.
        """
        kind = self._kind(index.input_type)
        drawn = None
        if self.negatives is not None and len(index.node):
            drawn = self._negatives.of_nodes(self.query(index), kind)
        found = node_seeds(index.node.long(), drawn, self.disjoint)
        trees = None
        if self.disjoint:
            time = self._times([(kind, found.seeds)], index.time, found.owner)
            keys = row_keys(self._streams(NEIGHBORS)[0], _rows(index)[found.owner])
            trees = Trees(torch.where(found.slot > 0, row_keys(Stream(1), keys + found.slot), keys), time)
        out = self._sample({kind: found.seeds}, trees, found.owner)
        extra = () if found.drawn is None else (Drawn(found.drawn, index.input_type, True),)
        out.metadata = (index.input_id, index.time, *extra)
        return out

    def query(self, index: NodeSamplerInput) -> Query:
        """What `negatives` is asked for these seeds in this epoch; what it answers is what the batch holds."""
        seeds = index.node.long()
        return Query(seeds, seeds, self.k, stream=self._streams(NEGATIVES)[0], row=_rows(index), epoch=self.epoch,
                     time=index.time)

    def sample_from_edges(
        self, index: EdgeSamplerInput, neg_sampling: NegativeSampling | None = None
    ) -> SamplerOutput | HeteroSamplerOutput:
        """The neighbourhood of seed edges and of their negatives, in PyG's form; metadata as PyG's, and negatives."""
        config = NegativeSampling.cast(neg_sampling)
        if index.time is not None and not self.disjoint:
            raise ValueError("edge_label_time needs a temporal or disjoint sampler: pass time_attr")
        kinds = (self._kind(index.input_type, 0), self._kind(index.input_type, -1))
        source, target, drawn = self._negatives.of_edges(
            index, config, kinds, self._streams(NEGATIVES, SOURCES), _rows(index), self.epoch, self.disjoint)
        sides = link_seeds.ends(index, config, source, target)
        seeds, at_source, at_target = link_seeds.seeds_and_places(sides, kinds, self.disjoint)
        owner, trees = torch.cat([side.owner for side in sides]), None
        if self.disjoint:
            time = self._times([(kind, side.node) for kind, side in zip(kinds, sides, strict=True)], index.time, owner)
            trees = Trees(link_seeds.tree_keys(self._streams(NEIGHBORS)[0], _rows(index), sides), time)
        out = self._sample(seeds, trees, owner)
        out.metadata = link_seeds.metadata(index, config, at_source, at_target, sides[0].owner)
        if drawn is not None and config is not None:
            out.metadata += (link_seeds.beside(drawn, config, len(sides[0].node) - len(index.row), index.input_type),)
        return out

    def select(self, batch: Any, model: Any, *, k: int | None = None, kind: Any = None) -> Negatives:
        """The second stage of a sampler that reads the model: its choice from the pool in the batch.

        Args:
            batch: of the loader, from the pass that `set_epoch` was last called for.
            model: embeddings [n, d] of the batch's nodes, a pair of them (anchors', candidates'), or a `Model` that
                scores places in the batch.
            k: negatives per seed; None: those of the sampler.
            kind: of the seeds, where there are several: of node or of edge.

        Returns:
            `Negatives` whose ids [B, k] are places in the batch, as ``dst_neg_index`` or ``negative_id`` are.
        """
        if self.negatives is None or self._negatives.base is None:
            raise ValueError("nothing is left to select: the negatives of this sampler are in the batch")
        return select_from_batch(self.negatives, batch, model, self.k if k is None else k, kind,
                                 self._streams(NEGATIVES)[0], self.epoch)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy has an epoch of its own, which its own workers share."""
        self.__dict__.update(state)
        self._epoch = shared(self._epoch)

    def _streams(self, *purposes: int) -> list[Stream]:
        return [Stream(self.seed, self.epoch).child(purpose) for purpose in purposes]

    def _kind(self, input_type: Any, end: int | None = None) -> str:
        if self.prepared.hetero != (input_type is not None):
            raise ValueError(f"seeds of type {input_type!r} do not fit data with "
                             f"{'several kinds of nodes' if self.prepared.hetero else 'one kind of node'}")
        kind: str = ONE if input_type is None else input_type if end is None else input_type[end]
        if kind not in self.prepared.num_nodes:
            raise ValueError(f"there are no nodes of type {kind!r}; there are {list(self.prepared.num_nodes)}")
        return kind

    def _times(
        self, seeds: list[tuple[str, Tensor]], time: Tensor | None, owner: Tensor
    ) -> Tensor | None:
        """The time of each tree [T]: of its seed edge or node, as it was given, or that of the node itself."""
        if time is not None:
            return time[owner] if self.prepared.temporal else None
        if self.prepared.edge_time:
            raise ValueError("edges have times, so seeds need one: pass input_time or edge_label_time to the loader")
        missing = [kind for kind, _ in seeds if kind not in self.prepared.node_time]
        if missing:
            if self.prepared.temporal:
                raise ValueError(f"seeds of type {missing[0]!r} have no times: pass input_time or edge_label_time")
            return None
        return torch.cat([self.prepared.node_time[kind][nodes] for kind, nodes in seeds])

    def _sample(
        self, seeds: dict[str, Tensor], trees: Trees | None, owner: Tensor
    ) -> SamplerOutput | HeteroSamplerOutput:
        for kind, nodes in seeds.items():
            size = self.prepared.num_nodes[kind]
            if len(nodes) and not 0 <= int(nodes.min()) <= int(nodes.max()) < size:
                bad = int(nodes.min()) if int(nodes.min()) < 0 else int(nodes.max())
                raise ValueError(f"seed {bad} is outside [0, {size})")
        found = sample_subgraph(self.prepared.relations, self.prepared.num_nodes, seeds, self._fanouts,
                                self._streams(NEIGHBORS)[0], replace=self.replace, trees=trees,
                                last=self.temporal_strategy == "last")
        return as_output(found, self.prepared, owner, self.subgraph_type, self.keep_orig_edges)


def _rows(index: NodeSamplerInput | EdgeSamplerInput) -> Tensor:
    """What draws are keyed by: the ids of the examples."""
    size = len(index.node if isinstance(index, NodeSamplerInput) else index.row)
    return torch.arange(size) if index.input_id is None else index.input_id.long()
