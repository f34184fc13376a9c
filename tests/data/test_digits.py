"""The built-in data: real, fixed, and joined by likeness alone."""

from __future__ import annotations

import torch
from sklearn.neighbors import NearestNeighbors

from graphns.data import load
from graphns.data.digits import digits


def test_shape_and_range() -> None:
    data = load("digits")
    assert (data.name, data.num_nodes, data.num_features, data.num_classes) == ("digits", 1797, 64, 10)
    assert data.x.dtype == torch.float32 and data.x.min() == 0 and data.x.max() == 1
    masks = torch.stack([data.train_mask, data.val_mask, data.test_mask])  # type: ignore[list-item]
    assert masks.sum(1).tolist() == [179, 180, 1438]
    assert bool((masks.sum(0) == 1).all())


def test_edges_are_each_node_and_its_nearest() -> None:
    data = digits(k=3)
    distances, ids = NearestNeighbors(n_neighbors=5).fit(data.x).kneighbors()
    found = torch.zeros(1797, 1797, dtype=torch.bool)
    found[data.edge_index[0], data.edge_index[1]] = True
    assert bool((found == found.T).all()) and not bool(found.diagonal().any())
    clear = torch.from_numpy(distances[:, 2] < distances[:, 3] - 1e-6)  # elsewhere the third nearest is a tie
    assert 1700 < int(clear.sum()) < 1797
    wanted = torch.zeros_like(found)
    wanted[torch.arange(1797)[:, None], torch.from_numpy(ids[:, :3])] = True
    assert bool(found[clear].logical_or(~wanted[clear]).all())
    # each edge is there because one end has the other among its three nearest
    other = (found & ~wanted & ~wanted.T)[clear][:, clear]
    assert not bool(other.any())


def test_neighbours_are_mostly_of_one_class() -> None:
    data = load("digits")
    same = (data.y[data.edge_index[0]] == data.y[data.edge_index[1]]).float().mean()
    assert 0.9 < float(same) < 1


def test_always_the_same() -> None:
    first, second = digits(), digits()
    assert torch.equal(first.edge_index, second.edge_index)
    assert torch.equal(first.train_mask, second.train_mask)  # type: ignore[arg-type]
    assert torch.equal(first.graph.edge_index, first.edge_index)
