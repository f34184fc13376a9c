"""Sampled subgraphs of graphs with several kinds of nodes and edges, disjoint or not, in the order of time or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphns.graph.neighbors import edges_of
from graphns.kernels.keys import row_keys
from graphns.kernels.neighbors import relabel
from graphns.kernels.temporal import past_stop
from graphns.streams import GOLDEN, Stream, mix_tensor, to_signed

Kind = Any
"""The name of a kind of edge: anything that can be a key of a dict."""


class Relation(NamedTuple):
    """The edges of one kind, by the node they point at.

    Attributes:
        source: the kind of node where they start.
        target: the kind of node where they end.
        indptr: [num targets + 1] int64 row starts.
        indices: [E] the sources of each target's edges.
        cumulative: [E] int64 weights added up within rows, `kernels.walks.cumulative_weights`; None: all alike.
        time: [E] when each edge is there, rising within rows; None: always.
    """

    source: str
    target: str
    indptr: Tensor
    indices: Tensor
    cumulative: Tensor | None = None
    time: Tensor | None = None


class Trees(NamedTuple):
    """Of disjoint sampling: one tree a seed, in the order of the seeds, kind after kind.

    Attributes:
        key: [T] int64, what the draws of each tree depend on.
        time: [T] numbers: only edges of that time or before are seen; None: all.
    """

    key: Tensor
    time: Tensor | None = None


class Subgraph(NamedTuple):
    """What was sampled, laid out as PyG's `HeteroSamplerOutput`: dicts by kind of node or of edge.

    Attributes:
        node: [n] int64: the seeds first, as they were given, each hop's new nodes after.
        tree: [n] int64, the tree of each node; None where they are not disjoint.
        row: [e] int64, the place among the nodes where a message starts.
        col: [e] int64, where it ends.
        edge: [e] int64, positions in `Relation.indices`.
        num_sampled_nodes: new nodes of each hop, the seeds first.
        num_sampled_edges: edges of each hop.
    """

    node: dict[str, Tensor]
    tree: dict[str, Tensor] | None
    row: dict[Kind, Tensor]
    col: dict[Kind, Tensor]
    edge: dict[Kind, Tensor]
    num_sampled_nodes: dict[str, list[int]]
    num_sampled_edges: dict[Kind, list[int]]


def sample_subgraph(
    relations: Mapping[Kind, Relation], num_nodes: Mapping[str, int], seeds: Mapping[str, Tensor],
    fanouts: Mapping[Kind, Sequence[int]], stream: Stream, *, replace: bool = False, trees: Trees | None = None,
    last: bool = False,
) -> Subgraph:
    """Sample neighbours of the seeds, hop by hop; a node's are drawn once, in the hop after it appears.

    Random is which neighbours are drawn: keyed by stream, kind of edge, hop and node, so that no draw depends on the
    rest of the batch; with trees, by the key of the tree too.

    Args:
        relations: every kind of edge, in the order in which they are followed within a hop.
        num_nodes: of every kind of node.
        seeds: [B] int64 by kind. Without trees, a repeated seed has a row for each time it is given, with the edges of
            the first; messages start at the first.
        fanouts: neighbours per node in each hop; -1 takes them all.
        stream: the source of randomness.
        replace: whether a neighbour may be drawn twice.
        trees: makes the sampling disjoint: nodes of two trees are two nodes.
        last: not a random choice among the edges of the past, but the newest ones.

    Example:
        >>> buys = Relation("user", "item", torch.tensor([0, 2, 3]), torch.tensor([0, 1, 1]))
        >>> found = sample_subgraph({"buys": buys}, {"user": 2, "item": 2}, {"item": torch.tensor([1])},
        ...                         {"buys": [-1]}, Stream(0))
        >>> found.node["user"].tolist(), found.row["buys"].tolist(), found.num_sampled_nodes["user"]
        ([1], [0], [0, 1])
    """
    hops = max((len(each) for each in fanouts.values()), default=0)
    first_tree, begun = {}, 0
    for name, own in seeds.items():
        first_tree[name], begun = begun, begun + len(own)
    tables = {}
    for name, size in num_nodes.items():
        own = seeds.get(name, torch.empty(0, dtype=torch.int64))
        start = first_tree.get(name, 0)
        tables[name] = _Found(own, None if trees is None else torch.arange(start, start + len(own)), size)
    parts: dict[Kind, list[tuple[Tensor, Tensor, Tensor]]] = {kind: [] for kind in relations}
    for hop in range(hops):
        frontier = {name: table.frontier() for name, table in tables.items()}
        for number, (kind, relation) in enumerate(relations.items()):
            begin, nodes, tree = frontier[relation.target]
            draws = stream.child(hop + hops * number)  # one kind of edge: a child a hop, as in `sample_neighbors`
            at, owner, found = _draw(relation, nodes, tree, fanouts[kind][hop], draws, replace, trees, last)
            places = tables[relation.source].add(found, None if tree is None else tree[owner])
            parts[kind].append((places, owner + begin, at))
        for table in tables.values():
            table.close()
    empty = torch.empty(0, dtype=torch.int64)
    row, col, edge = ({kind: torch.cat([empty, *(hop[i] for hop in each)]) for kind, each in parts.items()}
                      for i in range(3))
    return Subgraph({name: table.node() for name, table in tables.items()},
                    None if trees is None else {name: table.tree() for name, table in tables.items()}, row, col, edge,
                    {name: table.counts for name, table in tables.items()},
                    {kind: [len(hop[2]) for hop in each] for kind, each in parts.items()})


def induced_edges(
    relations: Mapping[Kind, Relation], node: Mapping[str, Tensor]
) -> tuple[dict[Kind, Tensor], dict[Kind, Tensor], dict[Kind, Tensor]]:
    """Every edge between the nodes [n] given, by target: row, col and edge as in `Subgraph`."""
    rows, cols, edges = {}, {}, {}
    for kind, relation in relations.items():
        target, source = node[relation.target], node[relation.source]
        edge, owner, found = edges_of(relation.indptr, relation.indices, target, target, -1)
        distinct, place = relabel(torch.cat([source, found]))
        first = _first_places(place[: len(source)], len(distinct))
        num = int(place[: len(source)].max()) + 1 if len(source) else 0
        inside = place[len(source) :] < num
        rows[kind], cols[kind], edges[kind] = first[place[len(source) :][inside]], owner[inside], edge[inside]
    return rows, cols, edges


def _draw(
    relation: Relation, nodes: Tensor, tree: Tensor | None, fanout: int, stream: Stream, replace: bool,
    trees: Trees | None, last: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Positions [e] of the drawn edges, which of `nodes` each belongs to [e], and the neighbours [e]."""
    if fanout == 0 or len(nodes) == 0 or len(relation.indices) == 0:
        return (nodes.new_empty(0),) * 3
    if trees is None or tree is None:
        keys = row_keys(stream, nodes)
    else:
        keys = mix_tensor((nodes + 1) * to_signed(GOLDEN) + mix_tensor(trees.key ^ stream.key)[tree])
    bounds = None
    if relation.time is not None and trees is not None and trees.time is not None:
        assert tree is not None
        first, stop = relation.indptr[nodes], relation.indptr[nodes + 1]
        stop = past_stop(relation.time, first, stop, trees.time[tree])
        if last and fanout > 0:
            first = torch.maximum(first, stop - fanout)
        bounds = first, stop
    return edges_of(relation.indptr, relation.indices, nodes, keys, fanout, replace, relation.cumulative, bounds)


def _first_places(place: Tensor, size: int) -> Tensor:
    """[size] where each value of `place` [n] stands first; torch writes repeated places in parallel, in no order."""
    return torch.full((size,), len(place)).scatter_reduce_(0, place, torch.arange(len(place)), "amin")


class _Found:
    """The nodes of one kind, numbered as they are found."""

    def __init__(self, seeds: Tensor, tree: Tensor | None, num_nodes: int) -> None:
        self.seeds, self.num_nodes = seeds, num_nodes
        self.disjoint = tree is not None
        given = self._name(seeds, tree)
        self.names, place = relabel(given)
        self.num_distinct = len(self.names)
        self.repeated = len(seeds) - self.num_distinct
        self.place = place
        if self.repeated:
            self.first = _first_places(place, self.num_distinct)
        self.counts = [len(seeds)]
        self.done = 0  # names whose neighbours are drawn
        self.size = self.num_distinct  # names found before this hop

    def frontier(self) -> tuple[int, Tensor, Tensor | None]:
        """The nodes of the last hop: the place of the first of them, their ids and trees; every seed in the first."""
        if self.done == 0 and len(self.counts) == 1:
            names, begin = self.names[self.place] if self.repeated else self.names, 0
        else:
            names, begin = self.names[self.done : self.size], self.done + self.repeated
        return begin, *self._parts(names)

    def add(self, nodes: Tensor, tree: Tensor | None) -> Tensor:
        """Places of nodes that a hop came upon, new or not."""
        if len(nodes) == 0:
            return nodes
        known = len(self.names)
        self.names, place = relabel(torch.cat([self.names, self._name(nodes, tree)]))
        place = place[known:]
        if not self.repeated:
            return place
        return torch.where(place < self.num_distinct, self.first[place.clamp(max=self.num_distinct - 1)],
                           place + self.repeated)

    def close(self) -> None:
        """End a hop."""
        self.done, self.size = self.size, len(self.names)
        self.counts.append(self.size - self.done)

    def node(self) -> Tensor:
        """[n] the ids."""
        return torch.cat([self.seeds, self._parts(self.names[self.num_distinct :])[0]])

    def tree(self) -> Tensor:
        """[n] the trees; of disjoint sampling, where no seed is repeated."""
        tree = self._parts(self.names)[1]
        assert tree is not None
        return tree

    def _name(self, nodes: Tensor, tree: Tensor | None) -> Tensor:
        return nodes.contiguous() if tree is None else tree * self.num_nodes + nodes

    def _parts(self, names: Tensor) -> tuple[Tensor, Tensor | None]:
        if not self.disjoint:
            return names, None
        return names % self.num_nodes, names // self.num_nodes
