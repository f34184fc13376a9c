"""The bit table: no edge ever fails it, few others pass it, and its size changes no draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphns.graph.graph import Graph
from graphns.kernels import complement, edge_filter, membership, pairs, structured
from graphns.kernels.complement import complement_uniform, filter_arguments
from graphns.kernels.edge_filter import _fill, build_edge_filter, is_cold, may_have
from graphns.kernels.edges import pair_space
from graphns.kernels.pairs import exchange_pairs
from graphns.kernels.structured import one_per_edge
from graphns.streams import Stream
from tests.kernels.plain import run_as_python


def some_graph() -> Graph:
    return Graph.from_edge_index(torch.randint(200, (2, 3000), generator=torch.Generator().manual_seed(0)), 200)


def cold_table(graph: Graph) -> torch.Tensor:
    """A table as of a graph with millions of edges, which is asked ahead of use."""
    words = np.zeros(1 << 21, dtype=np.uint64)
    _fill(graph.indptr.numpy(), graph.indices.numpy(), words, np.uint64(64 - 21))
    assert is_cold(words)
    return torch.from_numpy(words.view(np.int64))


@pytest.mark.parametrize("table", [cold_table, lambda graph: build_edge_filter(graph.indptr, graph.indices)])
def test_every_edge_passes_and_few_others(table) -> None:
    graph = some_graph()
    words, shift = filter_arguments(table(graph))
    passes = torch.tensor([[int(may_have(words, shift, u, v)) for v in range(200)] for u in range(200)]).bool()
    edges = torch.zeros(200, 200, dtype=torch.bool)
    edges[graph.edge_index[0], graph.edge_index[1]] = True
    assert passes[edges].all()
    assert passes[~edges].double().mean() < 0.01


@pytest.mark.parametrize("plain", [False, True])
def test_the_table_changes_no_draw(plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, stream, rows = some_graph(), Stream(4), torch.arange(200)
    cold, space = cold_table(graph), pair_space(graph.indptr, graph.indices, 200, 200)
    if plain:
        run_as_python(monkeypatch, complement, edge_filter, membership, pairs, structured)
        monkeypatch.setattr(edge_filter, "ask", lambda *_: None)
        for module in (complement, pairs, structured):
            monkeypatch.setattr(module, "ask", lambda *_: None)
    extra = torch.stack([rows, rows.flip(0)], 1)
    arguments = (graph.indptr, graph.indices, rows, extra, 200, stream.row_keys(rows), 9)
    numbers = torch.arange(0, space.num_pairs, 97)
    with np.errstate(over="ignore"):
        for table in (graph.edge_filter, cold):
            assert torch.equal(complement_uniform(*arguments, table)[0], complement_uniform(*arguments)[0])
            assert torch.equal(exchange_pairs(space, numbers, table), exchange_pairs(space, numbers))
            assert torch.equal(one_per_edge(graph.indptr, graph.indices, 200, stream, edge_filter=table)[1],
                               one_per_edge(graph.indptr, graph.indices, 200, stream)[1])
