"""Negative samplers for DGL's edge loaders: any static sampler of graphns, and DGL's own two by exact draws."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from graphns.adapters.dgl.functions import draw_pairs
from graphns.adapters.dgl.graphs import EdgeType, canonical, kept_graph
from graphns.adapters.dgl.library import load_dgl
from graphns.adapters.loading import check_static, shared
from graphns.base import InfeasibleError, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import check_choice
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream

Pairs = tuple[Tensor, Tensor]

_Base: Any = load_dgl().dataloading.negative_sampler._BaseNegativeSampler


class KeyedSampler(_Base):  # type: ignore[misc]  # DGL is not typed
    """What DGL's loaders call with ``(g, eids)``, with a seed and an epoch. Edge types are told apart by DGL's base.

    Args:
        k: negatives per edge.
        seed: an integer keys every draw by (seed, epoch, edge type, edge id). None: each call takes one key from
            torch's default generator, which a loader seeds anew in every worker and pass.

    Raises:
        ValueError: k is below 1.
    """

    def __init__(self, k: int, seed: int | None) -> None:
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        self.k = k
        self.seed = seed
        self._epoch = shared(torch.zeros(1, dtype=torch.int64))

    @property
    def epoch(self) -> int:
        """The pass that is drawn for; 0 until `set_epoch` is called."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Draw anew: call it before a pass over the loader. Workers see it, persistent ones too."""
        self._epoch.fill_(epoch)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy has an epoch of its own, which its own workers share."""
        self.__dict__.update(state)
        self._epoch = shared(self._epoch)

    def stream(self, g: Any, edge_type: EdgeType) -> Stream:
        """Where the draws for an edge type of `g` come from in this epoch."""
        if self.seed is None:
            return Stream.from_torch()
        return Stream(self.seed, self.epoch).child(g.get_etype_id(edge_type))

    def query(self, g: Any, eids: Tensor, edge_type: EdgeType) -> Query:
        """What a sampler is asked for these edges, wherever they lie: the source, the destination, the edge id."""
        source, destination = g.find_edges(eids, etype=edge_type)
        # without a seed an edge that stands twice has no reason to get the same twice
        row = torch.arange(len(eids), device=eids.device) if self.seed is None else eids.long()
        return Query(source.long(), destination.long(), self.k, stream=self.stream(g, edge_type), row=row,
                     epoch=self.epoch)


class NegativeSampler(KeyedSampler):
    """Any static sampler of graphns as a `negative_sampler` of DGL's; `as_negative_sampler` makes it, and says more."""

    def __init__(
        self, sampler: Sampler | Mapping[EdgeType, Sampler], k: int = 1, *, seed: int | None = 0, short: str = "raise"
    ) -> None:
        super().__init__(k, seed)
        check_choice(short, ("raise", "drop"), "short")
        self.short = short
        self.samplers = dict(sampler) if isinstance(sampler, Mapping) else sampler
        for each in self.samplers.values() if isinstance(self.samplers, dict) else [self.samplers]:
            check_static(each, "the negative graph's edges", "sampler")

    def _generate(self, g: Any, eids: Tensor, canonical_etype: tuple[str, str, str]) -> Pairs:
        return answer(self._sampler(g, canonical_etype), self, g, eids, canonical_etype, self.short)

    def _sampler(self, g: Any, edge_type: tuple[str, str, str]) -> Sampler:
        if not isinstance(self.samplers, dict):
            if len(g.canonical_etypes) > 1:
                raise ValueError(f"the DGL graph has {len(g.canonical_etypes)} edge types, and a sampler has the graph "
                                 f"of one: give a dict of samplers, such as {{{edge_type}: Uniform(graph)}}")
            return self.samplers
        for name, sampler in self.samplers.items():
            if (tuple(name) == edge_type or name == edge_type[1]) and canonical(g, name) == edge_type:
                return sampler
        raise ValueError(f"no sampler for edges {edge_type}; there are samplers for {list(self.samplers)}")


class PerSourceUniform(KeyedSampler):
    """DGL's `PerSourceUniform` without false negatives: k uniform destinations per edge that its source has no edge to.

    For an edge (u, v) of a type, v' is uniform over the destination nodes outside u's row of the graph in the loader
    and, within one type of nodes, other than u. DGL draws from all nodes, so that v' may be v, u, or joined to u;
    ``exclude_edges=False`` does that too.

    Args:
        k: negatives per edge.
        seed: None: fresh draws in each call, keyed by torch's default generator, as DGL's. An integer: keyed by (seed,
            epoch, edge type, edge id), so that draws are the same for any number of workers; then call `set_epoch`
            before each pass, or every pass draws the same.
        short: what happens to a source that is joined to all nodes: ``"raise"``, or ``"drop"``, no negatives for it.
        exclude_edges: False: v' is uniform over all destination nodes.

    Returns:
        On call, sources and destinations [k E]: each source k times in a row; of the graph's id type, on its device.

    Raises:
        InfeasibleError: a source has no candidate, and ``short="raise"``.
        ValueError: k is below 1; `short` is neither.

    Example:
        >>> import dgl
        >>> graph = dgl.graph(([0, 0, 1], [1, 2, 3]), num_nodes=4)
        >>> source, destination = PerSourceUniform(2)(graph, torch.tensor([0, 1]))
        >>> source.tolist(), destination.tolist()
        ([0, 0, 0, 0], [3, 3, 3, 3])
    """

    def __init__(self, k: int, *, seed: int | None = None, short: str = "raise", exclude_edges: bool = True) -> None:
        super().__init__(k, seed)
        check_choice(short, ("raise", "drop"), "short")
        self.short = short
        self.exclude_edges = exclude_edges

    def _generate(self, g: Any, eids: Tensor, canonical_etype: tuple[str, str, str]) -> Pairs:
        if self.exclude_edges:
            sampler = Uniform(kept_graph(g, canonical_etype), positives="known")
            return answer(sampler, self, g, eids, canonical_etype, self.short)
        query = self.query(g, eids, canonical_etype)
        num_nodes = g.num_nodes(canonical_etype[2])
        everything = Graph.empty((1, num_nodes), query.device)
        free = Query(torch.zeros_like(query.anchor), torch.full_like(query.positive, -1), self.k, stream=query.stream,
                     row=query.row)
        source, destination = Uniform(everything, exclude="self")(free).pairs(query)
        return source.to(g.idtype), destination.to(g.idtype)


class GlobalUniform(KeyedSampler):
    """DGL's `GlobalUniform`, exact: k pairs per edge of the batch, of all pairs that are no edges, alike.

    The pairs of a batch are distinct, unless `replace`, and as many as k times the batch's edges, or all that there
    are. DGL draws, rejects, sorts and cuts off what is too much, so that high ids are drawn too rarely.

    Args:
        k: pairs per edge.
        exclude_self_loops: leave out the pairs (u, u). Without effect between two types of nodes.
        replace: whether a pair may be drawn twice.
        seed: as for `PerSourceUniform`; a batch is known by its lowest edge id.

    Returns:
        On call, sources and destinations, of the graph's id type, on its device.

    Raises:
        ValueError: k is below 1.

    Example:
        >>> import dgl
        >>> graph = dgl.graph(([0, 1, 2], [1, 2, 0]))
        >>> source, destination = GlobalUniform(2)(graph, torch.tensor([0]))
        >>> bool(graph.has_edges_between(source, destination).any())
        False
    """

    def __init__(
        self, k: int, exclude_self_loops: bool = True, replace: bool = False, *, seed: int | None = None
    ) -> None:
        super().__init__(k, seed)
        self.exclude_self_loops = exclude_self_loops
        self.replace = replace

    def _generate(self, g: Any, eids: Tensor, canonical_etype: tuple[str, str, str]) -> Pairs:
        stream = self.stream(g, canonical_etype).child(_lowest(eids))
        source, destination = draw_pairs(g, len(eids) * self.k, bool(self.exclude_self_loops), bool(self.replace),
                                         canonical_etype, stream)
        return source.to(eids.device), destination.to(eids.device)


def answer(
    sampler: Sampler, asker: KeyedSampler, g: Any, eids: Tensor, edge_type: tuple[str, str, str], short: str
) -> Pairs:
    """What a sampler draws for edges of a type, as DGL wants it."""
    query = asker.query(g, eids, edge_type)
    if not len(eids):
        return query.anchor.to(g.idtype), query.positive.to(g.idtype)
    query = _moved(query, _device_of(sampler, query.device))
    drawn: Negatives = sampler(query)
    if drawn.anchor is not None:
        # pairs of a batch as a whole are keyed by the stream alone: without this all batches of a pass would share them
        drawn = sampler(query.child(_lowest(eids)))
    if drawn.vectors is not None:
        raise ValueError(f"{type(sampler).__name__} draws vectors; a negative graph needs ids of nodes")
    if not bool(drawn.mask.all()) and short == "raise":
        _refuse_short(sampler, query, drawn, eids)
    source, destination = drawn.pairs(query)  # row by row, each source as often as it has usable slots
    for ids, kind in ((source, edge_type[0]), (destination, edge_type[2])):
        if len(ids) and int(ids.max()) >= g.num_nodes(kind):
            raise ValueError(f"{type(sampler).__name__} drew node {int(ids.max())} of type {kind!r}, of which the DGL "
                             f"graph has {g.num_nodes(kind)}; give a sampler whose candidates are these")
    return source.to(eids.device, g.idtype), destination.to(eids.device, g.idtype)


def _refuse_short(sampler: Sampler, query: Query, drawn: Negatives, eids: Tensor) -> None:
    found = drawn.mask.sum(1)
    at = int((found < drawn.mask.shape[1]).nonzero()[0])
    raise InfeasibleError(f"{type(sampler).__name__} has {int(found[at])} of {drawn.mask.shape[1]} negatives for edge "
                          f"{int(eids[at])} of source {int(query.anchor[at])}; leave such slots out with short='drop' "
                          "(the negative graph then has fewer edges), lower k, or drop the edge")


def _lowest(eids: Tensor) -> int:
    return int(eids.min()) if len(eids) else 0


def _moved(query: Query, device: torch.device) -> Query:
    if query.device == device:
        return query
    return Query(query.anchor.to(device), query.positive.to(device), query.k, stream=query.stream,
                 row=query.row.to(device), epoch=query.epoch)


def _device_of(sampler: Sampler, default: torch.device) -> torch.device:
    """Where a sampler's data lie."""
    for module in sampler.modules():
        for value in vars(module).values():
            if isinstance(value, Graph):
                return value.device
    return next((tensor.device for tensor in chain(sampler.buffers(), sampler.parameters())), default)
