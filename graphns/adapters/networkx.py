"""networkx: graphs in and out, and exact negative edges of any of its graphs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from numbers import Integral
from typing import Any

import networkx as nx
import torch

from graphns.base import InfeasibleError
from graphns.graph.build import from_networkx
from graphns.graph.graph import Graph
from graphns.kernels.edges import non_edges
from graphns.streams import Stream

__all__ = ["from_networkx", "negative_edges", "to_networkx"]


def negative_edges(G: Any, n: int, *, seed: Any = None, exact: bool = False) -> list[tuple[Hashable, Hashable]]:
    r"""Draw n distinct pairs of nodes that no edge joins, every set of them equally likely, in random order.

    .. math:: \{(u_1, v_1), \dots\} \sim \mathrm{Uniform}\{S \subseteq M : |S| = \min(n, |M|)\}

    with M what `networkx.non_edges` goes through: unordered pairs of an undirected graph, ordered ones of a directed
    graph, none of a node with itself. Nothing is rejected, so a dense graph costs no more than a sparse one; O(N + E)
    to read the graph, then O(log N) a pair.

    Args:
        G: any networkx graph, directed or not, with parallel edges and self-loops or not; its nodes have any names.
        n: how many, at least 0.
        seed: as in networkx: an integer, or a random state of Python's or NumPy's, which is advanced. None: one key
            from torch's default generator, as everywhere in graphns; networkx would take Python's global one.
        exact: raise where there are fewer than n; else they are all given.

    Returns:
        min(n, M) pairs (u, v) of node names; in an undirected graph u comes before v in ``list(G)``.

    Raises:
        InfeasibleError: there are fewer than n, and `exact`.
        ValueError: n is no integer of at least 0, or the seed is nothing of that kind.

    Example:
        >>> G = nx.path_graph(["a", "b", "c", "d"])
        >>> sorted(negative_edges(G, 10, seed=0))
        [('a', 'c'), ('a', 'd'), ('b', 'd')]
        >>> negative_edges(G, 4, exact=True)
        Traceback (most recent call last):
        graphns.base.InfeasibleError: 4 negative edges are asked for, and the graph has 3; ask for fewer, or exact=False
    """
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 0:
        raise ValueError(f"n must be an integer of at least 0, got {n!r}")
    stream = _stream(seed)
    nodes = list(G)
    available = 0
    pairs = torch.empty((2, 0), dtype=torch.int64)
    if nodes:
        graph = from_networkx(G, weight=None)
        pairs, available = non_edges(graph.indptr, graph.indices, len(nodes), len(nodes), int(n), stream,
                                     directed=G.is_directed())
    if exact and available < n:
        raise InfeasibleError(f"{n} negative edges are asked for, and the graph has {available}; ask for fewer, or "
                              "exact=False")
    return [(nodes[u], nodes[v]) for u, v in pairs.T.tolist()]


def to_networkx(graph: Graph, nodes: Sequence[Hashable] | None = None, *, directed: bool = True) -> Any:
    """A networkx graph of a `Graph`, its weights as the edge attribute "weight".

    Args:
        graph: a bipartite graph's candidate j becomes node num_src + j, and its nodes have networkx's attribute
            "bipartite", 0 for sources and 1 for candidates.
        nodes: a name per node, all different; sources first where bipartite. None: 0 … N-1.
        directed: False: an undirected graph, where (u, v) and (v, u) are one edge.

    Returns:
        A `networkx.DiGraph`, or a `networkx.Graph`, nodes in the order of their ids.

    Raises:
        ValueError: names are too few, too many or alike; or an undirected graph is asked for, and the weights of (u, v)
            and (v, u) differ.

    Example:
        >>> graph = from_networkx(nx.path_graph(["a", "b", "c"]))
        >>> list(to_networkx(graph, ["a", "b", "c"], directed=False).edges)
        [('a', 'b'), ('b', 'c')]
    """
    size = graph.num_src + graph.num_dst if graph.bipartite else graph.num_src
    names: Sequence[Hashable] = range(size) if nodes is None else nodes
    if len(names) != size or len(set(names)) != size:
        raise ValueError(f"need {size} different names of nodes, got {len(names)}, of which {len(set(names))} differ")
    made: Any = nx.DiGraph() if directed else nx.Graph()
    if graph.bipartite:
        made.add_nodes_from(names[: graph.num_src], bipartite=0)
        made.add_nodes_from(names[graph.num_src :], bipartite=1)
    else:
        made.add_nodes_from(names)
    shift = graph.num_src if graph.bipartite else 0
    edges = [(names[u], names[v + shift]) for u, v in graph.edge_index.T.tolist()]
    if graph.weight is None:
        made.add_edges_from(edges)
        return made
    for (u, v), weight in zip(edges, graph.weight.tolist(), strict=True):
        if made.has_edge(u, v) and made.edges[u, v]["weight"] != weight:  # the other direction came before
            raise ValueError(f"edges {u!r} -> {v!r} and back weigh {weight} and {made.edges[u, v]['weight']}: an "
                             "undirected edge has one weight; pass directed=True")
        made.add_edge(u, v, weight=weight)
    return made


def _stream(seed: Any) -> Stream:
    if seed is None:
        return Stream.from_torch()
    if isinstance(seed, Integral):
        return Stream(int(seed))
    state: Any = nx.utils.create_py_random_state(seed)
    high, low = (int(state.randrange(0, 2**31)) for _ in range(2))
    return Stream((high << 31) + low)
