"""Data for the tests of PyG's loaders: ids can be told from features and attributes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from graphns.streams import Stream

TO_AUTHOR = ("paper", "to", "author")
TO_PAPER = ("paper", "to", "paper")
BACK = ("author", "rev_to", "paper")


def ids(seed: int, size: int, limit: int) -> Tensor:
    """Integers in [0, limit) that follow from the seed."""
    return (Stream(seed).words(torch.arange(1), size)[0] >> 8) % limit


def pairs(seed: int, size: int, num_src: int, num_dst: int) -> Tensor:
    """An edge_index [2, size]."""
    return torch.stack([ids(2 * seed, size, num_src), ids(2 * seed + 1, size, num_dst)])


def homogeneous(num_nodes: int = 60, num_edges: int = 300, dtype: torch.dtype = torch.int64) -> Data:
    edge = torch.arange(num_edges)
    return Data(x=torch.arange(num_nodes), edge_index=pairs(1, num_edges, num_nodes, num_nodes).to(dtype),
                edge_attr=edge, edge_weight=(edge % 5).double(), edge_time=ids(9, num_edges, 100),
                time=ids(8, num_nodes, 100), num_nodes=num_nodes)


def heterogeneous() -> HeteroData:
    data = HeteroData()
    data["paper"].x, data["author"].x = torch.arange(50), torch.arange(100, 170)
    data["paper"].time, data["author"].time = ids(5, 50, 100), ids(6, 70, 100)
    for number, (kind, size) in enumerate({TO_PAPER: 200, TO_AUTHOR: 400, BACK: 400}.items(), 2):
        num = [data[kind[0]].num_nodes, data[kind[-1]].num_nodes]
        data[kind].edge_index = pairs(number, size, *num)
        data[kind].edge_attr = torch.arange(size)
        data[kind].edge_time = ids(20 + number, size, 100)
        data[kind].edge_weight = (torch.arange(size) % 4).double()
    return data


def assert_same(first: Any, second: Any) -> None:
    """Two batches, or lists of them, hold the same."""
    if isinstance(first, list):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
        return
    assert type(first) is type(second)
    for one, other in zip(first.stores, second.stores, strict=True):
        assert list(one.keys()) == list(other.keys())
        for key, value in one.items():
            assert torch.equal(value, other[key]) if isinstance(value, Tensor) else value == other[key], key
