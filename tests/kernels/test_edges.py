"""Two-ended non-edges: every pair numbered once, distinct draws, an exact count, pairs of draws uniform."""

import networkx as nx
import numpy as np
import pytest
import torch

from graphns.kernels import csr, edges, guide, rounds
from graphns.kernels.csr import build_csr
from graphns.kernels.edges import distinct_values, non_edges, pair_space, pairs_at, pairs_at_torch, ranks_of
from graphns.kernels.guide import build_guide, search_torch
from graphns.kernels.rounds import rounds_torch
from graphns.streams import Stream
from tests.kernels.plain import run_as_python
from tests.samplers.distribution import ALPHA, SEEDS, chi_square


def rows_of(pairs, num_src, num_dst):
    pairs = torch.tensor(sorted(pairs), dtype=torch.int64).reshape(-1, 2)
    return build_csr(pairs[:, 0], pairs[:, 1], num_src, num_dst)[:2]


def allowed_pairs(pairs, num_src, num_dst, self_loops, directed):
    known = np.zeros((num_src, num_dst), dtype=bool)
    for u, v in pairs:
        known[u, v] = True
    if not directed:
        known |= known.T | np.tri(num_src, k=-1, dtype=bool)
    if not self_loops:
        known |= np.eye(num_src, num_dst, dtype=bool)
    return np.argwhere(~known).tolist()


def make_graph(seed):
    """From nearly empty to nearly full; square or not; with or without self-loops; directed or not."""
    rng = np.random.default_rng(seed)
    directed = seed % 3 > 0
    num_src = int(rng.integers(1, 8))
    num_dst = int(rng.integers(1, 8)) if seed % 3 == 2 else num_src
    pairs = np.argwhere(rng.random((num_src, num_dst)) < rng.random())
    return {tuple(pair) for pair in pairs.tolist()}, num_src, num_dst, seed % 2 == 0, directed


@pytest.mark.parametrize("graph", [make_graph(seed) for seed in range(120)], ids=range(120))
def test_numbers_and_pairs_match_one_to_one(graph):
    pairs, num_src, num_dst, self_loops, directed = graph
    space = pair_space(*rows_of(pairs, num_src, num_dst), num_src, num_dst, self_loops=self_loops, directed=directed)
    want = allowed_pairs(*graph)
    assert space.num_pairs == len(want)
    every = torch.arange(len(want))
    got = pairs_at(space, every)
    assert sorted(got.T.tolist()) == want
    assert torch.equal(got, pairs_at_torch(space, every))
    assert torch.equal(ranks_of(space, got), every)
    if not directed:
        assert torch.equal(ranks_of(space, got.flip(0)), every)
    grid = torch.cartesian_prod(torch.arange(num_src), torch.arange(num_dst)).T
    members = {tuple(pair) for pair in want} | (set() if directed else {(v, u) for u, v in want})
    assert [int(r) >= 0 for r in ranks_of(space, grid)] == [tuple(pair) in members for pair in grid.T.tolist()]


@pytest.mark.parametrize("upper", [False, True])
def test_unordered_rows_may_be_upper_already(upper):
    # a lower edge, an edge both ways and a self-loop, whole or folded
    pairs = {(2, 0), (1, 2), (2, 1), (3, 3)} if not upper else {(0, 2), (1, 2), (3, 3)}
    for self_loops in (False, True):
        space = pair_space(*rows_of(pairs, 4, 4), 4, 4, directed=False, self_loops=self_loops, upper=upper)
        got = pairs_at(space, torch.arange(space.num_pairs)).T.tolist()
        assert got == allowed_pairs({(0, 2), (1, 2), (3, 3)}, 4, 4, self_loops, False)


def test_equal_to_networkx_non_edges():
    graph = nx.gnp_random_graph(30, 0.3, seed=4, directed=True)
    rows = rows_of(graph.edges, 30, 30)
    got, available = non_edges(*rows, 30, 30, 10**6, Stream(0))
    assert available == got.shape[1] and sorted(map(tuple, got.T.tolist())) == sorted(nx.non_edges(graph))
    both = graph.to_undirected()
    got, available = non_edges(*rows, 30, 30, 10**6, Stream(0), directed=False)
    want = sorted((min(pair), max(pair)) for pair in nx.non_edges(both))
    assert available == len(want) and sorted(map(tuple, got.T.tolist())) == want


@pytest.mark.parametrize(("num_values", "num"), [
    (1, 0), (1, 1), (0, 0), (10, 3), (10, 5), (10, 6), (10, 10), (2001, 1000), (2**40, 5000), (2**62 + 11, 300)])
def test_distinct_values_agree_and_are_distinct(num_values, num):
    values = distinct_values(num_values, num, Stream(3))
    assert len(values.unique()) == len(values) == num
    assert num == 0 or (int(values.min()) >= 0 and int(values.max()) < num_values)
    if 2 * num <= num_values:
        size = torch.full((num,), num_values)
        assert torch.equal(values, rounds_torch(size, torch.zeros_like(size), Stream(3)))


@pytest.mark.parametrize(("num_values", "num"), [(7, 3), (12, 6), (7, 5)])
def test_pairs_of_distinct_values_are_uniform(num_values, num):
    # the middle case sits at the most collisions that rounds allow, the last takes the keyed order
    slots = [(0, 1), (0, num - 1), (num - 1, num - 2)]
    n = num_values * (num_values - 1)
    for seed in SEEDS:
        drawn = torch.stack([distinct_values(num_values, num, Stream(seed, step)) for step in range(6000)])
        for a, b in slots:
            counts = torch.bincount(drawn[:, a] * num_values + drawn[:, b], minlength=num_values**2)
            counts = counts.view(num_values, num_values)[~torch.eye(num_values, dtype=torch.bool)]
            p_value = chi_square(counts, torch.full((n,), 1 / n))
            assert p_value > ALPHA / (len(SEEDS) * len(slots)), f"slots {a}, {b}, seed {seed}: p = {p_value}"


def test_huge_spaces_do_not_overflow():
    # 2^31 + 9 columns need int64 columns; the pairs pass 2^33 by far
    num_dst = 2**31 + 9
    indptr = torch.tensor([0, 2, 2, 3])
    indices = torch.tensor([0, num_dst - 1, 2], dtype=torch.int64)
    space = pair_space(indptr, indices, 3, num_dst, self_loops=True)
    assert space.num_pairs == 3 * num_dst - 3
    ranks = torch.tensor([0, num_dst - 3, num_dst - 2, 2 * num_dst - 3, 2 * num_dst - 2, 3 * num_dst - 4])
    want = [[0, 1], [0, num_dst - 2], [1, 0], [1, num_dst - 1], [2, 0], [2, num_dst - 1]]
    assert pairs_at(space, ranks).T.tolist() == want == pairs_at_torch(space, ranks).T.tolist()
    with pytest.raises(ValueError, match="pairs pass 2\\^63"):
        pair_space(indptr, indices, 2**32, 2**31)


def test_a_large_draw_is_exact_and_thread_independent():
    generator = torch.Generator().manual_seed(0)
    row, col = torch.randint(3000, (2, 60_000), generator=generator) ** 2 // 3000
    indptr, indices, _ = build_csr(row, col, 3000, 3000)
    threads = torch.get_num_threads()
    drawn = []
    for number in (1, 2):
        torch.set_num_threads(number)
        drawn.append(non_edges(indptr, indices, 3000, 3000, 200_000, Stream(1))[0])
    torch.set_num_threads(threads)
    assert torch.equal(*drawn)
    flat = drawn[0][0] * 3000 + drawn[0][1]
    assert len(flat.unique()) == 200_000 and not torch.isin(flat, row * 3000 + col).any()
    assert not (drawn[0][0] == drawn[0][1]).any()


def test_wrong_numbers_are_refused():
    rows = rows_of({(0, 1)}, 2, 3)
    with pytest.raises(ValueError, match="number of pairs must be at least 0, got -1"):
        non_edges(*rows, 2, 3, -1, Stream(0))
    with pytest.raises(ValueError, match="unordered pairs need one set of nodes, got 2 sources and 3"):
        pair_space(*rows, 2, 3, directed=False)
    with pytest.raises(ValueError, match="cannot draw 5 distinct values of 4"):
        distinct_values(4, 5, Stream(0))


def test_guides_find_every_value():
    for widths in ([3, 0, 0, 1, 7, 0], [1] * 50, [10**15, 1, 0, 1, 10**12], [0, 0], [5], [2**61, 1, 2**60]):
        table = torch.tensor([0, *widths]).cumsum(0)
        made = build_guide(table)
        edges_of = torch.cat([table, table - 1, table + 1, torch.arange(60)])
        values = edges_of[(edges_of >= 0) & (edges_of < table[-1])]
        got = [guide.guided(table.numpy(), made.start.numpy(), made.shift, int(v)) for v in values]
        assert got == search_torch(table, values).tolist()
        assert len(made.start) <= len(widths) + 2


def test_the_loops_as_python(monkeypatch):
    pairs = {(0, 1), (0, 0), (2, 3), (3, 0), (3, 1), (3, 2), (5, 4)}

    def draw():
        # 3 of 24 or 10 pairs go by rounds, 5 of 10 at the most collisions
        return [non_edges(*rows_of(pairs, 6, 6), 6, 6, num, Stream(5), directed=directed)[0].tolist()
                for directed in (True, False) for num in (3, 5)]

    want = draw()
    run_as_python(monkeypatch, guide, csr, edges, rounds)
    assert draw() == want
