"""The exchange of numbers and non-edges: one-to-one, in torch and in Numba alike, with and without the bit table."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphns.graph.graph import Graph
from graphns.kernels.edge_filter import build_edge_filter
from graphns.kernels.edges import non_edges, pair_space
from graphns.kernels.pairs import exchange_pairs, exchange_pairs_torch
from graphns.streams import Stream


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_numbers_are_mapped_one_to_one_onto_the_non_edges(data: st.DataObject) -> None:
    bipartite = data.draw(st.booleans())
    sources = data.draw(st.integers(1, 8))
    targets = data.draw(st.integers(1, 8)) if bipartite else sources
    self_loops = bipartite or data.draw(st.booleans())
    edges = data.draw(st.lists(st.tuples(st.integers(0, sources - 1), st.integers(0, targets - 1)), max_size=70))
    edge_index = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T
    graph = Graph.from_edge_index(edge_index, (sources, targets) if bipartite else sources)
    space = pair_space(graph.indptr, graph.indices, sources, targets, self_loops=self_loops)
    wanted = {(u, v) for u in range(sources) for v in range(targets) if self_loops or u != v} - set(edges)
    assert space.num_pairs == len(wanted)
    numbers = torch.arange(space.num_pairs)
    for edge_filter in (None, build_edge_filter(graph.indptr, graph.indices)):
        pairs = exchange_pairs(space, numbers, edge_filter)
        assert {(u, v) for u, v in pairs.T.tolist()} == wanted
        assert torch.equal(pairs, exchange_pairs_torch(space, numbers))


def test_the_bit_table_changes_no_result() -> None:
    graph = Graph.from_edge_index(torch.randint(300, (2, 9000), generator=torch.Generator().manual_seed(0)), 300)
    arguments = (graph.indptr, graph.indices, 300, 300, 20_000, Stream(1))
    with_table, _ = non_edges(*arguments, edge_filter=graph.edge_filter)
    assert torch.equal(with_table, non_edges(*arguments)[0])
    assert not graph.has_edge(with_table[0], with_table[1]).any()


def test_more_nodes_than_a_float_can_count() -> None:
    # 2^31 x 2^31 places: a product of float64 misses the row by a few, and is corrected
    nodes = 2**21
    graph = Graph.from_edge_index(torch.tensor([[0, nodes - 1], [1, 0]]), (nodes, 2**31 - 2))
    space = pair_space(graph.indptr, graph.indices, nodes, 2**31 - 2, self_loops=True)
    numbers = torch.tensor([0, 1, space.num_pairs - 1, space.num_pairs // 2, space.num_pairs // 3 + 12345])
    assert torch.equal(exchange_pairs(space, numbers, graph.edge_filter), exchange_pairs_torch(space, numbers))


def test_unordered_pairs_are_refused() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0], [1]]), 3)
    space = pair_space(graph.indptr, graph.indices, 3, 3, directed=False)
    with pytest.raises(ValueError, match="use pairs_at"):
        exchange_pairs(space, torch.tensor([0]))
