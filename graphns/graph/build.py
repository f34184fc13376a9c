"""Graphs from other libraries' objects, recognised by what they offer: nothing is imported for it."""

from __future__ import annotations

from collections.abc import Hashable
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.graph.graph import Graph


def as_graph(source: Any, num_nodes: int | tuple[int, int] | None = None) -> Graph:
    """The graph of whatever holds one.

    Args:
        source: a `Graph`; a tensor or array of edges; a SciPy sparse matrix; PyG's `Data`, or `HeteroData` with one
            edge type; a DGL graph with one edge type; a networkx graph; the path of a graph saved by `save`.
        num_nodes: N, or (num_src, num_dst), for a bare list of edges; what knows its size needs none.

    Raises:
        ValueError: it is nothing of that kind, or what it holds is no graph.

    Example:
        >>> as_graph(np.array([[0, 1], [1, 2]]))
        Graph(num_nodes=3, num_edges=2)
    """
    if isinstance(source, Tensor):
        if source.layout != torch.strided:
            return _from_sparse_tensor(source)
        return Graph.from_edge_index(source, num_nodes)
    if isinstance(source, np.ndarray):
        return from_numpy(source, num_nodes)
    found = _recognised(source)
    if found is None:
        raise ValueError(
            f"cannot make a graph of {type(source).__name__}; pass edge_index [2, E], or an object of PyG, DGL, "
            "networkx, SciPy or NumPy, or the path of a saved graph"
        )
    if num_nodes is not None:
        size = (found.num_src, found.num_dst) if found.bipartite else found.num_src
        if size != num_nodes:
            raise ValueError(f"the {type(source).__name__} has {size} nodes, num_nodes={num_nodes} says otherwise")
    return found


def _recognised(source: Any) -> Graph | None:
    if isinstance(source, Graph):
        return source
    if isinstance(source, str | PathLike):
        from graphns.graph.store import open_graph

        return open_graph(source)
    if hasattr(source, "tocoo"):
        return from_scipy(source)
    if hasattr(source, "canonical_etypes"):
        return from_dgl(source)
    if hasattr(source, "is_multigraph") and hasattr(source, "adj"):
        return from_networkx(source)
    if hasattr(source, "edge_types") or hasattr(source, "edge_index"):
        return from_data(source)
    return None


def from_data(data: Any, edge_type: tuple[str, str, str] | None = None, weight: str | None = "edge_weight") -> Graph:
    """A graph from PyG's `Data`, or from one edge type of a `HeteroData`.

    Args:
        data: has `edge_index`; between different node types the graph is bipartite.
        edge_type: (source, relation, destination) of a `HeteroData`; None: the only one there is.
        weight: the attribute of one number per edge, used if it is there; None: no weights.

    Raises:
        ValueError: there is no such edge type, no `edge_index`, or its content is wrong.

    Example:
        >>> from torch_geometric.data import Data
        >>> from_data(Data(edge_index=torch.tensor([[0, 1], [1, 2]]), num_nodes=4))
        Graph(num_nodes=4, num_edges=2)
    """
    size: int | tuple[int, int] | None
    if hasattr(data, "edge_types") and hasattr(data, "node_types"):
        edge_type = _only_type(data.edge_types, edge_type, "HeteroData")
        store = data[edge_type]
        sizes = tuple(data[end].num_nodes for end in (edge_type[0], edge_type[2]))
        if None in sizes:
            raise ValueError(f"HeteroData does not know how many nodes {edge_type} joins; set data[type].num_nodes")
        size = sizes[0] if edge_type[0] == edge_type[2] else (sizes[0], sizes[1])
    else:
        if edge_type is not None:
            raise ValueError(f"edge_type={edge_type} is for HeteroData, got {type(data).__name__}")
        store, size = data, data.num_nodes
    edge_index = getattr(store, "edge_index", None)
    if edge_index is None:
        raise ValueError(f"{type(data).__name__} has no edge_index; keep it when you transform to adj_t")
    values = store[weight] if weight is not None and weight in store else None
    return Graph.from_edge_index(edge_index, size, values)


def from_dgl(graph: Any, edge_type: str | tuple[str, str, str] | None = None, weight: str | None = None) -> Graph:
    """A graph from one edge type of a DGL graph.

    Args:
        graph: a `DGLGraph`; between different node types the result is bipartite.
        edge_type: its name or canonical triple; None: the only one there is.
        weight: the name of the edge data with one number per edge; None: no weights.

    Raises:
        ValueError: there is no such edge type or edge data.
    """
    if isinstance(edge_type, str):
        named = [triple for triple in graph.canonical_etypes if triple[1] == edge_type]
        edge_type = named[0] if len(named) == 1 else (edge_type, edge_type, edge_type)
    triple = _only_type(graph.canonical_etypes, edge_type, "the DGL graph")
    source, destination = graph.edges(etype=triple, order="eid")
    sizes = (int(graph.num_nodes(triple[0])), int(graph.num_nodes(triple[2])))
    values = None
    if weight is not None:
        if weight not in graph.edges[triple].data:
            raise ValueError(f"edges {triple} have no data {weight!r}; they have {list(graph.edges[triple].data)}")
        values = graph.edges[triple].data[weight]
    size = sizes[0] if triple[0] == triple[2] else sizes
    return Graph.from_edge_index(torch.stack([source, destination]), size, values)


def from_networkx(graph: Any, weight: str | None = "weight") -> Graph:
    """A graph from networkx: node i is the i-th of `list(graph)`; an undirected edge goes both ways.

    Args:
        graph: any networkx graph; parallel edges count once, their weights added.
        weight: the edge attribute with its weight. An edge without it weighs 1; if no edge has it, there are no
            weights. None: no weights.

    Raises:
        ValueError: there are no nodes, or a weight is wrong.

    Example:
        >>> import networkx
        >>> from_networkx(networkx.path_graph(3)).edge_index.tolist()
        [[0, 1, 1, 2], [1, 0, 2, 1]]
    """
    place: dict[Hashable, int] = {node: i for i, node in enumerate(graph)}
    edges = list(graph.edges(data=True))
    ends = torch.tensor([[place[u], place[v]] for u, v, _ in edges], dtype=torch.int64).reshape(-1, 2).T
    values = None
    if weight is not None and any(weight in found for _, _, found in edges):
        values = torch.tensor([float(found.get(weight, 1.0)) for _, _, found in edges], dtype=torch.float64)
    if not graph.is_directed():
        loop = ends[0] == ends[1]  # a self-loop is one edge, also when it is undirected
        ends = torch.cat([ends, ends.flip(0)[:, ~loop]], 1)
        values = None if values is None else torch.cat([values, values[~loop]])
    return Graph.from_edge_index(ends, len(place), values)


def from_scipy(matrix: Any, bipartite: bool | None = None) -> Graph:
    """A graph from a SciPy sparse matrix or array: entry (u, v) is the edge u -> v, its value the weight.

    Zeros, stored or not, are no edges; equal entries are added. A matrix of ones, or of booleans, gives no weights.

    Args:
        matrix: any sparse format, [N, N], or [num_src, num_dst].
        bipartite: None: bipartite unless square.

    Raises:
        ValueError: a value is negative or not finite, or a matrix that is not square is called not bipartite.

    Example:
        >>> import scipy.sparse
        >>> from_scipy(scipy.sparse.csr_array([[0, 1, 1], [1, 0, 0]]))
        Graph(num_src=2, num_dst=3, num_edges=3)
    """
    coordinates = matrix.tocoo(copy=True)
    coordinates.sum_duplicates()
    rows, columns = coordinates.shape
    if bipartite is False and rows != columns:
        raise ValueError(f"a matrix {coordinates.shape} has different rows and columns: pass bipartite=True")
    size: int | tuple[int, int] = (rows, columns) if bipartite or rows != columns else rows
    values = np.asarray(coordinates.data)
    if np.iscomplexobj(values):
        raise ValueError(f"weights must be real numbers, got {values.dtype}")
    kept = values != 0
    ends = torch.from_numpy(np.stack([coordinates.row[kept], coordinates.col[kept]]).astype(np.int64))
    values = values[kept]
    weight = None if bool((values == 1).all()) else torch.from_numpy(values.astype(np.float64))
    return Graph.from_edge_index(ends, size, weight)


def from_numpy(
    edges: np.ndarray[Any, Any], num_nodes: int | tuple[int, int] | None = None,
    weight: np.ndarray[Any, Any] | None = None,
) -> Graph:
    """A graph from an integer array of edges, [2, E] as in PyG or [E, 2]; [2, 2] is read as [2, E].

    Args:
        edges: integers. A dense adjacency matrix is refused: pass it as a SciPy sparse array.
        num_nodes: N, or (num_src, num_dst); None: the largest id plus one.
        weight: [E] numbers, finite and >= 0.

    Raises:
        ValueError: shape, dtype, range or weights are wrong.

    Example:
        >>> from_numpy(np.array([[0, 1], [1, 2], [2, 0]])).num_edges
        3
    """
    if edges.dtype == object:
        raise ValueError("edges are ragged: every edge needs exactly a source and a destination")
    if edges.ndim != 2 or 2 not in edges.shape:
        dense = edges.ndim == 2 and edges.shape[0] == edges.shape[1]
        raise ValueError(f"edges must be an array [2, E] or [E, 2], got {edges.shape}" + (
            "; for a dense adjacency matrix use from_scipy(scipy.sparse.csr_array(matrix))" if dense else ""))
    if not np.issubdtype(edges.dtype, np.integer):
        raise ValueError(f"edges must hold integers, got {edges.dtype}; convert them with .astype(np.int64)")
    if edges.dtype == np.uint64 and edges.size and edges.max() > np.iinfo(np.int64).max:
        raise ValueError(f"node id {edges.max()} is above 2^63 - 1; remap the ids to 0 … N-1")
    ends = edges if edges.shape[0] == 2 else edges.T
    values = None if weight is None else torch.from_numpy(np.asarray(weight, dtype=np.float64).copy())
    return Graph.from_edge_index(torch.from_numpy(ends.astype(np.int64)), num_nodes, values)


def joined(graph: Graph) -> Graph:
    """A bipartite graph as an undirected one: source u keeps its id, candidate j becomes node num_src + j.

    Weights are kept, one for both directions. A homogeneous graph is given back as it is.

    Example:
        >>> users_items = Graph.from_edge_index(torch.tensor([[0, 1], [1, 1]]), (2, 2))
        >>> joined(users_items).edge_index.tolist()
        [[0, 1, 3, 3], [3, 3, 0, 1]]
    """
    if not graph.bipartite:
        return graph
    source, destination = graph.edge_index
    edges = torch.stack([source, destination + graph.num_src])
    weight = None if graph.weight is None else graph.weight.repeat(2)
    return Graph.from_edge_index(torch.cat([edges, edges.flip(0)], 1), graph.num_src + graph.num_dst, weight)


def _only_type(types: Any, wanted: Any, owner: str) -> tuple[str, str, str]:
    known = [tuple(each) for each in types]
    if wanted is None and len(known) == 1:
        wanted = known[0]
    if wanted is None or tuple(wanted) not in known:
        what = "needs edge_type, one" if wanted is None else f"has no edge type {wanted}; choose one"
        raise ValueError(f"{owner} {what} of {known}")
    return (wanted[0], wanted[1], wanted[2])


def _from_sparse_tensor(matrix: Tensor) -> Graph:
    """A graph from a torch sparse matrix, read as `from_scipy` reads SciPy's."""
    entries = matrix.to_sparse_coo().coalesce()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    ends, values = entries.indices(), entries.values()
    kept = values != 0
    rows, columns = matrix.shape
    weight = None if bool((values[kept] == 1).all()) else values[kept]
    return Graph.from_edge_index(ends[:, kept], rows if rows == columns else (rows, columns), weight)
