"""Candidates that samplers draw over the k-NN graph."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from graphns.graph.graph import Graph
from graphns.mining.guards import Guards
from graphns.mining.mine import mine
from graphns.mining.table import Table
from graphns.mining.walk import TableModel, neighbor_graph
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.dynamic.random_walk import RandomWalk
from graphns.samplers.static.uniform import Uniform

RNG = np.random.default_rng(3)
CENTERS = RNG.normal(size=(6, 10))
LABELS = np.repeat(np.arange(6), 25)
POINTS = (CENTERS[LABELS] + RNG.normal(size=(150, 10))).astype(np.float32)
NOTHING = torch.empty(0, dtype=torch.bool)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_the_graph_is_the_k_nearest() -> None:
    table = unit(POINTS) @ unit(POINTS).T
    np.fill_diagonal(table, -np.inf)
    wanted = {(i, int(j)) for i in range(150) for j in np.argsort(-table[i])[:4]}
    wanted |= {(j, i) for i, j in wanted}
    items = Table(POINTS)
    graph = neighbor_graph(items, items, 4, NOTHING, block=11)
    assert set(map(tuple, graph.edge_index.T.tolist())) == wanted
    queries = Table(POINTS[::10])
    both = neighbor_graph(queries, Table(POINTS), 3, NOTHING)
    assert both.bipartite and both.num_src == 15 and both.degree.tolist() == [3] * 15
    assert all(bool(both.has_edge(torch.tensor([i]), torch.tensor([10 * i]))) for i in range(15))  # itself


def test_copies_neither_hide_the_row_nor_make_room_twice() -> None:
    items = Table(np.array([[1.0, 0.0]] * 5 + [[0.0, 1.0]]))
    graph = neighbor_graph(items, items, 2, NOTHING)
    assert not graph.has_self_loops and int(graph.degree.min()) >= 2
    banned = torch.tensor([False, True, True, True, False, False])
    assert neighbor_graph(items, items, 1, banned).edge_index.tolist() == [[0, 0, 4, 5], [4, 5, 0, 0]]
    with pytest.raises(ValueError, match="neighbors must be between 1 and 5, as there are 6 rows, got 6"):
        neighbor_graph(items, items, 6, NOTHING)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_the_model_scores_as_the_tables(metric: str) -> None:
    anchors, corpus = Table(POINTS[:7], metric), Table(POINTS, metric)  # type: ignore[arg-type]
    model = TableModel(anchors, corpus)
    ids = torch.randint(150, (3, 9), generator=torch.Generator().manual_seed(0))
    anchor = torch.tensor([6, 0, 2])
    left, right = (unit(POINTS) if metric == "cosine" else POINTS for _ in range(2))
    picked = right[ids.numpy()]
    own = left[anchor.numpy()][:, None]
    wanted = -np.linalg.norm(own - picked, axis=2) if metric == "l2" else (own * picked).sum(2)
    assert np.allclose(model.score(anchor, ids), wanted, atol=1e-5)
    assert np.allclose(model.score(anchor, ids[:1]), model.score(anchor, ids[:1].expand(3, 9)), atol=1e-5)
    assert model.embed(ids, layers=True).shape == (3, 9, 1, 10)


def test_walks_mine_what_is_near_but_no_neighbour_nor_of_the_label() -> None:
    seen: list[Graph] = []

    def make(graph: Graph) -> RandomWalk:
        seen.append(graph)
        return RandomWalk(graph, window=(1, 20), share=1.0)

    mined = mine(POINTS, labels=LABELS, sampler=make, guards=Guards(k=3), neighbors=5)
    graph = seen[0]
    some = mined.negatives >= 0
    ids = mined.negatives.clamp(min=0)
    assert not bool((graph.has_edge(mined.anchor, ids) & some).any())
    assert mined.audit.false_negatives == 0 and mined.audit.negatives > 300
    reached = float(mined.scores[some].mean())
    easy = mine(POINTS, labels=LABELS, sampler=Uniform, guards=Guards(k=3), neighbors=5)
    assert reached > float(easy.scores.mean()) + 0.1
    again = mine(POINTS, labels=LABELS, sampler=make, guards=Guards(k=3), neighbors=5, block=13)
    assert torch.equal(again.negatives, mined.negatives)  # draws are keyed by the anchor


def test_a_sampler_that_reads_scores_over_queries_and_corpus() -> None:
    pairs = np.stack([np.arange(15), 10 * np.arange(15)], 1)
    make = partial(Hardest.from_graph, pool=149, top=1)
    options = {"anchors": POINTS[::10], "pairs": pairs, "neighbors": 3, "draws": 60}
    mined = mine(POINTS, sampler=make, guards=Guards(k=2, max_score=0.6), **options)
    assert not bool((mined.negatives == mined.positive[:, None]).any())
    assert bool((mined.scores[mined.negatives >= 0] <= 0.6).all())
    uniform = mine(POINTS, sampler=Uniform, guards=Guards(k=2, max_score=0.6), **options)
    assert float(mined.scores.mean()) > float(uniform.scores.mean()) + 0.2
    best = mine(POINTS, sampler=Uniform, guards=Guards(k=2, max_score=0.6, strategy="top"), **options)
    assert float(best.scores.mean()) > float(uniform.scores.mean()) + 0.2
    assert bool((best.scores[:, 0] >= best.scores[:, 1]).all())


def test_the_order_of_the_draws_is_the_samplers_own_distribution() -> None:
    """Of three candidates that the guards leave, each is as often first."""
    line = np.array([[1.0, 0.0]] * 3 + [[-1.0, 0.1]] * 4)
    queries = np.repeat([[1.0, 0.02]], 600, axis=0)
    pairs = np.stack([np.arange(600), np.zeros(600, dtype=int)], 1)
    mined = mine(line, anchors=queries, pairs=pairs, sampler=partial(Uniform, exclude="self"),
                 guards=Guards(k=1, max_score=0.5), draws=30, neighbors=1)
    counts = np.bincount(mined.negatives[:, 0].numpy(), minlength=7)
    assert (counts[:3] == 0).all() and counts.sum() == 600
    assert ((counts[3:] - 150) ** 2 / 150).sum() < 11.3  # chi-square of 3 degrees, 1 %


@pytest.mark.parametrize(("guards", "draws", "message"), [
    (Guards(k=2, range_min=3), 30, "ranks by score: with a sampler take strategy top or random"),
    (Guards(k=5, range_min=3, strategy="top"), 7, "draws=7 are too few for range_min=3 and k=5"),
])
def test_refused(guards: Guards, draws: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mine(POINTS, sampler=Uniform, guards=guards, draws=draws)
