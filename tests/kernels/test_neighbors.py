"""Sampled neighbours: both versions agree, and subsets have the probabilities that are claimed."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from graphns.graph.graph import Graph
from graphns.kernels import neighbors
from graphns.streams import Stream
from tests.kernels.plain import run_as_python
from tests.kernels.test_walks import assert_probable, setting


@pytest.mark.parametrize("fanout", [1, 3, 7, 60])
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_versions_agree(
    fanout: int, replace: bool, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, rows, keys = setting(130)
    cumulative = graph.cumulative_weight if weighted else None
    arguments = (graph.indptr, rows, keys, fanout, replace, cumulative)
    found = neighbors.neighbor_positions(*arguments)
    assert torch.equal(found, neighbors.neighbor_positions_torch(*arguments))
    inside = (found >= graph.indptr[rows][:, None]) & (found < graph.indptr[rows + 1][:, None])
    assert bool((inside | (found == -1)).all())
    if not replace:
        for row in found.tolist():
            drawn = [at for at in row if at >= 0]
            assert len(set(drawn)) == len(drawn)
    if weighted:  # rows no longer than the fan-out are taken whole
        drawn = found[torch.full_like(rows, replace).bool() | (graph.degree[rows] > fanout)]
        assert graph.weight is not None and bool((graph.weight[drawn[drawn >= 0]] > 0).all())
    run_as_python(monkeypatch, neighbors)
    assert torch.equal(neighbors.neighbor_positions(*arguments), found)


@pytest.mark.parametrize("wide", [False, True])
def test_edges_at(wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, rows, keys = setting(130)
    indices = graph.indices.long() if wide else graph.indices
    for positions in (neighbors.neighbor_positions(graph.indptr, rows, keys, 7), torch.full((3, 2), -1),
                      torch.empty((0, 4), dtype=torch.int64)):
        expected = neighbors.edges_at_torch(positions, indices)
        for found, wanted in zip(neighbors.edges_at(positions, indices), expected, strict=True):
            assert torch.equal(found, wanted) and found.dtype == torch.int64
    positions = neighbors.neighbor_positions(graph.indptr, rows, keys, 7)
    expected = neighbors.edges_at(positions, indices)
    assert len(expected[0]) > 100 and torch.equal(expected[2], graph.indices[expected[0]].long())
    run_as_python(monkeypatch, neighbors)
    for found, wanted in zip(neighbors.edges_at(positions, indices), expected, strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_taken(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    values = (Stream(0).words(torch.arange(1), 500)[0] >> 40).to(dtype)
    at = (Stream(1).words(torch.arange(1), 900)[0] >> 8) % 500
    for positions in (at, at[:0]):
        found = neighbors.taken(values, positions)
        assert found.dtype == torch.int64 and torch.equal(found, values[positions].long())
    run_as_python(monkeypatch, neighbors)
    assert torch.equal(neighbors.taken(values, at), values[at].long())


def test_relabel(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = torch.tensor([5, 3, 5, 9, 3, 0, 2**40])
    for version in (neighbors.relabel, neighbors.relabel_torch):
        distinct, local = version(nodes)
        assert distinct.tolist() == [5, 3, 9, 0, 2**40] and local.tolist() == [0, 1, 0, 2, 1, 3, 4]
        assert [len(part) for part in version(nodes[:0])] == [0, 0]
    many = (Stream(0).words(torch.arange(2000), 1)[:, 0] >> 8) % 500
    for found, expected in zip(neighbors.relabel(many), neighbors.relabel_torch(many), strict=True):
        assert torch.equal(found, expected)
    run_as_python(monkeypatch, neighbors)
    assert neighbors.relabel(nodes)[1].tolist() == [0, 1, 0, 2, 1, 3, 4]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_subsets_have_their_probabilities(seed: int, weighted: bool) -> None:
    """Pairs drawn from five neighbours without replacement, as sets: uniform, or by successive weights."""
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0, 6.0]) if weighted else torch.ones(5)
    graph = Graph.from_edge_index(torch.stack([torch.zeros(5, dtype=torch.int64), torch.arange(5)]), 6, weight)
    size = 60_000
    positions = neighbors.neighbor_positions(
        graph.indptr, torch.zeros(size, dtype=torch.int64), Stream(seed).row_keys(torch.arange(size)), 2, False,
        graph.cumulative_weight if weighted else None)
    probability = torch.zeros(25, dtype=torch.float64)
    for first, second in permutations(range(5), 2):
        total = float(weight.sum())
        one = float(weight[first]) / total * float(weight[second]) / (total - float(weight[first]))
        probability[min(first, second) * 5 + max(first, second)] += one
    pairs = positions.sort(1).values
    counts = torch.bincount(pairs[:, 0] * 5 + pairs[:, 1], minlength=25)
    assert_probable(counts, probability, 0.01 / 6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_weighted_with_replacement(seed: int) -> None:
    weight = torch.tensor([1.0, 0.0, 3.0, 4.0])
    graph = Graph.from_edge_index(torch.stack([torch.zeros(4, dtype=torch.int64), torch.arange(4)]), 4, weight)
    positions = neighbors.neighbor_positions(
        graph.indptr, torch.zeros(1, dtype=torch.int64), Stream(seed).row_keys(torch.arange(1)), 50_000, True,
        graph.cumulative_weight)
    assert_probable(torch.bincount(positions[0], minlength=4), weight.double() / 8, 0.01 / 3)
