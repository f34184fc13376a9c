"""Every pair is found in its block, once; and a graph's rows are crossed out from both sides."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.graph.graph import Graph
from graphns.objectives.block_pairs import BlockPairs, crossed_pairs


def gathered(pairs: BlockPairs, num_rows: int, num_columns: int, block: int) -> list[tuple[int, int]]:
    """All pairs of all blocks, as entries of the whole matrix."""
    found = []
    for i in range(-(-num_rows // block)):
        for j in range(-(-num_columns // block)):
            at = pairs.at(i, j)
            if at is not None:
                assert len(at[0]) and int(torch.stack(at).max()) < block
                found += [(i * block + r, j * block + c) for r, c in zip(at[0].tolist(), at[1].tolist(), strict=True)]
    return sorted(found)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.data())
def test_every_pair_is_in_its_block(num_rows: int, num_columns: int, block: int, data: st.DataObject) -> None:
    entry = st.tuples(st.integers(0, num_rows - 1), st.integers(0, num_columns - 1))
    wanted = data.draw(st.lists(entry, max_size=20))
    rows, columns = (torch.tensor([pair[side] for pair in wanted], dtype=torch.int64) for side in (0, 1))
    pairs = BlockPairs(rows, columns, num_rows, num_columns, block)
    assert gathered(pairs, num_rows, num_columns, block) == sorted(wanted)


EDGES = torch.tensor([[0, 0, 3, 4, 2], [1, 4, 0, 0, 2]])  # 0 -> 4 has its reverse; 2 is its own neighbour


@pytest.mark.parametrize("block", [1, 2, 5])
def test_both_sides_of_a_directed_graph(block: int) -> None:
    graph = Graph.from_edge_index(EDGES, num_nodes=5)
    of_rows, of_columns = crossed_pairs(graph, torch.empty(5, 1), None, block)
    edges = {(int(a), int(b)) for a, b in EDGES.T}
    own = {(i, i) for i in range(5)}
    assert set(gathered(of_rows, 5, 5, block)) == edges | own
    assert set(gathered(of_columns, 5, 5, block)) == {(b, a) for a, b in edges} | own


def test_an_undirected_graph_is_the_same_from_both_sides() -> None:
    graph = Graph.from_edge_index(torch.cat([EDGES, EDGES.flip(0)], 1), num_nodes=5)
    of_rows, of_columns = crossed_pairs(graph, torch.empty(5, 1), None, 2)
    assert of_rows is of_columns
    of_rows, of_columns = crossed_pairs(None, torch.empty(5, 1), None, 2)
    assert of_rows is of_columns and gathered(of_rows, 5, 5, 2) == [(i, i) for i in range(5)]


def test_rows_of_anchors() -> None:
    graph = Graph.from_edge_index(EDGES, num_nodes=5)
    of_rows, of_columns = crossed_pairs(graph, torch.empty(5, 1), torch.tensor([3, 0, 3]), 2)
    assert of_rows is of_columns
    assert gathered(of_rows, 3, 5, 2) == [(0, 0), (0, 3), (1, 0), (1, 1), (1, 4), (2, 0), (2, 3)]
