"""The fused uniform query against its parts, and in its uncompiled source."""

from __future__ import annotations

import math

import pytest
import torch

from graphns.base import Query
from graphns.graph.graph import Graph
from graphns.kernels import complement, edge_filter, keys, membership, uniform
from graphns.kernels import query as kernel_query
from graphns.kernels.complement import complement_uniform_torch
from graphns.kernels.uniform import uniform_negatives
from graphns.samplers.exclusion import excluded
from graphns.streams import Stream
from tests.kernels.plain import run_as_python


def draw(graph: Graph, query: Query, **switches: bool) -> uniform.Drawn | None:
    return uniform_negatives(graph.indptr, graph.indices, query.anchor, query.positive, query.row, query.stream,
                             graph.num_dst, query.k, edge_filter=graph.edge_filter, **switches)


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
@pytest.mark.parametrize("compiled", [True, False])
def test_fused_equals_the_parts(exclude: str, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    graph = Graph.from_edge_index(torch.randint(12, (2, 60), generator=generator), 12)
    query = Query(torch.arange(12), torch.randint(12, (12,), generator=generator), k=20, stream=Stream(5))
    if not compiled:
        run_as_python(monkeypatch, uniform, complement, membership, edge_filter)
    drawn = draw(graph, query, exclude_row=exclude == "neighbors", exclude_anchor=True, exclude_positive=True)
    rows, extra = excluded(graph, query, exclude)
    ids, counts = complement_uniform_torch(graph.indptr, graph.indices, rows, extra, 12,
                                           query.stream.row_keys(query.row), query.k)
    assert drawn is not None
    assert torch.equal(drawn.ids, ids) and torch.equal(drawn.counts, counts)
    assert torch.allclose(drawn.log_prob.exp() * counts.clamp(min=1), torch.ones(12))


@pytest.mark.parametrize("compiled", [True, False])
def test_no_self_loops_and_known_positives_are_promises(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    edges = torch.randint(40, (2, 300), generator=torch.Generator().manual_seed(2))
    graph = Graph.from_edge_index(edges[:, edges[0] != edges[1]], 40)
    query = Query(*graph.edge_index, k=9, stream=Stream(5))
    want = draw(graph, query, exclude_row=True, exclude_anchor=True, exclude_positive=True)
    if not compiled:
        run_as_python(monkeypatch, uniform, complement, membership, edge_filter, kernel_query)
    for positive in (True, False):
        for loops in (True, False):
            drawn = draw(graph, query, exclude_row=True, exclude_anchor=True, exclude_positive=positive,
                         self_loops=loops)
            assert want is not None and drawn is not None
            assert all(torch.equal(a, b) for a, b in zip(want, drawn, strict=True))


def test_an_anchor_that_is_no_row_is_told() -> None:
    graph = Graph.empty(3)
    query = Query(torch.tensor([0, 3]), torch.tensor([1, 1]), k=2, stream=Stream(0))
    assert draw(graph, query, exclude_row=True, exclude_anchor=True, exclude_positive=True) is None


@pytest.mark.parametrize("compiled", [True, False])
def test_row_keys_in_one_pass(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiled:
        run_as_python(monkeypatch, keys)
    row = torch.tensor([0, 1, 7, 2**40, -1])
    for stream in (Stream(0), Stream(-3, 9)):
        assert torch.equal(keys.row_keys(stream, row), stream.row_keys(row))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("whole", [1, 7, 1000, 10**9, 2**62])
def test_log_share_is_the_logarithm(whole: int, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiled:
        run_as_python(monkeypatch, kernel_query)
    parts = {1, whole, whole - whole // 127, whole - whole // 128, whole - whole // 129, whole // 2, whole - 1,
             whole - whole // 10**6}
    for part in parts - {0}:
        want = math.log(part / whole) if whole < 2**53 else math.log(part) - math.log(whole)
        assert kernel_query.log_share(part, whole) == pytest.approx(want, rel=1e-13, abs=1e-14)
