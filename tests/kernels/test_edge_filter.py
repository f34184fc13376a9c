"""The bit table: no edge ever fails it, few others pass it, and its size changes no draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphns.graph.graph import Graph
from graphns.kernels import complement, edge_filter, membership, pairs, structured
from graphns.kernels.complement import complement_uniform
from graphns.kernels.edge_filter import build_edge_filter, filter_words, may_have
from graphns.kernels.edges import pair_space
from graphns.kernels.pairs import exchange_pairs
from graphns.kernels.structured import one_per_edge
from graphns.streams import Stream
from tests.kernels.plain import run_as_python


def some_graph() -> Graph:
    return Graph.from_edge_index(torch.randint(200, (2, 3000), generator=torch.Generator().manual_seed(0)), 200)


def test_every_edge_passes_and_few_others() -> None:
    graph = some_graph()
    words = filter_words(build_edge_filter(graph.indptr, graph.indices))
    bounds = graph.indptr.numpy().astype(np.uint64)
    passes = torch.tensor([[bool(may_have(words, bounds[u], bounds[u + 1] - bounds[u], v)) for v in range(200)]
                           for u in range(200)])
    edges = torch.zeros(200, 200, dtype=torch.bool)
    edges[graph.edge_index[0], graph.edge_index[1]] = True
    assert passes[edges].all()
    assert passes[~edges].double().mean() < 0.01


def test_a_row_has_words_of_its_own() -> None:
    """The table of some rows is the same whatever stands before and after: threads fill it without meeting."""
    graph = some_graph()
    table = build_edge_filter(graph.indptr, graph.indices)
    low, high = int(graph.indptr[50]), int(graph.indptr[60])
    alone = build_edge_filter(graph.indptr[50:61] - low, graph.indices[low:high])
    assert torch.equal(table[low:high], alone[:-1]) and int(alone[-1]) == int(table[-1]) == 0


def test_an_empty_row_at_the_end_may_be_asked() -> None:
    table = build_edge_filter(torch.tensor([0, 1, 1]), torch.tensor([4], dtype=torch.int32))
    assert not may_have(filter_words(table), np.uint64(1), np.uint64(0), 4)


@pytest.mark.parametrize("plain", [False, True])
def test_the_table_changes_no_draw(plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, stream, rows = some_graph(), Stream(4), torch.arange(200)
    table, space = graph.edge_filter, pair_space(graph.indptr, graph.indices, 200, 200)
    extra = torch.stack([rows, rows.flip(0)], 1)
    arguments = (graph.indptr, graph.indices, rows, extra, 200, stream.row_keys(rows), 9)
    numbers = torch.arange(0, space.num_pairs, 97)
    if plain:
        run_as_python(monkeypatch, complement, edge_filter, membership, pairs, structured)
    assert torch.equal(complement_uniform(*arguments, table)[0], complement_uniform(*arguments)[0])
    assert torch.equal(exchange_pairs(space, numbers, table), exchange_pairs(space, numbers))
    assert torch.equal(one_per_edge(graph.indptr, graph.indices, 200, stream, edge_filter=table)[1],
                       one_per_edge(graph.indptr, graph.indices, 200, stream)[1])
