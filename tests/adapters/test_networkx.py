"""networkx: negative edges against `networkx.non_edges`, and graphs there and back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from graphns.base import InfeasibleError
from graphns.graph.graph import Graph
from graphns.networkx import from_networkx, negative_edges, to_networkx

SEEDS = (0, 1, 2)
ALPHA = 0.01
KINDS = [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph]
NAMES: list[Hashable] = ["a", 7, (1, 2), None.__class__, frozenset({3}), 2.5]


def as_pairs(graph: Any, pairs: Any) -> set[Any]:
    """Ordered pairs of a directed graph, unordered ones of another."""
    return {pair if graph.is_directed() else frozenset(pair) for pair in pairs}


@st.composite
def graphs(draw: st.DrawFn) -> Any:
    """Any kind, with names of any type, self-loops, and parallel edges where there may be some."""
    graph = draw(st.sampled_from(KINDS))()
    nodes = draw(st.permutations(NAMES))[: draw(st.integers(1, len(NAMES)))]
    graph.add_nodes_from(nodes)
    node = st.sampled_from(nodes)
    graph.add_edges_from(draw(st.lists(st.tuples(node, node), max_size=20)))
    return graph


@given(graphs(), st.integers(0, 40), st.integers(0, 2**32))
def test_exactly_the_pairs_there_are(graph: Any, n: int, seed: int) -> None:
    """As many as asked for or all, distinct, each among networkx's own non-edges; the smaller place first."""
    free = as_pairs(graph, nx.non_edges(graph))
    drawn = negative_edges(graph, n, seed=seed)
    assert len(drawn) == len(as_pairs(graph, drawn)) == min(n, len(free))
    assert as_pairs(graph, drawn) <= free
    place = {node: i for i, node in enumerate(graph)}
    assert graph.is_directed() or all(place[u] < place[v] for u, v in drawn)
    if n > len(free):
        with pytest.raises(InfeasibleError, match=f"{n} negative edges are asked for, and the graph has {len(free)};"):
            negative_edges(graph, n, seed=seed, exact=True)
    else:
        assert negative_edges(graph, n, seed=seed, exact=True) == drawn


def test_a_graph_without_nodes_has_none() -> None:
    assert negative_edges(nx.Graph(), 3) == []
    with pytest.raises(InfeasibleError, match="3 negative edges are asked for, and the graph has 0"):
        negative_edges(nx.DiGraph(), 3, exact=True)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num", [1, 4])
def test_every_non_edge_alike(kind: Any, seed: int, num: int) -> None:
    """Each of M comes with probability num / M; draws of a set exclude each other, hence (M - 1) / M."""
    graph = kind(nx.gnp_random_graph(7, 0.6, seed=1, directed=kind in (nx.DiGraph, nx.MultiDiGraph)))
    graph.add_edges_from([(0, 0), (0, 1), (0, 1)])
    free = as_pairs(graph, nx.non_edges(graph))
    size, repeats = len(free), 3000
    counts: Counter[Any] = Counter()
    state = random.Random(seed)
    for _ in range(repeats):
        counts.update(pair if graph.is_directed() else frozenset(pair)
                      for pair in negative_edges(graph, num, seed=state))
    assert set(counts) <= free and num < size
    share = num / size
    squares = sum((counts[pair] - repeats * share) ** 2 for pair in free) / (repeats * share * (1 - share))
    assert chi2.sf(squares * (size - 1) / size, size - 1) > ALPHA / (len(SEEDS) * len(KINDS) * 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_is_random_too(seed: int) -> None:
    """The first of all the pairs is any of them: a caller may cut the list."""
    graph = nx.path_graph(4)
    state = np.random.default_rng(seed)
    counts = Counter(negative_edges(graph, 3, seed=state)[0] for _ in range(1500))
    assert set(counts) == {(0, 2), (0, 3), (1, 3)}
    assert chi2.sf(sum((each - 500) ** 2 for each in counts.values()) / 500, 2) > ALPHA / len(SEEDS)


def test_seeds_as_in_networkx() -> None:
    graph = nx.gnp_random_graph(30, 0.2, seed=0)
    for make in (lambda: 5, lambda: np.int64(5), lambda: random.Random(5), lambda: np.random.RandomState(5),
                 lambda: np.random.default_rng(5)):
        assert negative_edges(graph, 9, seed=make()) == negative_edges(graph, 9, seed=make())
    for state in (random.Random(5), np.random.RandomState(5), np.random.default_rng(5)):  # a state moves on
        assert negative_edges(graph, 9, seed=state) != negative_edges(graph, 9, seed=state)
    assert negative_edges(graph, 9, seed=5) == negative_edges(graph, 9, seed=np.int64(5)) != negative_edges(
        graph, 9, seed=6)
    with pytest.raises(ValueError, match="cannot be used to generate"):
        negative_edges(graph, 9, seed="5")


def test_without_a_seed_torch_governs_and_no_global_state_moves() -> None:
    graph = nx.gnp_random_graph(30, 0.2, seed=0)
    states = random.getstate(), np.random.get_state()[1].tolist()
    torch.manual_seed(1)
    first, second = negative_edges(graph, 9), negative_edges(graph, 9)
    torch.manual_seed(1)
    assert negative_edges(graph, 9) == first != second
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states


@pytest.mark.parametrize("n", [-1, 2.5, True, None])
def test_a_wrong_count_is_refused(n: Any) -> None:
    with pytest.raises(ValueError, match="n must be an integer of at least 0, got"):
        negative_edges(nx.path_graph(3), n)


# --- there and back


@given(graphs(), st.booleans())
def test_there_and_back(graph: Any, weighted: bool) -> None:
    """Parallel edges become one, the rest is as it was: nodes in their order, edges, weights."""
    if weighted:
        for number, (_, _, found) in enumerate(graph.edges(data=True)):
            found["weight"] = number + 0.5
    made = from_networkx(graph)
    back = to_networkx(made, list(graph), directed=graph.is_directed())
    assert type(back) is (nx.DiGraph if graph.is_directed() else nx.Graph)
    assert list(back) == list(graph) and nx.utils.edges_equal(back.edges(), type(back)(graph).edges())
    again = from_networkx(back)
    assert torch.equal(again.edge_index, made.edge_index)
    assert (again.weight is None) == (made.weight is None)
    assert made.weight is None or torch.equal(again.weight, made.weight)


def test_a_bipartite_graph_goes_out_as_networkx_marks_it() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 1], [2, 0, 2]]), (2, 3), weight=torch.tensor([1.0, 2.0, 3.0]))
    made = to_networkx(graph, ["u", "v", "x", "y", "z"])
    assert list(made.edges(data="weight")) == [("u", "z", 1.0), ("v", "x", 2.0), ("v", "z", 3.0)]
    assert nx.get_node_attributes(made, "bipartite") == {"u": 0, "v": 0, "x": 1, "y": 1, "z": 1}
    assert nx.is_bipartite(to_networkx(graph, directed=False))
    assert list(to_networkx(graph)) == [0, 1, 2, 3, 4]


def test_what_does_not_fit_is_refused() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 1], [1, 0]]), weight=torch.tensor([1.0, 2.0]))
    for names in (["a"], ["a", "a"], ["a", "b", "c"]):
        with pytest.raises(ValueError, match="need 2 different names of nodes, got"):
            to_networkx(graph, names)
    with pytest.raises(ValueError, match=r"edges 1 -> 0 and back weigh 2.0 and 1.0: .* pass directed=True"):
        to_networkx(graph, directed=False)
