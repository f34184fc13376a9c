"""`batched_negative_sampling` with PyG's signature: all graphs of a batch in one draw."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from graphns.adapters.pyg.functions import check_method, plain, sample_count
from graphns.graph.graph import Graph, check_edge_index
from graphns.kernels.blocks import block_of_slot, distinct_in_blocks
from graphns.kernels.csr import build_csr
from graphns.kernels.edges import PairSpace, pairs_at
from graphns.kernels.guide import build_guide
from graphns.streams import Stream


def batched_negative_sampling(
    edge_index: Tensor | Graph,
    batch: Tensor | tuple[Tensor, Tensor],
    num_neg_samples: int | float | None = None,
    method: str = "sparse",
    force_undirected: bool = False,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw distinct pairs that are no edges within each graph of a batch.

    For each graph, what `negative_sampling` does; the graphs are drawn together, with no loop over them.

    Args:
        edge_index: [2, E] integers, in any order; or a `Graph`, whose distinct edges count.
        batch: [N] integers, the graph of each node, in any order; or one such vector for the sources and one for the
            destinations of a bipartite graph.
        num_neg_samples: how many per graph; a float is a ratio of each graph's edges, rounded down. None: as many as
            the graph has edges. Graphs without edges take part.
        method: "sparse" or "dense", as PyG has it; both do the same here.
        force_undirected: as for `negative_sampling`.
        generator: the randomness: one key is taken from it. None: from torch's default generator.

    Returns:
        [2, n] int64, graph by graph; in random order within a graph.

    Raises:
        ValueError: shape, dtype, ids, count or method are wrong, or an edge joins two graphs.

    Example:
        >>> edge_index = torch.tensor([[0, 0, 1, 2, 4, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6, 7]])
        >>> batch = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
        >>> negative = batched_negative_sampling(edge_index, batch)
        >>> bool((batch[negative[0]] == batch[negative[1]]).all()), negative.shape
        (True, torch.Size([2, 8]))
    """
    check_method(method)
    row, col = check_edge_index(edge_index.edge_index if isinstance(edge_index, Graph) else plain(edge_index))
    bipartite = not isinstance(batch, Tensor)
    source_batch, target_batch = (batch, batch) if isinstance(batch, Tensor) else batch
    graphs = max((int(each.max()) + 1 if each.numel() else 0) for each in (source_batch, target_batch))
    source = _nodes(source_batch, graphs)
    target = _nodes(target_batch, graphs) if bipartite else source
    _check_ids(row, len(source_batch), "source")
    _check_ids(col, len(target_batch), "destination")
    of_edge = source_batch[row].long()
    across = of_edge != target_batch[col]
    if bool(across.any()):
        at = int(across.nonzero()[0])
        raise ValueError(f"edge {at} joins node {int(row[at])} of graph {int(of_edge[at])} and node {int(col[at])} of "
                         f"graph {int(target_batch[col[at]])}; an edge must stay within one graph of the batch")
    stream = Stream.from_torch(generator)
    if len(source_batch) == 0 or len(target_batch) == 0:
        return torch.empty((2, 0), dtype=torch.int64, device=row.device)
    undirected = force_undirected and not bipartite
    counts = _counts(num_neg_samples, torch.bincount(of_edge, minlength=graphs))
    if undirected:
        counts = counts // 2
    # columns are numbered within their graph, and again without the diagonal (or what is not above it)
    own = source.rank[row]
    column = target.rank[col]
    size = target.size[source.graph]
    if undirected:
        own, column = torch.minimum(own, column), torch.maximum(own, column)
    if not bipartite:
        apart = own != column
        own, column, of_edge = own[apart], column[apart], of_edge[apart]
        column = column - own - 1 if undirected else column - (column > own).long()
        size = size - 1 - (source.rank_in_order if undirected else 0)
    indptr, indices, _ = build_csr(source.start[of_edge] + own, column, len(source_batch), max(int(size.max()), 1))
    first = torch.zeros(len(size) + 1, dtype=torch.int64, device=row.device)
    torch.cumsum(size - indptr.diff(), 0, out=first[1:])
    bounds = first[torch.cat([source.start, source.start.new_tensor([len(source_batch)])])]
    counts = torch.minimum(counts, bounds.diff())
    # self_loops=True and no common number of columns: each row's own is in `first`
    space = PairSpace(indptr, indices, first, build_guide(first), 0, True, True)
    row, column = pairs_at(space, distinct_in_blocks(bounds.diff(), counts, stream))
    graph = block_of_slot(counts)
    own = source.rank_in_order[row]
    if undirected:
        column = column + own + 1
    elif not bipartite:
        column = column + (column >= own).long()
    pairs = torch.stack([source.order[row], target.order[target.start[graph] + column]])
    return _both_ways(pairs, graph, counts) if undirected else pairs


def _both_ways(pairs: Tensor, graph: Tensor, counts: Tensor) -> Tensor:
    """Graph by graph, its pairs [2, n] and then the same reversed."""
    place = torch.arange(len(graph), device=pairs.device) + (counts.cumsum(0) - counts)[graph]
    both = pairs.new_empty((2, 2 * len(graph)))
    both[:, place] = pairs
    both[:, place + counts[graph]] = pairs.flip(0)
    return both


class _Nodes(NamedTuple):
    """The nodes of one side, graph by graph: `order` is a list of all nodes in which each graph's stand together."""

    order: Tensor
    graph: Tensor
    """Of each place in the order, its graph."""
    size: Tensor
    start: Tensor
    rank: Tensor
    """Of each node, its number within its graph."""
    rank_in_order: Tensor


def _nodes(batch: Tensor, graphs: int) -> _Nodes:
    if batch.dim() != 1 or batch.is_floating_point() or batch.dtype == torch.bool:
        raise ValueError(f"batch must hold one integer per node [N], got {batch.dtype} {tuple(batch.shape)}")
    batch = batch.long()
    if batch.numel() and int(batch.min()) < 0:
        raise ValueError(f"batch holds {int(batch.min())}; graphs are numbered from 0")
    order = torch.arange(len(batch), device=batch.device)
    if bool((batch.diff() < 0).any()):
        order = batch.argsort(stable=True)
    size = torch.bincount(batch, minlength=graphs)
    start = size.cumsum(0) - size
    graph = batch[order]
    rank_in_order = torch.arange(len(batch), device=batch.device) - start[graph]
    rank = torch.empty_like(order)
    rank[order] = rank_in_order
    return _Nodes(order, graph, size, start, rank, rank_in_order)


def _check_ids(ids: Tensor, size: int, end: str) -> None:
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= size):
        bad = int(ids.min()) if int(ids.min()) < 0 else int(ids.max())
        raise ValueError(f"{end} id {bad} is outside [0, {size}), the nodes that batch names")


def _counts(num_neg_samples: int | float | None, num_edges: Tensor) -> Tensor:
    if isinstance(num_neg_samples, float):
        sample_count(num_neg_samples, 0)
        return (num_neg_samples * num_edges.double()).long()
    return num_edges if num_neg_samples is None else torch.full_like(num_edges, sample_count(num_neg_samples, 0))
