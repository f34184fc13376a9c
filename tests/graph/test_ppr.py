"""Approximate PageRank against dense power iteration, within the bound that is stated."""

from __future__ import annotations

from typing import Any

import networkx
import pytest
import torch
from torch import Tensor

from graphns.graph.build import from_networkx
from graphns.graph.graph import Graph
from graphns.graph.ppr import personalized_pagerank
from graphns.kernels import push
from tests.kernels.plain import run_as_python
from tests.kernels.test_walks import hub_graph


def exact(graph: Graph, sources: Tensor, restart: float, weighted: bool = False) -> Tensor:
    steps = torch.zeros(graph.num_nodes, graph.num_nodes, dtype=torch.float64)
    steps[tuple(graph.edge_index)] = graph.weight if weighted else 1.0  # type: ignore[assignment]
    total = steps.sum(1, keepdim=True)
    steps = torch.where(total > 0, steps / total.clamp(min=1e-300), torch.eye(graph.num_nodes, dtype=torch.float64))
    begin = torch.eye(graph.num_nodes, dtype=torch.float64)[sources]
    found = begin
    for _ in range(600):
        found = restart * begin + (1 - restart) * found @ steps
    return found


def dense(graph: Graph, found: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    indptr, ids, values = found
    rows = torch.zeros(len(indptr) - 1, graph.num_nodes, dtype=torch.float64)
    rows[torch.repeat_interleave(torch.arange(len(rows)), indptr.diff()), ids] = values
    return rows


@pytest.mark.parametrize("restart", [0.15, 0.6, 1.0])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-7])
def test_within_the_bound(restart: float, tolerance: float) -> None:
    graph = from_networkx(networkx.barabasi_albert_graph(120, 3, seed=0))
    sources = torch.arange(0, 120, 7)
    found = personalized_pagerank(graph, sources, restart=restart, tolerance=tolerance)
    error = exact(graph, sources, restart) - dense(graph, found)
    assert bool((error > -1e-12).all())
    assert bool((error < tolerance * graph.degree.clamp(min=1) + 1e-12).all())
    assert bool((found[2] > 0).all())
    assert all(len(part.unique()) == len(part) for part in found[1].split(found[0].diff().tolist()))


@pytest.mark.parametrize("weighted", [False, True])
def test_directed_and_weighted(weighted: bool) -> None:
    graph = hub_graph()
    sources = torch.tensor([0, 61, 5])
    tolerance = 1e-6
    found = personalized_pagerank(graph, sources, tolerance=tolerance, weighted=weighted)
    rows = dense(graph, found)
    error = exact(graph, sources, 0.15, weighted) - rows
    assert bool((error > -1e-9).all())
    missing = 1 - rows.sum(1)
    assert torch.allclose(error.sum(1), missing, atol=1e-9)
    assert bool((missing <= tolerance * graph.degree.clamp(min=1).sum()).all())


def test_blocks_and_python_source_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = hub_graph()
    sources = torch.tensor([0, 3, 3, 61])
    found = personalized_pagerank(graph, sources, tolerance=1e-3, weighted=True)
    monkeypatch.setattr("graphns.graph.ppr._BLOCK", 1)
    monkeypatch.setattr("graphns.graph.ppr.push", push.push.py_func)  # type: ignore[attr-defined]
    run_as_python(monkeypatch, push)
    for a, b in zip(found, personalized_pagerank(graph, sources, tolerance=1e-3, weighted=True), strict=True):
        torch.testing.assert_close(a, b)
    assert [len(part) for part in personalized_pagerank(graph, sources[:0])] == [1, 0, 0]


def test_a_coarse_tolerance_gives_nothing() -> None:
    indptr, ids, values = personalized_pagerank(hub_graph(), torch.tensor([0]), tolerance=1.0)
    assert (indptr.tolist(), ids.tolist(), values.tolist()) == ([0, 0], [], [])


@pytest.mark.parametrize(("options", "message"), [
    ({"restart": 0.0}, r"restart must be in \(0, 1\], got 0.0"),
    ({"tolerance": 0.0}, "tolerance must be a finite number above 0, got 0.0"),
    ({"graph": Graph.empty((2, 2))}, "one kind of node"),
    ({"graph": Graph.empty(2), "weighted": True}, "needs a graph with weights"),
    ({"sources": torch.tensor([-1])}, "anchor -1 is outside"),
])
def test_wrong_use(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        personalized_pagerank(**{"graph": hub_graph(), "sources": torch.tensor([0]), **options})
