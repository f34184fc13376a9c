"""The fused weighted query against its parts, and in its uncompiled source."""

from __future__ import annotations

import pytest
import torch

from graphns.base import Query
from graphns.graph.graph import Graph
from graphns.kernels import alias, complement, edge_filter, guide, membership, proportional, query, weighted
from graphns.kernels.alias import alias_complement_torch, build_alias, row_weights
from graphns.kernels.guide import build_guide
from graphns.kernels.proportional import Drawn, Tables, weighted_negatives
from graphns.kernels.weighted import cumulative_weights, weighted_keys
from graphns.samplers.exclusion import excluded
from graphns.streams import Stream
from tests.kernels.plain import run_as_python


def tables_of(graph: Graph, weights: torch.Tensor) -> Tables:
    cumulative = cumulative_weights(weights)
    keys = weighted_keys(graph.indptr, graph.indices, cumulative)
    return Tables(cumulative, keys, build_guide(cumulative), build_alias(cumulative),
                  row_weights(graph.indptr, graph.indices, keys, cumulative))


def draw(graph: Graph, asked: Query, tables: Tables, exclude: str = "neighbors", filtered: bool = True,
         exclude_positive: bool = True) -> Drawn | None:
    return weighted_negatives(
        graph.indptr, graph.indices, tables, asked.anchor, asked.positive, asked.row, asked.stream, asked.k,
        exclude_row=exclude == "neighbors", exclude_anchor=not graph.bipartite, exclude_positive=exclude_positive,
        edge_filter=graph.edge_filter if filtered else None)


@pytest.mark.parametrize("bipartite", [False, True])
@pytest.mark.parametrize("exclude", ["neighbors", "self"])
@pytest.mark.parametrize("compiled", [True, False])
def test_fused_equals_the_parts(exclude: str, compiled: bool, bipartite: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    size = (12, 15) if bipartite else 12
    graph = Graph.from_edge_index(torch.randint(12, (2, 60), generator=generator), size)
    weights = torch.randint(6, (graph.num_dst,), generator=generator) * 1000
    asked = Query(torch.arange(12), torch.randint(12, (12,), generator=generator), k=20, stream=Stream(5))
    tables = tables_of(graph, weights)
    if not compiled:
        run_as_python(monkeypatch, proportional, query, alias, complement, membership, edge_filter, guide, weighted)
    rows, extra = excluded(graph, asked, exclude)
    ids, left = alias_complement_torch(graph.indptr, graph.indices, tables.keys, rows, extra, tables.cumulative,
                                       tables.alias, asked.stream.row_keys(asked.row), asked.k)
    for filtered in (True, False):
        drawn = draw(graph, asked, tables, exclude, filtered)
        assert drawn is not None
        assert torch.equal(drawn.ids, ids) and torch.equal(drawn.left, left)
        share = weights[ids].double() / left.clamp(min=1)[:, None]
        assert torch.allclose(drawn.log_prob.double().exp()[left > 0], share[left > 0], rtol=1e-5)
        assert not drawn.log_prob[left == 0].any()


def test_more_slots_and_rows_than_a_block_holds() -> None:
    generator = torch.Generator().manual_seed(2)
    graph = Graph.from_edge_index(torch.randint(700, (2, 9000), generator=generator), 700)
    tables = tables_of(graph, graph.in_degree)
    anchor = torch.randint(700, (2500,), generator=generator)
    asked = Query(anchor, torch.randint(700, (2500,), generator=generator), k=19, stream=Stream(5))
    drawn = draw(graph, asked, tables)
    rows, extra = excluded(graph, asked, "neighbors")
    ids, left = alias_complement_torch(graph.indptr, graph.indices, tables.keys, rows, extra, tables.cumulative,
                                       tables.alias, asked.stream.row_keys(asked.row), asked.k)
    assert drawn is not None and torch.equal(drawn.ids, ids) and torch.equal(drawn.left, left)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    again = draw(graph, asked, tables)
    torch.set_num_threads(threads)
    assert again is not None and all(torch.equal(a, b) for a, b in zip(drawn, again, strict=True))


def test_an_anchor_that_is_no_row_is_told() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]]), 3)
    tables = tables_of(graph, torch.ones(3, dtype=torch.int64))
    assert draw(graph, Query(torch.tensor([0, 3]), torch.tensor([1, 1]), k=2, stream=Stream(0)), tables) is None


@pytest.mark.parametrize("bipartite", [False, True])
def test_known_positives_need_no_look(bipartite: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    graph = Graph.from_edge_index(torch.randint(30, (2, 200), generator=generator), (30, 40) if bipartite else 30)
    tables = tables_of(graph, graph.in_degree)
    asked = Query(*graph.edge_index, k=6, stream=Stream(1))
    checked, promised = draw(graph, asked, tables), draw(graph, asked, tables, exclude_positive=False)
    assert checked is not None and promised is not None
    assert all(torch.equal(a, b) for a, b in zip(checked, promised, strict=True))
