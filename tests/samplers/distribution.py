"""Proofs by counting: does a sampler draw what its `log_prob` says?

The seeds are fixed beforehand, and the level of each test is 0.01 over all anchors and seeds together (Bonferroni), so
a sound sampler passes on every run and a wrong one on none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from scipy.stats import chi2
from torch import Tensor

from graphns.base import Query, Sampler
from graphns.graph.graph import Graph
from graphns.streams import Stream

SEEDS = (0, 1, 2)
ALPHA = 0.01
NUM_NODES = 14


def hub_graph() -> Graph:
    """Rows of 0, 1, N-2 and N-1 neighbours, one with a self-loop, and in-degrees from 1 to N-1."""
    n = NUM_NODES
    rows = {0: [i for i in range(n) if i != 0], 1: [i for i in range(n) if i not in (1, 2)], 2: [], 3: [0],
            4: [0, 1, 4, 13], 5: [1, 5, 6, 7, 8, 9, 10, 11], 6: [0, 12, 13]}
    rows |= {i: [0, 1, i - 5] for i in range(7, 12)}
    edges = [(u, v) for u, row in rows.items() for v in row]
    return Graph.from_edge_index(torch.tensor(edges).T, num_nodes=n)


def hub_query(k: int = 1) -> Query:
    """Every anchor, with a positive of its row; then with one outside it; then with itself."""
    graph = hub_graph()
    anchor = torch.arange(NUM_NODES)
    inside = torch.tensor([int(row[-1]) if len(row := graph.neighbors(u)) else (u + 3) % NUM_NODES
                           for u in range(NUM_NODES)])
    positive = torch.cat([inside, (anchor + 5) % NUM_NODES, anchor])
    return Query(anchor.repeat(3), positive, k, stream=Stream(0))


def chi_square(counts: Tensor, probabilities: Tensor) -> float:
    """The p-value of counts [n] under probabilities [n], which sum to 1; bins that expect under 5 are pooled."""
    expected = probabilities.double() * counts.sum()
    order = expected.argsort()
    counts, expected = counts[order].double(), expected[order]
    small = int((expected.cumsum(0) < 5).sum()) + 1 if bool((expected < 5).any()) else 0
    if small:
        counts = torch.cat([counts[:small].sum()[None], counts[small:]])
        expected = torch.cat([expected[:small].sum()[None], expected[small:]])
    if len(counts) == 1:
        return 1.0
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return float(chi2.sf(statistic, len(counts) - 1))


def check_distribution(
    sampler: Sampler, query: Query, num_candidates: int, seeds: Sequence[int] = SEEDS, k: int = 20_000
) -> None:
    """Count the draws of each row of `query` against exp(log_prob) at every id, at each seed.

    Also: the probabilities of a row sum to 1, or all its slots are masked; nothing outside the support is drawn; the
    log_prob that came with a draw is the one asked for afterwards.
    """
    every = torch.arange(num_candidates)[None]
    log_prob = sampler.log_prob(query, every)
    probability = log_prob.double().exp()
    some = torch.isfinite(log_prob).any(1)
    total = probability.sum(1)
    assert bool(((total - 1).abs()[some] < 1e-5).all()), f"probabilities sum to {total[some].tolist()}"
    level = ALPHA / (len(seeds) * query.batch_size)
    for seed in seeds:
        drawn = sampler(replace(query, k=k, stream=Stream(seed)))
        assert drawn.log_prob is not None
        ids, given = drawn.ids.expand(drawn.mask.shape), drawn.log_prob.expand(drawn.mask.shape)
        first = slice(0, 300)  # the same few ids come again
        again = sampler.log_prob(replace(query, k=k, stream=Stream(seed)), ids[:, first])
        used = drawn.mask[:, first]
        assert torch.allclose(given[:, first][used], again[used], atol=1e-6)
        for b in range(query.batch_size):
            assert bool(drawn.mask[b].any()) == bool(some[b]), f"row {b} with {int(some[b])} candidates"
            if not some[b]:
                continue
            counts = torch.bincount(ids[b][drawn.mask[b]], minlength=num_candidates)
            inside = probability[b] > 0
            assert int(counts[~inside].sum()) == 0, f"row {b} drew {counts[~inside].nonzero().flatten().tolist()}"
            p_value = chi_square(counts[inside], probability[b][inside] / total[b])
            assert p_value > level, f"row {b}, seed {seed}: p = {p_value:.2g}, counts {counts.tolist()}"


def check_pairs(
    sampler: Sampler, anchor: int, positive: int, k: int, num_candidates: int, seeds: Sequence[int] = SEEDS,
    repeats: int = 30_000,
) -> None:
    """Count ordered pairs of slots, and each slot alone, of draws without replacement: all must be uniform.

    The same pair is asked `repeats` times under different row ids.
    """
    query = Query(torch.full((repeats,), anchor), torch.full((repeats,), positive), k, stream=Stream(0))
    allowed = torch.isfinite(sampler.log_prob(replace(query, anchor=query.anchor[:1], positive=query.positive[:1],
                                                      row=query.row[:1]), torch.arange(num_candidates)[None])[0])
    n = int(allowed.sum())
    slots = min(k, n)
    pairs = [(a, b) for a in range(slots) for b in range(slots) if a != b]
    level = ALPHA / (len(seeds) * (len(pairs) + slots))
    for seed in seeds:
        drawn = sampler(replace(query, stream=Stream(seed)))
        ids = drawn.ids
        assert bool(drawn.mask[:, :slots].all()) and not bool(drawn.mask[:, slots:].any())
        assert bool(allowed[ids[:, :slots]].all())
        assert bool((ids[:, :slots].sort(1).values.diff(dim=1) > 0).all()), "a row holds an id twice"
        for slot in range(slots):
            counts = torch.bincount(ids[:, slot], minlength=num_candidates)[allowed]
            assert chi_square(counts, torch.full((n,), 1 / n)) > level, f"slot {slot}, seed {seed}: {counts.tolist()}"
        for a, b in pairs:
            counts = torch.bincount(ids[:, a] * num_candidates + ids[:, b], minlength=num_candidates**2)
            counts = counts.view(num_candidates, num_candidates)[allowed][:, allowed]
            counts = counts[~torch.eye(n, dtype=torch.bool)]
            uniform = torch.full((n * (n - 1),), 1 / (n * (n - 1)))
            assert chi_square(counts, uniform) > level, f"slots {a} and {b}, seed {seed}"
