"""What a sampler for PyG's loaders reads: the edges of `Data`, `HeteroData`, PyG's stores or a `Graph`, by target."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData, remote_backend_utils
from torch_geometric.sampler.base import DataType

from graphns.adapters.pyg.incoming import by_target, incoming
from graphns.graph.graph import check_edge_index, check_weight
from graphns.graph.subgraphs import Relation
from graphns.kernels.walks import cumulative_weights

ONE = ""
"""The kind of node of data that have one; the kind of its edges is None, as in PyG's stores."""


class Prepared(NamedTuple):
    """Edges by target, ready to sample from.

    Attributes:
        relations: by kind of edge, in PyG's order.
        permutation: [E] int32 or int64, the column of `edge_index` of each edge as it stands here; None: the same.
        num_nodes: by kind of node.
        node_time: [N] by kind of node, where nodes have times.
        dtype: of ids in the batches: that of the first `edge_index`, as with pyg-lib.
        hetero: whether there are kinds.
        edge_time: whether edges have times.
    """

    relations: dict[Any, Relation]
    permutation: dict[Any, Tensor | None]
    num_nodes: dict[str, int]
    node_time: dict[str, Tensor]
    dtype: torch.dtype
    hetero: bool
    edge_time: bool

    @property
    def temporal(self) -> bool:
        """Whether anything has a time."""
        return self.edge_time or bool(self.node_time)


def prepare(source: Any, weight_attr: str | None, time_attr: str | None, is_sorted: bool, weighted: bool) -> Prepared:
    """The edges of a data object.

    Args:
        source: PyG's `Data` or `HeteroData`, a tuple of its stores, a `Graph`, or anything with `edge_index` and
            `num_nodes`.
        weight_attr: the name of edge weights.
        time_attr: the name of times, of nodes or of edges.
        is_sorted: a promise that columns are sorted by target, and within a target by time: no sorting then.
        weighted: `weight_attr="edge_weight"`, or the weights of the `Graph`.

    Raises:
        ValueError: an attribute is missing or of a wrong length, or ids are out of range.
    """
    if isinstance(source, HeteroData):
        return _of_hetero(source, weight_attr, time_attr, is_sorted)
    if isinstance(source, Data):
        weight_attr = "edge_weight" if weighted and weight_attr is None else weight_attr
        return _of_data(source, weight_attr, time_attr, is_sorted)
    if isinstance(source, list | tuple):
        DataType.from_data(source)  # raises what PyG raises
        return _of_stores(source, weight_attr, time_attr)
    if weight_attr is not None or time_attr is not None:
        raise ValueError(f"weight_attr and time_attr name attributes of PyG's data, but got a "
                         f"{type(source).__name__}; pass the Data, or weighted=True")
    rows, permutation = incoming(source, weighted)
    cumulative = rows.cumulative_weight if weighted else None
    relation = Relation(ONE, ONE, rows.indptr, rows.indices, cumulative)
    order = _narrow(permutation)
    return Prepared({None: relation}, {None: order}, {ONE: rows.num_nodes}, {}, torch.int64, False, False)


def _of_data(data: Data, weight_attr: str | None, time_attr: str | None, is_sorted: bool) -> Prepared:
    node_time, edge_time = {}, None
    if time_attr is not None:
        if time_attr in data and data.is_node_attr(time_attr):
            node_time[ONE] = data[time_attr].cpu()
        elif time_attr in data and data.is_edge_attr(time_attr):
            edge_time = data[time_attr].cpu()
        else:
            raise ValueError(f"The time attribute '{time_attr}' is neither a node-level or edge-level attribute: "
                             "set it on the data")
    relation, permutation, dtype = _relation(data, (ONE, ONE), data.size(), weight_attr, node_time.get(ONE), edge_time,
                                             is_sorted)
    return Prepared({None: relation}, {None: permutation}, {ONE: int(data.num_nodes or 0)}, node_time, dtype, False,
                    edge_time is not None)


def _of_hetero(data: HeteroData, weight_attr: str | None, time_attr: str | None, is_sorted: bool) -> Prepared:
    node_types, edge_types = data.metadata()
    node_time, edge_time = {}, {}
    if time_attr is not None:
        node_time = {store._key: store[time_attr].cpu() for store in data.node_stores if time_attr in store}
        edge_time = {store._key: store[time_attr].cpu() for store in data.edge_stores if time_attr in store}
        if node_time and edge_time:
            raise ValueError(f"The time attribute '{time_attr}' holds both node-level and edge-level information: "
                             "rename one of them")
        if not node_time and not edge_time:
            raise ValueError(f"The time attribute '{time_attr}' is neither a node-level or edge-level attribute: "
                             "set it on the data")
    if weight_attr is not None and not any(weight_attr in store for store in data.edge_stores):
        raise ValueError(f"no kind of edge has weights: set data[edge_type].{weight_attr}")
    relations, permutation, dtypes = {}, {}, []
    for edge_type in edge_types:
        store = data[edge_type]
        relations[edge_type], permutation[edge_type], dtype = _relation(
            store, (edge_type[0], edge_type[-1]), store.size(), weight_attr, node_time.get(edge_type[0]),
            edge_time.get(edge_type), is_sorted)
        dtypes.append(dtype)
    num_nodes = {kind: int(data[kind].num_nodes or 0) for kind in node_types}
    return Prepared(relations, permutation, num_nodes, node_time, dtypes[0] if dtypes else torch.int64, True,
                    bool(edge_time))


def _relation(
    store: Any, kinds: tuple[str, str], size: tuple[int | None, int | None], weight_attr: str | None,
    source_time: Tensor | None, edge_time: Tensor | None, is_sorted: bool,
) -> tuple[Relation, Tensor | None, torch.dtype]:
    """One kind of edge, its permutation, and the dtype of its ids."""
    name = type(store._parent()).__name__ if hasattr(store, "_parent") else type(store).__name__
    num_sources, num_targets = (int(each or 0) for each in size)
    if "adj_t" in store:
        return _of_adj_t(store, kinds, weight_attr, source_time, edge_time)
    if "edge_index" not in store:
        empty = torch.empty(0, dtype=torch.int64)
        return Relation(*kinds, torch.zeros(num_targets + 1, dtype=torch.int64), empty), None, torch.int64
    edge_index = store["edge_index"].cpu()
    source, target = check_edge_index(edge_index.as_subclass(Tensor))
    for what, ids, limit in (("source", source, num_sources), ("destination", target, num_targets)):
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < limit:
            raise ValueError(f"{what} ids run from {int(ids.min())} to {int(ids.max())}, outside [0, {limit}); set "
                             f"the right num_nodes of the {name}, or remap the ids to 0 … N-1")
    weight = _weight(store, weight_attr, len(source))
    time = source_time[source.long()] if source_time is not None else edge_time
    if time is not None and len(time) != len(source):
        raise ValueError(f"need one time per edge [{len(source)}], got {tuple(time.shape)}")
    order: Tensor | None
    if is_sorted:
        if bool((target.diff() < 0).any()):
            raise ValueError("is_sorted=True, but the columns of edge_index are not sorted by destination; leave it "
                             "out, or sort them with data.sort(sort_by_row=False)")
        if time is not None and bool(((time.diff() < 0) & (target.diff() == 0)).any()):
            raise ValueError("is_sorted=True, but the edges of a destination are not sorted by time; leave it out")
        indptr = torch.zeros(num_targets + 1, dtype=torch.int64)
        indptr[1:] = torch.bincount(target, minlength=num_targets).cumsum(0)
        indices, order = source.to(torch.int32 if num_sources < 2**31 else torch.int64), None
    else:
        rows, order = by_target(torch.stack([source, target]), num_targets, weight, time, num_sources)
        indptr, indices, weight = rows.indptr, rows.indices, rows.weight
        time = None if time is None else time[order]
    cumulative = None if weight is None else cumulative_weights(indptr, weight)
    return Relation(*kinds, indptr, indices, cumulative, time), _narrow(order), source.dtype


def _narrow(order: Tensor | None) -> Tensor | None:
    """A permutation in 4 bytes an edge where they suffice: it is read at random places."""
    return order if order is None or len(order) >= 2**31 else order.to(torch.int32)


def _weight(store: Any, weight_attr: str | None, num_edges: int) -> Tensor | None:
    if weight_attr is None:
        return None
    if weight_attr not in store:
        if hasattr(store, "_key") and isinstance(store._key, tuple):
            return None  # as in PyG: kinds of edges without it are drawn from uniformly
        raise ValueError(f"weighted sampling needs weights: set data.{weight_attr}")
    return check_weight(store[weight_attr].cpu(), num_edges, "edge")


def _of_adj_t(
    store: Any, kinds: tuple[str, str], weight_attr: str | None, source_time: Tensor | None, edge_time: Tensor | None
) -> tuple[Relation, Tensor | None, torch.dtype]:
    """A transposed `SparseTensor` of torch-sparse: rows are there, in its own order."""
    if not hasattr(store["adj_t"], "csr"):
        raise ValueError("adj_t must be a SparseTensor of torch-sparse, as for PyG's loaders; keep edge_index when you "
                         "transform")
    begins, sources, _ = store["adj_t"].csr()
    indptr, indices = begins.cpu().long(), sources.cpu()
    weight = _weight(store, weight_attr, len(indices))
    cumulative = None if weight is None else cumulative_weights(indptr, weight)
    time = source_time[indices] if source_time is not None else edge_time
    return Relation(*kinds, indptr, indices, cumulative, time), None, torch.int64


def _of_stores(stores: Any, weight_attr: str | None, time_attr: str | None) -> Prepared:
    """PyG's (FeatureStore, GraphStore)."""
    feature_store, graph_store = stores
    if weight_attr is not None:
        raise NotImplementedError("weights are read from Data or HeteroData, not from PyG's stores; PyG's loaders do "
                                  "not read them there either")
    attributes = feature_store.get_all_tensor_attrs()
    times = _times_of_stores(feature_store, attributes, time_attr)
    edge_attributes = graph_store.get_all_edge_attrs()
    edge_types = list(dict.fromkeys(attr.edge_type for attr in edge_attributes))
    hetero = edge_types != [None]
    rows, begins, orders = graph_store.csc()
    if hetero:
        named = [attr.group_name for attr in attributes if isinstance(attr.group_name, str)]
        ends = [kind for edge_type in edge_types for kind in (edge_type[0], edge_type[-1])]
        num_nodes = {kind: int(remote_backend_utils.size(feature_store, graph_store, kind))
                     for kind in dict.fromkeys([*named, *ends])}
    else:
        rows, begins, orders = {None: rows}, {None: begins}, {None: orders}
        num_nodes = {ONE: max(edge_attributes[0].size)}
    relations, permutation = {}, {}
    for kind in edge_types:
        source, target = (ONE, ONE) if kind is None else (kind[0], kind[-1])
        row, begin, order = rows[kind].cpu(), begins[kind].cpu().long(), orders.get(kind)
        order = None if order is None else order.cpu()
        time = times.get(kind)
        if source in times:
            time = times[source][row]
        elif time is not None and order is not None:
            time = time[order]
        if time is not None:
            at = time.argsort(stable=True)
            at = at[torch.repeat_interleave(torch.arange(len(begin) - 1), begin.diff())[at].argsort(stable=True)]
            row, time, order = row[at], time[at], at if order is None else order[at]
        relations[kind] = Relation(source, target, begin, row, None, time)
        permutation[kind] = _narrow(order)
    node_time = {kind: time for kind, time in times.items() if kind in num_nodes}
    return Prepared(relations, permutation, num_nodes, node_time, torch.int64, hetero, len(times) > len(node_time))


def _times_of_stores(feature_store: Any, attributes: list[Any], time_attr: str | None) -> dict[Any, Tensor]:
    """Times by kind of node or of edge; of the only kind of edge, by None. There "time" is of nodes, as in PyG."""
    if time_attr is None:
        return {}
    times = {}
    for attr in attributes:
        if attr.attr_name == time_attr:
            kind = ONE if attr.group_name is None and time_attr == "time" else attr.group_name
            times[kind] = feature_store.get_tensor(group_name=attr.group_name, attr_name=time_attr, index=None).cpu()
    if not times:
        raise ValueError(f"no tensor of the feature store is called '{time_attr}': put the times there")
    if len({isinstance(kind, str) for kind in times}) > 1:
        raise ValueError(f"Found time attribute '{time_attr}' for both node-level and edge-level types: rename one")
    return times
