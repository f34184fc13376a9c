"""Walks: compiled and torch agree word for word, and steps have the probabilities that are claimed."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.kernels import counts, node2vec, walks
from graphns.streams import Stream
from tests.kernels.plain import run_as_python

BIASES = [(0.25, 4.0), (4.0, 0.25), (1.0, 100.0), (0.01, 1.0)]


def hub_graph() -> Graph:
    """62 nodes: a hub, two that lead nowhere, random edges, and weights of which some are 0."""
    words = Stream(1).words(torch.arange(300), 2)
    edges = (words >> 8) % 60
    spokes = torch.stack([torch.zeros(50, dtype=torch.int64), torch.arange(50)])
    edge_index = torch.cat([edges.T, spokes, spokes.flip(0)], 1)
    weight = (torch.arange(edge_index.shape[1]) % 7).double() / 3
    return Graph.from_edge_index(edge_index, 62, weight)


def setting(size: int = 310) -> tuple[Graph, Tensor, Tensor]:
    return hub_graph(), torch.arange(size) % 62, Stream(3).row_keys(torch.arange(size))


@pytest.mark.parametrize("restart", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_first_order_walks_agree(restart: float, weighted: bool) -> None:
    graph, start, keys = setting()
    cumulative = graph.cumulative_weight if weighted else None
    found = walks.walk(graph.indptr, graph.indices, start, keys, 9, restart, cumulative)
    expected = walks.walk_torch(graph.indptr, graph.indices, start, keys, 9, restart, cumulative)
    assert torch.equal(found, expected)
    assert found.shape == (310, 10) and (restart < 1 or bool((found == start[:, None]).all()))


@pytest.mark.parametrize(("p", "q"), BIASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_second_order_walks_agree(p: float, q: float, weighted: bool) -> None:
    graph, start, keys = setting()
    cumulative = graph.cumulative_weight if weighted else None
    for restart in (0.0, 0.3):
        found = node2vec.walk_second_order(graph.indptr, graph.indices, start, keys, 9, p, q, restart, cumulative)
        expected = node2vec.walk_second_order_torch(
            graph.indptr, graph.indices, start, keys, 9, node2vec.second_order(p, q), restart, cumulative)
        assert torch.equal(found, expected)


def test_python_source_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, start, keys = setting(70)
    arguments = (graph.indptr, graph.indices, start, keys, 4)

    def results() -> list[Tensor]:
        return [
            walks.walk(*arguments, 0.3), walks.walk(*arguments, 0.0, graph.cumulative_weight),
            *(node2vec.walk_second_order(*arguments, p, q, 0.2, cumulative)
              for p, q in BIASES for cumulative in (None, graph.cumulative_weight)),
        ]

    compiled = results()
    run_as_python(monkeypatch, walks, node2vec, counts)
    for found, expected in zip(results(), compiled, strict=True):
        assert torch.equal(found, expected)


def test_draws_do_not_depend_on_the_batch_or_the_threads() -> None:
    graph, start, keys = setting(4000)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = walks.walk(graph.indptr, graph.indices, start, keys, 20, 0.1)
        torch.set_num_threads(2)
        two = walks.walk(graph.indptr, graph.indices, start, keys, 20, 0.1)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one, two)
    part = walks.walk(graph.indptr, graph.indices, start[17:90], keys[17:90], 20, 0.1)
    assert torch.equal(part, one[17:90])


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("restart", [0.0, 0.3])
def test_promises_and_keys_made_on_the_way_change_no_walk(
    restart: float, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = hub_graph().edge_index
    graph = Graph.from_edge_index(edges[:, (edges < 50).all(0)], 50)
    assert not graph.has_sinks
    stream, rows = Stream(3, 7), torch.tensor([5, 2**40, 0, 99, 7] * 14)
    start = torch.arange(len(rows)) % 50
    want = walks.walk(graph.indptr, graph.indices, start, stream.row_keys(rows), 6, restart)
    by_number = walks.walk(graph.indptr, graph.indices, start, stream.row_keys(torch.arange(70)), 6, restart)
    if plain:
        run_as_python(monkeypatch, walks)
    for sinks in (True, False):
        again = walks.walk(graph.indptr, graph.indices, start, rows, 6, restart, stream=stream, sinks=sinks)
        assert torch.equal(again, want)
        none = walks.walk(graph.indptr, graph.indices, start, rows[:0], 6, restart, stream=stream, sinks=sinks)
        assert torch.equal(none, by_number)


def test_a_node_without_neighbours_or_weight_stays() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 1], [1, 0]]), 3, torch.tensor([0.0, 2.0]))
    keys = Stream(0).row_keys(torch.arange(3))
    found = walks.walk(graph.indptr, graph.indices, torch.arange(3), keys, 2, 0.0, graph.cumulative_weight)
    assert found.tolist() == [[0, 0, 0], [1, 0, 0], [2, 2, 2]]
    second = node2vec.walk_second_order(
        graph.indptr, graph.indices, torch.arange(3), keys, 2, 0.5, 2.0, 0.0, graph.cumulative_weight)
    assert torch.equal(second, found)
    bare = Graph.empty(2)
    for walk in (walks.walk, walks.walk_torch):
        assert walk(bare.indptr, bare.indices, torch.arange(2), keys[:2], 2).tolist() == [[0] * 3, [1] * 3]
    for second_walk in (node2vec.walk_second_order_torch,):
        assert second_walk(bare.indptr, bare.indices, torch.arange(2), keys[:2], 1, (1, 2, 3)).tolist() == [
            [0, 0], [1, 1]]


def test_fixed_point_weights_keep_every_positive_one() -> None:
    indptr = torch.tensor([0, 3, 3, 6, 8])
    weight = torch.tensor([1e-300, 1e300, 0.0, 5e-324, 5e-324, 5e-324, 0.0, 0.0], dtype=torch.float64)
    cumulative = walks.cumulative_weights(indptr, weight)
    assert cumulative[0] == 1 and cumulative[1] == cumulative[2] == 2**36 + 1
    assert (cumulative[3:6].double() / cumulative[5]).tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert cumulative[6:].tolist() == [0, 0]


def assert_probable(counts_: Tensor, probability: Tensor, level: float) -> None:
    expected = probability * counts_.sum()
    assert bool((counts_[expected == 0] == 0).all())
    kept = expected > 0
    statistic = float(((counts_ - expected) ** 2 / expected)[kept].sum())
    assert chi2.sf(statistic, int(kept.sum()) - 1) > level


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), *BIASES])
def test_steps_have_their_probabilities(seed: int, weighted: bool, p: float, q: float) -> None:
    """The second step from 0, given the first: against weights computed one by one from the definition."""
    edges = [(0, 1), (0, 2), (1, 0), (1, 2), (1, 3), (1, 4), (1, 5), (2, 0), (2, 1), (2, 4), (2, 2)]
    weight = {edge: 1.0 + i % 3 if weighted else 1.0 for i, edge in enumerate(edges)}
    graph = Graph.from_edge_index(torch.tensor(edges).T, 6, torch.tensor([weight[e] for e in edges]))
    size = 60_000
    start, keys = torch.zeros(size, dtype=torch.int64), Stream(seed).row_keys(torch.arange(size))
    cumulative = graph.cumulative_weight if weighted else None
    if p == q == 1:
        found = walks.walk(graph.indptr, graph.indices, start, keys, 2, 0.0, cumulative)
    else:
        found = node2vec.walk_second_order(graph.indptr, graph.indices, start, keys, 2, p, q, 0.0, cumulative)
    level = 0.01 / (3 * 2 * 5 * 3)
    first = torch.tensor([weight.get((0, x), 0.0) for x in range(6)])
    assert_probable(torch.bincount(found[:, 1], minlength=6), first / first.sum(), level)
    for middle in (1, 2):
        bias = torch.tensor([1 / p if x == 0 else 1.0 if (0, x) in weight else 1 / q for x in range(6)])
        second = bias * torch.tensor([weight.get((middle, x), 0.0) for x in range(6)])
        reached = found[found[:, 1] == middle, 2]
        assert_probable(torch.bincount(reached, minlength=6), second / second.sum(), level)
