"""Edges by target: PyG's order, its copies kept, and made once for a prepared graph."""

from __future__ import annotations

import gc
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.data import Data, HeteroData
from torch_geometric.sampler import NodeSamplerInput
from torch_geometric.sampler.utils import to_csc

from graphns.adapters.pyg import incoming as module
from graphns.adapters.pyg.incoming import incoming
from graphns.adapters.pyg.relations import prepare
from graphns.graph.graph import Graph
from graphns.pyg import NeighborSampler


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


class Turned:
    """What is asked of a transposed `SparseTensor` of torch-sparse, which no plain install has."""

    def __init__(self, rows: Graph) -> None:
        self.rows = rows

    def csr(self) -> tuple[Tensor, Tensor, None]:
        return self.rows.indptr, self.rows.indices.long(), None


@pytest.mark.parametrize("options", [{}, {"weight_attr": "w"}, {"time_attr": "time"}, {"time_attr": "when"}])
def test_rows_that_are_there_are_taken(options: dict[str, str]) -> None:
    """`adj_t`: edges are numbered by its rows, and their attributes with them."""
    edges = torch.tensor([[3, 0, 2, 1, 0, 3], [0, 1, 1, 2, 3, 3]])  # by target
    time = torch.tensor([4, 5, 6, 7])
    attributes = {"num_nodes": 4, "w": torch.tensor([1.0, 0, 2, 1, 1, 1]), "time": time,
                  "when": torch.tensor([0, 1, 2, 3, 4, 5]), "edge_attr": torch.arange(6)}
    turned = Data(adj_t=Turned(incoming(Data(edge_index=edges, num_nodes=4))[0]), **attributes)
    plain = Data(edge_index=edges, **attributes)
    seeds = NodeSamplerInput(None, torch.tensor([1, 3]), torch.tensor([6, 4]) if "time_attr" in options else None)
    for fanouts in ([-1, -1], [1, 1]):
        out, wanted = (NeighborSampler(data, fanouts, **options).sample_from_nodes(seeds) for data in (turned, plain))
        assert torch.equal(out.node, wanted.node) and torch.equal(out.edge, wanted.edge)
        assert torch.equal(out.row, wanted.row) and torch.equal(out.col, wanted.col)
