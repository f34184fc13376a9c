"""The PyG-compatible functions: every fault of PyG's own, what they promise, and that they draw uniformly."""

from __future__ import annotations

import random
from itertools import permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor

from graphns.base import InfeasibleError
from graphns.graph.graph import Graph
from graphns.pyg import negative_sampling, structured_negative_sampling, structured_negative_sampling_feasible

SEEDS = (0, 1, 2)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def as_set(pairs: Tensor) -> set[tuple[int, int]]:
    return set(map(tuple, pairs.T.tolist()))


def complete(n: int) -> Tensor:
    return torch.tensor(list(permutations(range(n), 2))).T


# ---- the faults


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_copies_of_an_edge_count_once(method: str) -> None:
    """Six copies of (0, 1) among three nodes leave five pairs; PyG takes the copies for six edges and finds none."""
    edge_index = torch.tensor([[0] * 6, [1] * 6])
    negative = negative_sampling(edge_index, 3, method=method)
    assert as_set(negative) == {(0, 2), (1, 0), (1, 2), (2, 0), (2, 1)}
    assert negative_sampling(edge_index, 3, num_neg_samples=4).shape == (2, 4)


@pytest.mark.parametrize("seed", range(20))
def test_lower_triangular_edges_are_edges(seed: int) -> None:
    """Given as (larger, smaller) alone, the edges still are no undirected negatives."""
    edge_index = torch.tensor([[3, 3, 2, 4], [0, 1, 1, 0]])
    negative = negative_sampling(edge_index, 5, 12, force_undirected=True, generator=seeded(seed))
    known = as_set(edge_index) | as_set(edge_index.flip(0))
    assert len(as_set(negative)) == negative.shape[1] == 12  # 20 ordered pairs, 8 of them known
    assert not as_set(negative) & known


@pytest.mark.parametrize("method", ["sparse", "dense"])
@pytest.mark.parametrize("num", [0, 0.1, 0.0])
def test_zero_samples(method: str, num: float) -> None:
    edge_index = torch.tensor([[0, 1], [1, 2]])
    for undirected in (False, True):
        negative = negative_sampling(edge_index, 4, num, method, undirected)
        assert negative.shape == (2, 0)
        assert negative.dtype == torch.int64


@pytest.mark.parametrize("self_loops", [True, False])
def test_full_row_is_named_not_looped_over(self_loops: bool) -> None:
    edge_index = torch.tensor([[0, 2, 2, 2, 2], [1, 0, 1, 2, 3]])
    assert not structured_negative_sampling_feasible(edge_index, 4, self_loops)
    with pytest.raises(InfeasibleError, match="node 2 is connected to all 4 nodes"):
        structured_negative_sampling(edge_index, 4, self_loops)
    with pytest.raises(InfeasibleError, match="node 2"):
        structured_negative_sampling(Graph.from_edge_index(edge_index, 4), contains_neg_self_loops=self_loops)


def test_full_but_for_itself() -> None:
    """With (2, 2) free, its edges have the negative (2, 2), and none once self-loops are ruled out."""
    edge_index = torch.tensor([[2, 2, 2], [0, 1, 3]])
    assert structured_negative_sampling(edge_index, 4)[2].tolist() == [2, 2, 2]
    with pytest.raises(InfeasibleError, match="all 4 nodes but itself"):
        structured_negative_sampling(edge_index, 4, contains_neg_self_loops=False)


def test_more_nodes_than_float32_counts() -> None:
    """Above 2^24 nodes, every id is reached, odd ones too."""
    n = 2**24 + 101
    edge_index = torch.stack([torch.full((4000,), n - 1), torch.arange(4000) + 2**24 - 4000])
    k = structured_negative_sampling(edge_index, n, generator=seeded(0))[2]
    assert int(k.min()) >= 0 and int(k.max()) < n
    assert not set(k.tolist()) & set(edge_index[1].tolist())
    negative = negative_sampling(torch.tensor([[0], [1]]), (2, n), 200_000, generator=seeded(0))
    top = negative[1][negative[1] > 2**24]
    assert (top % 2 == 1).any() and (top % 2 == 0).any()
    assert negative.shape == (2, 200_000)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8])
def test_narrow_integers(dtype: torch.dtype) -> None:
    """int32 input gives int64 results, the same as int64 input does; i and j come back as they were given."""
    edge_index = torch.tensor([[0, 0, 1, 2], [1, 2, 3, 0]])
    narrow = edge_index.to(dtype)
    same = negative_sampling(edge_index, generator=seeded(3))
    assert torch.equal(negative_sampling(narrow, generator=seeded(3)), same)
    i, j, k = structured_negative_sampling(narrow, generator=seeded(3))
    assert (i.dtype, j.dtype, k.dtype) == (dtype, dtype, torch.int64)
    assert torch.equal(k, structured_negative_sampling(edge_index, generator=seeded(3))[2])


def test_odd_count_undirected_is_halved() -> None:
    """As PyG: 7 asked for, 3 unordered pairs, each in both directions."""
    edge_index = torch.tensor([[0, 1], [1, 2]])
    negative = negative_sampling(edge_index, 10, 7, force_undirected=True)
    assert negative.shape == (2, 6)
    assert torch.equal(negative[:, :3], negative[:, 3:].flip(0))


def test_one_seed_governs_all_functions() -> None:
    """torch.manual_seed alone; PyG's negative_sampling listens to Python's random instead."""
    edge_index = torch.tensor([[0, 0, 1, 2], [1, 2, 3, 0]])
    draws = []
    for python_seed in (1, 2):
        random.seed(python_seed)
        np.random.seed(python_seed)
        torch.manual_seed(12)
        k = structured_negative_sampling(edge_index, 20)[2]
        draws.append(torch.cat([negative_sampling(edge_index, 20), k[None]]))
    assert torch.equal(*draws)
    torch.manual_seed(13)
    structured_negative_sampling(edge_index, 20)
    assert not torch.equal(negative_sampling(edge_index, 20), draws[0][:2])


# ---- counts, arguments, results


@given(st.data())
def test_exact_count_of_distinct_non_edges(data: st.DataObject) -> None:
    """At any density, for any kind of graph: min(asked, available) distinct pairs, none of them known."""
    bipartite, undirected = data.draw(st.booleans()), data.draw(st.booleans())
    src = data.draw(st.integers(1, 7))
    dst = data.draw(st.integers(1, 7)) if bipartite else src
    edges = data.draw(st.lists(st.tuples(st.integers(0, src - 1), st.integers(0, dst - 1)), max_size=60))
    edge_index = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T
    num = data.draw(st.integers(0, 60))
    undirected = undirected and not bipartite
    negative = negative_sampling(edge_index, (src, dst) if bipartite else src, num,
                                 force_undirected=undirected, generator=seeded(data.draw(st.integers(0, 99))))
    known = set(edges) | ({(v, u) for u, v in edges} if undirected else set())
    free = {(u, v) for u, v in product(range(src), range(dst)) if (bipartite or u != v) and (u, v) not in known}
    assert as_set(negative) <= free
    asked = num // 2 * 2 if undirected else num
    assert len(as_set(negative)) == negative.shape[1] == min(asked, len(free))


@given(st.data())
def test_structured_negatives_are_no_edges(data: st.DataObject) -> None:
    n, self_loops = data.draw(st.integers(2, 8)), data.draw(st.booleans())
    edges = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=40))
    edge_index = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T
    known = set(edges) | (set() if self_loops else {(u, u) for u in range(n)})
    feasible = all(len({v for u, v in known if u == node}) < n for node in range(n))
    assert structured_negative_sampling_feasible(edge_index, n, self_loops) is feasible
    if feasible:
        i, j, k = structured_negative_sampling(edge_index, n, self_loops)
        assert torch.equal(torch.stack([i, j]), edge_index)
        assert not set(zip(i.tolist(), k.tolist(), strict=True)) & known
        assert not k.numel() or (int(k.min()) >= 0 and int(k.max()) < n)


def test_structured_takes_bipartite_sizes() -> None:
    """Nodes of two kinds: (1, 1) is no self-loop, and candidates are the destinations."""
    edge_index = torch.tensor([[0, 1, 1], [5, 0, 4]])
    drawn = [structured_negative_sampling(edge_index, (2, 6), contains_neg_self_loops=False, generator=seeded(s))[2]
             for s in range(60)]
    assert set(torch.stack(drawn)[:, 1:].flatten().tolist()) == {1, 2, 3, 5}
    assert structured_negative_sampling_feasible(edge_index, (2, 6))
    assert not structured_negative_sampling_feasible(torch.tensor([[0, 0], [0, 1]]), (1, 2))


def test_prepared_graph_answers_as_its_edges() -> None:
    """A `Graph` saves time and changes nothing: its edges are distinct and sorted, the draws the same."""
    edge_index = torch.tensor([[0, 0, 1, 2, 3], [1, 3, 2, 0, 4]])
    graph = Graph.from_edge_index(edge_index, 5)
    for undirected in (False, True):
        for _ in range(2):  # the second time with the kept numbering
            ours = negative_sampling(graph, num_neg_samples=9, force_undirected=undirected, generator=seeded(1))
            assert torch.equal(ours, negative_sampling(edge_index, 5, 9, "sparse", undirected, generator=seeded(1)))
    for self_loops in (True, False):
        i, j, k = structured_negative_sampling(graph, None, self_loops, generator=seeded(1))
        assert torch.equal(torch.stack([i, j]), edge_index)
        assert torch.equal(k, structured_negative_sampling(edge_index, 5, self_loops, generator=seeded(1))[2])
        assert structured_negative_sampling_feasible(graph, 5, self_loops)
    assert negative_sampling(graph).shape == (2, 5)
    bipartite = Graph.from_edge_index(edge_index, (4, 6))
    assert negative_sampling(bipartite, (4, 6), 0.5).shape == (2, 2)
    with pytest.raises(ValueError, match=r"num_nodes=5, got 6; leave num_nodes out"):
        negative_sampling(graph, 6)


@pytest.mark.parametrize("num_nodes", [None, 0, (0, 0), (0, 3)])
def test_no_nodes(num_nodes: int | tuple[int, int] | None) -> None:
    edge_index = torch.empty((2, 0), dtype=torch.int64)
    assert negative_sampling(edge_index, num_nodes, 5).shape == (2, 0)
    assert negative_sampling(edge_index, num_nodes).dtype == torch.int64
    assert [each.numel() for each in structured_negative_sampling(edge_index, num_nodes)] == [0, 0, 0]
    assert structured_negative_sampling_feasible(edge_index, num_nodes)


def test_no_edges_and_no_pairs() -> None:
    none = torch.empty((2, 0), dtype=torch.int64)
    assert as_set(negative_sampling(none, 3, 100)) == set(permutations(range(3), 2))
    assert negative_sampling(none, 1, 5).shape == (2, 0)
    assert negative_sampling(complete(4), 4, 5).shape == (2, 0)
    assert negative_sampling(complete(4), 4, 5, force_undirected=True).shape == (2, 0)


def test_sizes_of_other_integer_types() -> None:
    edge_index = torch.tensor([[0, 1], [1, 2]])
    expected = negative_sampling(edge_index, 4, 3, generator=seeded(0))
    assert torch.equal(negative_sampling(edge_index, np.int64(4), np.int64(3), generator=seeded(0)), expected)
    assert negative_sampling(edge_index, torch.Size([2, 3]), 1).shape == (2, 1)
    assert negative_sampling(edge_index, [2, 3], np.float64(0.5)).shape == (2, 1)


def test_pyg_edge_index_class() -> None:
    from torch_geometric import EdgeIndex

    edge_index = torch.tensor([[0, 0, 1, 2], [1, 2, 3, 0]])
    wrapped = EdgeIndex(edge_index, sparse_size=(4, 4), sort_order="row")
    same = negative_sampling(edge_index, generator=seeded(5))
    assert torch.equal(negative_sampling(wrapped, generator=seeded(5)), same)
    assert torch.equal(structured_negative_sampling(wrapped, generator=seeded(5))[2],
                       structured_negative_sampling(edge_index, generator=seeded(5))[2])


@pytest.mark.parametrize(("arguments", "message"), [
    (dict(num_nodes=2), r"edge 1 has destination id 2, outside \[0, 2\)"),
    (dict(num_nodes=-1), "at least one node"),
    (dict(num_neg_samples=-1), "num_neg_samples must be at least 0, got -1"),
    (dict(num_neg_samples=-0.5), "num_neg_samples must be at least 0, got -0.5"),
    (dict(num_neg_samples=float("nan")), "num_neg_samples must be at least 0, got nan"),
    (dict(method="clever"), "method must be 'sparse' or 'dense', got 'clever'"),
    (dict(edge_index=torch.zeros(2, 3)), "must hold integers, got torch.float32"),
    (dict(edge_index=torch.zeros(3, 2, dtype=torch.int64)), r"must be \[2, E\], got \(3, 2\); transpose it"),
    (dict(edge_index=torch.tensor([[0], [-1]])), "destination id -1"),
    (dict(edge_index=torch.tensor([[0, 4], [1, 4]]), num_nodes=3, force_undirected=True), "edge 1 has source id 4"),
    (dict(edge_index=[[0], [1]]), "must be a tensor"),
])
def test_bad_input_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        negative_sampling(**{"edge_index": torch.tensor([[0, 1], [1, 2]]), **arguments})  # type: ignore[arg-type]


# ---- distribution


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["directed", "bipartite", "undirected"])
def test_every_non_edge_is_equally_likely_in_every_place(seed: int, kind: str) -> None:
    """Sets are uniform, and so is each place: RandomLinkSplit cuts validation negatives from the front."""
    edge_index = torch.tensor([[0, 0, 1, 3, 4, 4], [1, 0, 2, 3, 0, 1]])
    num_nodes: int | tuple[int, int] = (5, 4) if kind == "bipartite" else 5
    num, undirected = (8, True) if kind == "undirected" else (5, False)
    generator = seeded(seed)
    first, sets = [], []
    for _ in range(1500):
        negative = negative_sampling(edge_index, num_nodes, num, force_undirected=undirected, generator=generator)
        negative = negative[:, : num // 2] if undirected else negative
        first.append(tuple(negative[:, 0].tolist()))
        sets.append(negative)
    known = as_set(edge_index) | (as_set(edge_index.flip(0)) if undirected else set())
    free = [p for p in product(range(5), range(4 if kind == "bipartite" else 5)) if p not in known
            and (kind == "bipartite" or p[0] < p[1] or (p[0] != p[1] and not undirected))]
    assert chisquare([first.count(p) for p in free]).pvalue > 1e-3 / 18
    flat = [tuple(p) for each in sets for p in each.T.tolist()]
    # within a set pairs repel each other, so the statistic is smaller than chi-square: the test is on the safe side
    assert chisquare([flat.count(p) for p in free]).pvalue > 1e-3 / 18
    assert len(flat) == sum(flat.count(p) for p in free)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("self_loops", [True, False])
def test_structured_draws_uniformly(seed: int, self_loops: bool) -> None:
    edge_index = torch.tensor([[2, 2, 2, 5], [1, 2, 4, 0]])
    source = torch.tensor([2, 5, 0, 2]).repeat(6000)
    padded = torch.cat([edge_index, torch.stack([source, torch.tensor([1, 0, 6, 4]).repeat(6000)])], 1)
    i, _, k = structured_negative_sampling(padded, 7, self_loops, generator=seeded(seed))
    known = {2: {1, 2, 4}, 5: {0}, 0: {6}}
    for node, row in known.items():
        free = [v for v in range(7) if v not in row and (self_loops or v != node)]
        counted = torch.bincount(k[i == node], minlength=7)
        assert int(counted[free].sum()) == int((i == node).sum())
        assert chisquare(counted[free].tolist()).pvalue > 1e-3 / 18
