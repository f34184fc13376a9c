"""Single entries of a matrix that is made a block at a time, found by block."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.graph.graph import Graph


class BlockPairs:
    """Entries (row, column) of a matrix cut into square blocks: each block knows its own.

    Args:
        rows: [n] int64 in [0, num_rows), in any order.
        columns: [n] int64 in [0, num_columns).
        num_rows: rows of the matrix.
        num_columns: columns of the matrix.
        block: rows and columns of a block; the last ones may be smaller.

    Example:
        >>> pairs = BlockPairs(torch.tensor([0, 3, 4]), torch.tensor([4, 3, 0]), 5, 5, block=3)
        >>> pairs.at(0, 1), pairs.at(0, 0)
        ((tensor([0]), tensor([1])), None)
    """

    def __init__(self, rows: Tensor, columns: Tensor, num_rows: int, num_columns: int, block: int) -> None:
        self._across = -(-num_columns // block)
        key = rows // block * self._across + columns // block
        key, order = key.sort()
        self._rows, self._columns = (rows % block)[order], (columns % block)[order]
        # where each block begins, as Python numbers: asked for once a block, and never waited for on an accelerator
        num_blocks = -(-num_rows // block) * self._across
        every = torch.arange(num_blocks + 1, device=key.device)
        self._begin: list[int] = torch.searchsorted(key, every).tolist()

    def at(self, row_block: int, column_block: int) -> tuple[Tensor, Tensor] | None:
        """The entries of one block, counted from its corner; None: it has none."""
        number = row_block * self._across + column_block
        begin, end = self._begin[number], self._begin[number + 1]
        return (self._rows[begin:end], self._columns[begin:end]) if begin < end else None


def crossed_pairs(
    graph: Graph | None, table: Tensor, anchors: Tensor | None, block: int
) -> tuple[BlockPairs, BlockPairs]:
    """What is no negative in a matrix of nodes by nodes: a node itself, and its row of the graph.

    Args:
        graph: over the N rows of the table; None: a node itself only.
        table: [N, ...], on whose device the pairs are wanted.
        anchors: [B] int64, the nodes of the matrix's rows; None: every node.
        block: rows and columns of a block.

    Returns:
        The entries where the column is no negative of the row's node, and those where the row is none of the column's:
        one object twice where they are the same, and with anchors, whose columns ask nothing.

    Example:
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 2], [1, 0]]), num_nodes=3)
        >>> of_rows, of_columns = crossed_pairs(graph, torch.empty(3, 1), None, block=3)
        >>> [sorted(zip(*(each.tolist() for each in pairs.at(0, 0)))) for pairs in (of_rows, of_columns)]
        [[(0, 0), (0, 1), (1, 1), (2, 0), (2, 2)], [(0, 0), (0, 2), (1, 0), (1, 1), (2, 2)]]
    """
    num_nodes = len(table)
    nodes = torch.arange(num_nodes, device=table.device) if anchors is None else anchors
    rows, columns = torch.arange(len(nodes), device=table.device), nodes
    if graph is not None:
        size = graph.degree[nodes]
        place = rows.repeat_interleave(size)
        within = torch.arange(len(place), device=table.device) - (size.cumsum(0) - size)[place]
        known = graph.indices[graph.indptr[nodes][place] + within].long()
        rows, columns = torch.cat([rows, place]), torch.cat([columns, known])
    of_rows = BlockPairs(rows, columns, len(nodes), num_nodes, block)
    if anchors is not None or graph is None or _undirected(graph):
        return of_rows, of_rows
    return of_rows, BlockPairs(columns, rows, num_nodes, num_nodes, block)


def _undirected(graph: Graph) -> bool:
    reverse = graph.transposed
    return torch.equal(graph.indptr, reverse.indptr) and torch.equal(graph.indices, reverse.indices)
