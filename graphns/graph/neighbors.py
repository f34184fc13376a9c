"""Neighbourhoods of a mini-batch: some neighbours of the seeds, some of theirs, and so on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.kernels.neighbors import edges_at, neighbor_positions, relabel
from graphns.streams import Stream


class Neighborhood(NamedTuple):
    """A sampled subgraph, laid out as PyG's `SamplerOutput`.

    Attributes:
        node: [n] int64, the distinct nodes: the seeds first, each hop's new ones after.
        row: [e] int64, the place in `node` of each edge's neighbour, where a message starts.
        col: [e] int64, the place in `node` of the node whose neighbour was sampled, where it ends.
        edge: [e] int64, the edge's position in `graph.indices`.
        num_sampled_nodes: new nodes of each hop; the first is the number of distinct seeds.
        num_sampled_edges: edges of each hop.
    """

    node: Tensor
    row: Tensor
    col: Tensor
    edge: Tensor
    num_sampled_nodes: list[int]
    num_sampled_edges: list[int]


def sample_neighbors(
    graph: Graph, seeds: Tensor, fanouts: Sequence[int], stream: Stream, *, replace: bool = False,
    weighted: bool = False,
) -> Neighborhood:
    """Sample neighbours of the seeds, hop by hop; a node's neighbours are drawn once, in the hop after it appears.

    A row of the graph holds what its node is sampled from: for messages along edges u -> v pass `graph.transposed`.
    Random is which neighbours are drawn, keyed by stream, hop and node id: no draw depends on the rest of the batch.

    Args:
        graph: homogeneous.
        seeds: [B] integer ids; repeated ones count once.
        fanouts: neighbours per node in each hop; -1 takes them all.
        stream: the source of randomness.
        replace: whether a neighbour may be drawn twice.
        weighted: in proportion to `graph.weight`: neighbours of weight 0 are never drawn, but where all are taken.

    Raises:
        ValueError: a fanout is neither positive nor -1, the graph is bipartite, or it has no weights.

    Example:
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 0, 1, 2], [1, 2, 2, 0]]))
        >>> found = sample_neighbors(graph, torch.tensor([1]), [1, -1], Stream(0))
        >>> found.node.tolist(), found.row.tolist(), found.col.tolist()
        ([1, 2, 0], [1, 2], [0, 1])
    """
    if graph.bipartite:
        raise ValueError("neighbourhoods need one kind of node; take joined(graph) of graphns.graph.build, where "
                         "candidate j is node num_src + j")
    if weighted and graph.weight is None:
        raise ValueError("weighted=True needs a graph with weights: Graph.from_edge_index(..., weight=...)")
    check_fanouts(fanouts)
    cumulative = graph.cumulative_weight if weighted else None
    node, _ = relabel(graph.rows(seeds.long()).contiguous())
    rows, cols, edges = [], [], []
    num_nodes, num_edges = [len(node)], []
    done = 0
    for hop, fanout in enumerate(fanouts):
        frontier = node[done:]
        edge, owner, found = edges_of(graph.indptr, graph.indices, frontier, stream.child(hop).row_keys(frontier),
                                      fanout, replace, cumulative)
        before = len(node)
        node, place = relabel(torch.cat([node, found]))
        rows.append(place[before:])
        cols.append(owner + done)
        edges.append(edge)
        done = before
        num_nodes.append(len(node) - before)
        num_edges.append(len(edge))
    empty = node.new_empty(0)
    return Neighborhood(node, torch.cat([empty, *rows]), torch.cat([empty, *cols]), torch.cat([empty, *edges]),
                        num_nodes, num_edges)


def check_fanouts(fanouts: Sequence[int]) -> None:
    """Refuse a number of neighbours that is neither positive nor -1.

    Raises:
        ValueError: one is.
    """
    for fanout in fanouts:
        if fanout < 1 and fanout != -1:
            raise ValueError(f"a fanout must be at least 1, or -1 for all neighbours, got {fanout}")


def edges_of(
    indptr: Tensor, indices: Tensor, nodes: Tensor, keys: Tensor, fanout: int, replace: bool = False,
    cumulative: Tensor | None = None, bounds: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The sampled edges of some rows, row by row.

    Args:
        indptr: [N + 1] int64 row starts.
        indices: [E] int32 or int64.
        nodes: [B] int64, the rows.
        keys: [B] int64, `Stream.row_keys`.
        fanout: neighbours per row; -1 takes them all.
        replace: whether a neighbour may be drawn twice.
        cumulative: [E] weights added up within rows; those of weight 0 are not drawn, but where a row is taken whole.
        bounds: the part of each row that is looked at: where it begins [B] and ends [B]; weights need the row's begin.

    Returns:
        Positions [e] of the edges, which of `nodes` each belongs to [e], and the neighbours [e].
    """
    if fanout != -1:
        rows = nodes
        if bounds is not None:  # the parts, one after another, are rows too
            indptr, rows = torch.stack(bounds, 1).view(-1), 2 * torch.arange(len(nodes), device=nodes.device)
        return edges_at(neighbor_positions(indptr, rows, keys, fanout, replace, cumulative), indices)
    first, stop = (indptr[nodes], indptr[nodes + 1]) if bounds is None else bounds
    degree = stop - first
    owner = torch.repeat_interleave(torch.arange(len(nodes), device=nodes.device), degree)
    within = torch.arange(len(owner), device=nodes.device) - (degree.cumsum(0) - degree)[owner]
    edge = first[owner] + within
    return edge, owner, indices[edge].long()
