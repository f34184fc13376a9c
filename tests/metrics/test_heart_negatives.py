"""HeaRT's negatives against a plain search, asked again and otherwise, and never what is excluded."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from graphns.encoders.sparse import Sparse
from graphns.graph.build import from_networkx
from graphns.graph.graph import Graph
from graphns.metrics.heart import best_rank
from graphns.metrics.heart_negatives import heart_negatives

SIZE = 40


def plain_graph() -> Graph:
    return from_networkx(nx.barabasi_albert_graph(SIZE, 3, seed=4))


def positives() -> Tensor:
    return torch.tensor([[0, 7, 31, 12, 7], [39, 20, 12, 31, 39]])


def features() -> Tensor:
    return (torch.rand(SIZE, 12, generator=torch.Generator().manual_seed(0)) < 0.3).float()


def scores_of(graph: Graph, x: Tensor, node: int) -> dict[str, list[float]]:
    plain = nx.Graph(graph.edge_index.T.tolist())
    others = [other if other != node else (node + 1) % SIZE for other in range(SIZE)]
    allocation = [value for _, _, value in nx.resource_allocation_index(plain, [(node, other) for other in others])]
    walk = nx.pagerank(plain, alpha=0.85, personalization={node: 1}, tol=1e-13, max_iter=3000)
    unit = x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return {"ra": allocation, "ppr": [walk[other] for other in range(SIZE)], "cosine": (unit @ unit[node]).tolist()}


@pytest.mark.parametrize("heuristics", [["ra"], ["ppr"], ["cosine"], ["ra", "ppr", "cosine"]])
@pytest.mark.parametrize("sparse", [False, True])
def test_equal_to_a_plain_search(heuristics: list[str], sparse: bool) -> None:
    """Where ranks tie, which of the tied are taken is random: their ranks are compared."""
    graph, x, pairs = plain_graph(), features(), positives()
    found = heart_negatives(graph, pairs, 16, x=Sparse.from_dense(x) if sparse else x, heuristics=heuristics,
                            tolerance=1e-9, seed=3)
    assert found.shape == (2, 5, 16) and found.dtype == torch.int64
    for row, ends in enumerate(pairs.T.tolist()):
        for kept in (0, 1):
            node, other = ends[kept], ends[1 - kept]
            half = found[:, row, 8 * kept:8 * kept + 8]
            assert half[kept].tolist() == [node] * 8
            allowed = [c for c in range(SIZE) if c not in (node, other) and not nx_edge(graph, node, c)]
            scores = scores_of(graph, x, node)
            ranks = best_rank([torch.tensor(np.round([scores[name][c] for c in allowed], 7)) for name in heuristics])
            by_candidate = dict(zip(allowed, ranks.tolist(), strict=True))
            chosen = half[1 - kept].tolist()
            assert len(set(chosen)) == 8 and [by_candidate[c] for c in chosen] == sorted(ranks.tolist())[:8]


def nx_edge(graph: Graph, one: int, other: int) -> bool:
    return other in graph.neighbors(one).tolist()


@pytest.mark.parametrize("x", [features(), Sparse.from_dense(features()), torch.rand(SIZE, 70)])
def test_asked_twice_or_otherwise_the_same(x: Tensor | Sparse, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an edit of the similarities in place breaks: the published generator gives other answers the second time."""
    graph, pairs = plain_graph(), positives()
    before = torch.get_rng_state()
    first = heart_negatives(graph, pairs, 10, x=x, seed=1)
    assert torch.equal(first, heart_negatives(graph, pairs, 10, x=x, seed=1))
    twice = heart_negatives(graph, pairs[:, [3, 0, 0, 4, 2, 1]], 10, x=x, seed=1)
    assert torch.equal(twice, first[:, [3, 0, 0, 4, 2, 1]])
    monkeypatch.setattr("graphns.metrics.heart_negatives._SCORES", 2 * SIZE)
    assert torch.equal(heart_negatives(graph, pairs, 10, x=x, seed=1), first)
    once = Graph.from_edge_index(graph.edge_index[:, graph.edge_index[0] < graph.edge_index[1]], SIZE)
    assert torch.equal(heart_negatives(once, pairs, 10, x=x, seed=1), first), "edges count in both directions"
    longer = heart_negatives(graph, pairs, 16, x=x, seed=1)
    assert torch.equal(longer[..., :5], first[..., :5]), "of more negatives, the first are the same"
    assert torch.equal(torch.get_rng_state(), before)


def test_ties_are_broken_by_the_seed_evenly() -> None:
    """In a star without features all leaves rank alike: chi-square over the leaf that is drawn first."""
    leaves = torch.arange(1, 14)
    star = Graph.from_edge_index(torch.stack([torch.zeros_like(leaves), leaves]))
    pair = torch.tensor([[1], [2]])
    counts = torch.zeros(14)
    for seed in range(1100):
        counts[heart_negatives(star, pair, 2, heuristics=["ra"], seed=seed)[1, 0, 0]] += 1
    assert counts[:3].sum() == 0, "neither an edge, nor itself, nor the positive"
    statistic = float(((counts[3:] - 100) ** 2 / 100).sum())
    assert 1.5 < statistic < 27, "10 degrees of freedom: outside with a chance of 0.4 %"


def test_what_is_excluded() -> None:
    graph, pairs = plain_graph(), positives()
    found = heart_negatives(graph, pairs, 20)
    assert not graph.has_edge(*found.reshape(2, -1)).any()
    more = Graph.from_edge_index(found[:, :, 0].clone(), SIZE)  # in one direction: the other is excluded too
    other = heart_negatives(graph, pairs, 20, exclude=more)
    assert bool(graph.has_edge(*other.reshape(2, -1)).any()), "what is given takes the place of the graph's edges"
    taken = {frozenset(pair) for pair in more.edge_index.T.tolist()}
    assert not taken & {frozenset(pair) for pair in other.reshape(2, -1).T.tolist()}
    for kept in (0, 1):
        ends = other[:, :, 10 * kept:10 * kept + 10]
        assert bool((ends[kept] == pairs[kept][:, None]).all())
        assert not (ends[1 - kept] == pairs[1 - kept][:, None]).any()
        assert not (ends[0] == ends[1]).any()


def test_no_positives_have_no_negatives() -> None:
    assert heart_negatives(plain_graph(), positives()[:, :0], 4).shape == (2, 0, 4)


def test_refusals() -> None:
    graph, pairs = plain_graph(), positives()
    for n in (0, 3):
        with pytest.raises(ValueError, match=f"n must be even and at least 2, half of it for each end, got {n}"):
            heart_negatives(graph, pairs, n)
    with pytest.raises(ValueError, match=r"positive must be integer pairs \[2, P\], got torch.int64 \(5, 2\)"):
        heart_negatives(graph, pairs.T, 4)
    with pytest.raises(ValueError, match=r"40 is outside \[0, 40\)"):
        heart_negatives(graph, torch.tensor([[0], [40]]), 4)
    with pytest.raises(ValueError, match="heuristics must be of ra, cn, ppr, cosine, got pagerank"):
        heart_negatives(graph, pairs, 4, heuristics=["pagerank"])
    with pytest.raises(ValueError, match="got none"):
        heart_negatives(graph, pairs, 4, heuristics=[])
    with pytest.raises(ValueError, match=r"needs features x \[40, F\], got None"):
        heart_negatives(graph, pairs, 4, heuristics=["cosine"])
    with pytest.raises(ValueError, match=r"got \(39, 2\)"):
        heart_negatives(graph, pairs, 4, x=torch.ones(39, 2))
    with pytest.raises(ValueError, match="exclude has 3 nodes, the graph 40"):
        heart_negatives(graph, pairs, 4, exclude=Graph.empty(3))
    with pytest.raises(ValueError, match=r"positive \(0, 39\), node 0 has \d+ candidates, and n=78 needs 39; lower n"):
        heart_negatives(graph, pairs, 78)
