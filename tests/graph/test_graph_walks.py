"""Walks and visit counts as users call them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from graphns.graph.build import joined
from graphns.graph.graph import Graph
from graphns.graph.walks import random_walks, visit_counts
from graphns.streams import Stream
from tests.kernels.test_walks import hub_graph

START = torch.tensor([3, 0, 0])


def test_each_step_is_an_edge() -> None:
    graph = hub_graph()
    for options in ({}, {"weighted": True}, {"p": 0.5, "q": 2.0}, {"p": 0.5, "q": 2.0, "weighted": True}):
        nodes = random_walks(graph, torch.arange(62), 12, Stream(0), **options)  # type: ignore[arg-type]
        left, right = nodes[:, :-1].flatten(), nodes[:, 1:].flatten()
        stays = (left == right) & (graph.degree[left] == 0)
        assert bool((graph.has_edge(left, right) | stays).all())


def test_row_names_a_walk() -> None:
    graph = hub_graph()
    nodes = random_walks(graph, START, 8, Stream(4), row=torch.tensor([5, 6, 7]))
    swapped = random_walks(graph, START.flip(0), 8, Stream(4), row=torch.tensor([7, 6, 5]))
    assert torch.equal(nodes, swapped.flip(0))
    assert not torch.equal(nodes, random_walks(graph, START, 8, Stream(4)))
    assert not torch.equal(nodes, random_walks(graph, START, 8, Stream(5), row=torch.tensor([5, 6, 7])))
    assert random_walks(graph, START.int(), 0, Stream(0)).tolist() == [[3], [0], [0]]


def test_p_and_q_have_their_effect() -> None:
    graph = hub_graph()
    start = torch.zeros(2000, dtype=torch.int64)
    back = [
        float((random_walks(graph, start, 2, Stream(0), p=p)[:, 2] == 0).double().mean()) for p in (0.001, 1.0, 1000.0)
    ]
    assert back[0] > 0.9 > back[1] > back[2]


@pytest.mark.parametrize(("options", "message"), [
    ({"restart": 1.5}, "restart must be a probability in .0, 1., got 1.5"),
    ({"restart": float("nan")}, "restart must be a probability"),
    ({"p": 0.0}, "p must be a finite number above 0, got 0.0"),
    ({"q": float("inf")}, "q must be a finite number above 0, got inf"),
    ({"length": -1}, "length must be at least 0, got -1"),
    ({"row": torch.tensor([1])}, r"one row id per start \[3\], got row \(1,\)"),
    ({"start": torch.tensor([0.5])}, "start must hold integer ids, got dtype torch.float32"),
    ({"start": torch.tensor([62])}, r"anchor 62 is outside \[0, 62\)"),
    ({"graph": Graph.empty((2, 3))}, r"walk joined\(graph\)"),
    ({"graph": Graph.empty(4), "weighted": True}, "weighted=True needs a graph with weights"),
])
def test_wrong_walks(options: dict[str, Any], message: str) -> None:
    arguments = {"graph": hub_graph(), "start": START, "length": 3, "stream": Stream(0), **options}
    with pytest.raises(ValueError, match=message):
        random_walks(**arguments)


@pytest.mark.parametrize(("options", "message"), [
    ({"num_walks": 0}, "num_walks must be at least 1, got 0"),
    ({"length": 0}, "length must be at least 1, got 0"),
    ({"top": 0}, "top must be at least 1, got 0"),
    ({"num_walks": 2**40, "length": 2**20}, "must stay below 2.62"),
])
def test_wrong_counts(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        visit_counts(hub_graph(), START, Stream(0), **{"num_walks": 2, "length": 2, "top": 2, **options})


def test_items_of_a_bipartite_graph() -> None:
    """User 0 has item 0; user 1 has items 0 and 1: from user 0 item 1 is reached through user 1."""
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 1], [0, 0, 1]]), (2, 2))
    ids, counts = visit_counts(joined(graph), torch.tensor([0]), Stream(0), num_walks=50, length=4, top=3,
                               exclude_neighbors=True, first_counted=2)
    assert ids.tolist() == [[3, -1, -1]] and counts[0, 0] > 0
