"""ANCE: the lists against a plain search, stale in between, and the density by counting."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.base import Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.compose.mixture import Mixture
from graphns.samplers.dynamic import ance
from graphns.samplers.dynamic.ance import ANCE
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.static.global_edges import GlobalEdges
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query
from tests.samplers.toys import Scores

N = NUM_NODES


class Vectors:
    """A model of inner products, all of them different."""

    def __init__(self, num: int, seed: int = 0) -> None:
        self.table = torch.randn(num, 5, generator=torch.Generator().manual_seed(seed)).requires_grad_()

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        return (self.table[anchor][:, None] * self.table[ids]).sum(-1)

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        raise NotImplementedError

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        return self.table[ids]


def plain(graph: Graph, model: Vectors, anchor: int, top: int, exclude: str) -> list[int]:
    scores = model.table @ model.table[anchor]
    known = set(graph.neighbors(anchor).tolist()) if exclude == "neighbors" else set()
    order = [j for j in scores.argsort(descending=True).tolist() if j != anchor and j not in known]
    return (order + [-1] * top)[:top]


@pytest.mark.parametrize("search", ["scores", "torch", "faiss"])
@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_the_lists_are_the_nearest(search: Any, exclude: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if search == "faiss":
        pytest.importorskip("faiss")
    monkeypatch.setattr(ance, "_BLOCK", 3 * N)  # several blocks
    graph, model = hub_graph(), Vectors(N)
    sampler = ANCE.from_graph(graph, top=6, search=search, exclude=exclude)
    sampler.refresh(model)
    assert sampler.near.tolist() == [plain(graph, model, u, 6, exclude) for u in range(N)]
    assert model.table.grad is None


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_draws_follow_the_density(exclude: Any) -> None:
    sampler = ANCE.from_graph(hub_graph(), top=4, exclude=exclude)
    query = replace(hub_query(), model=Vectors(N))
    check_distribution(sampler, query, N, k=3000)  # before the first search: the base's
    sampler.update(query, sampler(query))
    check_distribution(sampler, query, N, k=3000)
    mixed = Mixture([sampler, Uniform(hub_graph(), exclude=exclude)])
    assert mixed.density == "marginal"
    check_distribution(mixed, query, N, k=3000)


def test_top_1_is_the_hardest_of_all() -> None:
    """With a fresh list of one it is DNS with every candidate as the pool, for positives that are known."""
    graph = Graph.from_edge_index(torch.stack([torch.arange(N), (torch.arange(N) + 1) % N]))
    query = Query(torch.arange(N), (torch.arange(N) + 1) % N, 1, model=Vectors(N), stream=Stream(0))
    sampler = ANCE.from_graph(graph, top=1)
    sampler.update(query, sampler(query))
    hardest = Hardest(Uniform(graph, replace=False), pool=N)
    assert torch.equal(sampler(query).ids, hardest(query).ids)


def test_before_the_first_search_it_is_the_base() -> None:
    graph, query = hub_graph(), replace(hub_query(7), model=Vectors(N))
    sampler, base = ANCE.from_graph(graph), Uniform(graph)(query.child(0))
    drawn = sampler(query)
    assert all(torch.equal(a, b) for a, b in zip(drawn[:3], base[:3], strict=True))


def test_lists_are_stale_between_searches() -> None:
    query = replace(hub_query(), model=Vectors(N))
    sampler = ANCE.from_graph(hub_graph(), top=3, every=4, warm_up=2)
    lists = []
    for step in range(11):
        now = replace(query, model=Vectors(N, seed=step))
        sampler.update(now, sampler(now))
        lists.append(sampler.near.clone())
    changed = [i for i in range(1, 11) if not torch.equal(lists[i], lists[i - 1])]
    assert changed == [2, 6, 10] and int(sampler.num_steps) == 11
    assert lists[6].tolist() == [plain(hub_graph(), Vectors(N, seed=6), u, 3, "neighbors") for u in range(N)]


def test_anchors_of_several_columns() -> None:
    known = EdgeSet.from_pairs(torch.tensor([[0, 0], [0, 0], [3, 1]]), torch.tensor([4, 2, 1]), num_candidates=6)

    class Sum:
        def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
            return (ids + 0 * anchor[:, :1]).float() * torch.where(anchor[:, 1:] == 0, 1, -1)

    sampler = ANCE.from_graph(known, top=2)
    query = Query(torch.tensor([[0, 0], [3, 1], [9, 9]]), torch.tensor([4, 1, 5]), 40, model=Sum(), stream=Stream(0))
    sampler.update(query, sampler(query))
    assert sampler.near.tolist() == [[5, 3], [0, 2]]
    drawn = sampler(query)
    assert [sorted(set(row.tolist())) for row in drawn.ids] == [[3, 5], [0, 2], [0, 1, 2, 3, 4]]


def test_a_base_without_a_marginal_density() -> None:
    graph, query = hub_graph(), replace(hub_query(), model=Vectors(N))
    sampler = ANCE(Hardest(Uniform(graph)), graph, top=3)
    assert sampler.density == "none" and sampler(query).log_prob is None
    sampler.update(query, sampler(query))
    assert sampler(query).log_prob is None
    with pytest.raises(TypeError, match="density 'none'"):
        sampler.log_prob(query, torch.zeros(1, 1, dtype=torch.int64))


def test_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = hub_graph()
    for options, match in (
        ({"top": 0}, "top must be at least 1, got 0"), ({"every": 0}, "every must be at least 1, got 0"),
        ({"warm_up": -1}, "warm_up must be at least 0"), ({"search": "hnsw"}, "search must be one of 'scores'"),
    ):
        with pytest.raises(ValueError, match=match):
            ANCE.from_graph(graph, **options)
    with pytest.raises(ValueError, match=r"bipartite.*search='scores'"):
        ANCE.from_graph(Graph.empty((3, 4)), search="torch")
    with pytest.raises(ValueError, match="model=model"):
        ANCE.from_graph(graph)(hub_query())
    query = replace(hub_query(), model=Scores(torch.full((N, N), torch.nan)))
    sampler = ANCE.from_graph(graph)
    with pytest.raises(ValueError, match="scored a candidate NaN"):
        sampler.update(query, sampler(query))
    with pytest.raises(ValueError, match="GlobalEdges draws pairs or vectors"):  # else an anchor's lists get its ids
        ANCE(GlobalEdges(graph), graph)(replace(hub_query(), model=Vectors(N)))
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match="pip install faiss-cpu"):
        ANCE.from_graph(graph, search="faiss").refresh(Vectors(N))
