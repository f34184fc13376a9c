"""Edges by target: PyG's order, its copies kept, and made once for a prepared graph."""

from __future__ import annotations

import gc
from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Data, HeteroData
from torch_geometric.sampler.utils import to_csc

from graphns.adapters.pyg import incoming as module
from graphns.adapters.pyg.incoming import incoming
from graphns.adapters.pyg.relations import prepare
from graphns.graph.graph import Graph


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30))
def test_the_layout_is_that_of_pyg(edges: list[tuple[int, int]]) -> None:
    """The rows that PyG's own sampler makes of the data; PyG leaves the order within a row open, here columns rise."""
    data = Data(edge_index=torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T, num_nodes=8)
    rows, columns = incoming(data)
    begin, _, permutation = to_csc(data)
    assert torch.equal(rows.indptr, begin)
    for first, stop in pairwise(begin.tolist()):
        assert columns[first:stop].tolist() == sorted(permutation[first:stop].tolist())
    assert torch.equal(rows.indices.long(), data.edge_index[0][columns])


def test_weights_follow_their_edges() -> None:
    data = Data(edge_index=torch.tensor([[3, 0, 2, 0], [1, 1, 0, 1]]), edge_weight=torch.arange(4.0), num_nodes=4)
    rows, columns = incoming(data, weighted=True)
    assert rows.weight is not None and rows.weight.tolist() == [2, 0, 1, 3] == columns.tolist()
    assert incoming(data)[0].weight is None


def test_a_prepared_graph_is_turned_once() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]]))
    assert incoming(graph)[0] is incoming(graph)[0]
    kept = len(module._kept)
    del graph
    gc.collect()
    assert len(module._kept) == kept - 1


def test_many_sources_cost_their_edges_alone() -> None:
    """Between two kinds of nodes, rows are there for targets: a million sources without edges cost nothing."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 1_000_000, 3
    data["user", "buys", "item"].edge_index = torch.tensor([[999_999, 5, 7], [2, 0, 2]])
    relation = prepare(data, None, None, False, False).relations["user", "buys", "item"]
    assert relation.indptr.tolist() == [0, 1, 1, 3] and relation.indices.tolist() == [5, 999_999, 7]
    assert relation.indptr.untyped_storage().nbytes() == 4 * 8
