"""A DGL graph as graphns reads it, one edge type at a time, made once and kept as long as DGL keeps its own."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from graphns.graph.build import from_dgl
from graphns.graph.graph import Graph
from graphns.kernels.edges import PairSpace, pair_space

EdgeType = str | tuple[str, str, str]
"""The name of an edge type, or its canonical triple (source type, name, destination type)."""

# beside DGL's index of all edges, which a change of its graph replaces; an entry goes when the graph goes
_graphs: WeakKeyDictionary[Any, tuple[Any, dict[tuple[str, str, str], Graph]]] = WeakKeyDictionary()
_spaces: WeakKeyDictionary[Graph, dict[bool, PairSpace]] = WeakKeyDictionary()


def kept_graph(graph: Any, edge_type: EdgeType | None = None) -> Graph:
    """The edges of one type as a `Graph` on the same device; the same object until edges or nodes change.

    Args:
        graph: a `DGLGraph`.
        edge_type: its name or canonical triple; None: the only one there is.

    Raises:
        ValueError: there is no such edge type, or None of several.

    Example:
        >>> import dgl
        >>> graph = dgl.graph(([0, 0, 1], [1, 2, 2]))
        >>> first = kept_graph(graph)
        >>> graph.add_edges([2], [0])
        >>> first, kept_graph(graph), kept_graph(graph) is kept_graph(graph)
        (Graph(num_nodes=3, num_edges=3), Graph(num_nodes=3, num_edges=4), True)
    """
    triple = canonical(graph, edge_type)
    index, known = _graphs.get(graph, (None, {}))
    if index is not graph._graph:
        known = {}
        _graphs[graph] = graph._graph, known
    if triple not in known:
        known[triple] = from_dgl(graph, triple)
    return known[triple]


def canonical(graph: Any, edge_type: EdgeType | None = None) -> tuple[str, str, str]:
    """The canonical triple of an edge type.

    Args:
        graph: a `DGLGraph`.
        edge_type: its name or canonical triple; None: the only one there is.

    Raises:
        ValueError: there is no such edge type, several have the name, or None of several.
    """
    known = [tuple(each) for each in graph.canonical_etypes]
    wanted = known if edge_type is None else [
        triple for triple in known if edge_type == triple[1] or tuple(edge_type) == triple
    ]
    if len(wanted) != 1:
        why = "has several edge types" if edge_type is None else (
            f"has several edge types {edge_type!r}" if wanted else f"has no edge type {edge_type!r}")
        raise ValueError(f"the DGL graph {why}; name one of {known}")
    return (wanted[0][0], wanted[0][1], wanted[0][2])


def kept_space(graph: Graph, self_loops: bool) -> PairSpace:
    """The numbered non-edges of a kept graph, with pairs (u, u) among them or not.

    Args:
        graph: what `kept_graph` gave.
        self_loops: whether (u, u) is a pair. True for two types of nodes.
    """
    known = _spaces.setdefault(graph, {})
    if self_loops not in known:
        known[self_loops] = pair_space(graph.indptr, graph.indices, graph.num_src, graph.num_dst, self_loops=self_loops)
    return known[self_loops]
