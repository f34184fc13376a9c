"""Batches in depth-first order: every example once, near anchors together, the same on every run."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader

from graphns.batchers.dfs import DFS
from graphns.graph.graph import Graph
from graphns.registry import find


def two_paths() -> Graph:
    """0-2-4-6-8 and 1-3-5-7-9, edges both ways."""
    even = torch.tensor([0, 2, 4, 6])
    edges = torch.stack([torch.cat([even, even + 1]), torch.cat([even + 2, even + 3])])
    return Graph.from_edge_index(torch.cat([edges, edges.flip(0)], 1), num_nodes=10)


def test_batches_follow_the_order() -> None:
    batches = DFS(two_paths(), 5)
    assert list(batches) == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]
    assert list(batches) == list(DFS(two_paths(), 5)) and len(batches) == 2
    assert list(DFS(two_paths(), 5, root=9)) == [[9, 7, 5, 3, 1], [0, 2, 4, 6, 8]]


def test_examples_of_an_anchor_stay_together_in_their_order() -> None:
    anchor = torch.tensor([8, 0, 8, 2, 0])
    assert list(DFS(two_paths(), 2, anchor=anchor)) == [[1, 4], [3, 0], [2]]
    assert list(DFS(two_paths(), 2, anchor=anchor, drop_last=True)) == [[1, 4], [3, 0]]


@pytest.mark.parametrize("drop_last", [True, False])
def test_a_shuffle_gives_every_example_once_and_other_batches_each_epoch(drop_last: bool) -> None:
    batches = DFS(two_paths(), 3, shuffle=True, seed=4, drop_last=drop_last)
    seen = []
    for epoch in range(4):
        batches.set_epoch(epoch)
        given = list(batches)
        assert len(given) == len(batches) == (3 if drop_last else 4)
        flat = [example for batch in given for example in batch]
        assert len(set(flat)) == len(flat) == (9 if drop_last else 10)
        assert given == list(batches)  # the same again
        seen.append(given)
    assert any(seen[0] != other for other in seen[1:])


def test_bipartite_graphs_and_loaders() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 2, 3], [0, 1, 0, 1]]), num_nodes=(4, 2))
    loader = DataLoader(range(4), batch_sampler=DFS(graph, 2))  # type: ignore[arg-type]
    assert [batch.tolist() for batch in loader] == [[0, 2], [1, 3]]  # sources of one candidate are near


def test_refuses_and_is_registered() -> None:
    with pytest.raises(ValueError, match="batch_size"):
        DFS(two_paths(), 0)
    with pytest.raises(ValueError, match="anchor 10 is outside"):
        DFS(two_paths(), 2, anchor=torch.tensor([10]))
    for wrong in (torch.tensor([1.0, 2.5]), torch.tensor([True])):
        with pytest.raises(ValueError, match=f"anchor must hold integer ids, got dtype {wrong.dtype}"):
            DFS(two_paths(), 2, anchor=wrong)
    with pytest.raises(ValueError, match="root"):
        DFS(two_paths(), 2, root=10)
    assert find("depth-first", "batcher").load() is DFS
