"""The known positives of a batch as flat pairs: rows of different length without padding."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.kernels.membership import in_rows


def row_entries(indptr: Tensor, indices: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """All entries of rows [B] of a CSR matrix, one after another; rows of -1 have none.

    Returns:
        For each entry, the place in `rows` that it belongs to and its column: both [n] int64, by place.

    Example:
        >>> row_entries(torch.tensor([0, 2, 3]), torch.tensor([4, 7, 5]), torch.tensor([1, -1, 0]))
        (tensor([0, 2, 2]), tensor([5, 4, 7]))
    """
    at = rows.clamp(min=0)
    start = indptr[at]
    end = indptr[(at + 1).clamp(max=len(indptr) - 1)]  # a matrix without rows has no second entry
    size = torch.where(rows < 0, 0, end - start)
    place = torch.repeat_interleave(torch.arange(len(rows), device=rows.device), size)
    within = torch.arange(len(place), device=rows.device) - (size.cumsum(0) - size)[place]
    return place, indices[start[place] + within].long()


def excluded_entries(graph: Graph, rows: Tensor, extra: Tensor) -> tuple[Tensor, Tensor]:
    """All excluded ids of a batch, given what `excluded` gave: the rows' entries and `extra`, each pair once.

    Returns:
        The place in `rows` and the id, both [n] int64, in no order.

    Example:
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 0, 1], [1, 2, 2]]), num_nodes=4)
        >>> excluded_entries(graph, torch.tensor([0, -1]), torch.tensor([[0, 1], [-1, 3]]))
        (tensor([0, 0, 0, 1]), tensor([1, 2, 0, 3]))
    """
    pairs, ids = row_entries(graph.indptr, graph.indices, rows)
    places, known = [pairs], [ids]
    for at, column in enumerate(extra.T):
        fresh = (column >= 0) & ~in_rows(graph.indptr, graph.indices, rows, column[:, None])[:, 0]
        for earlier in extra.T[:at]:
            fresh &= column != earlier
        each = fresh.nonzero()[:, 0]
        places.append(each)
        known.append(column[each])
    return torch.cat(places), torch.cat(known)
