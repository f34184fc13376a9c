"""PyG with graphns's functions in the place of its own, and what their negatives must be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from graphns import pyg


@pytest.fixture
def ours() -> Iterator[None]:
    torch.manual_seed(12345)
    with pyg.patched():
        yield


def as_set(edge_index: Tensor) -> set[tuple[int, int]]:
    return set(map(tuple, edge_index.T.tolist()))


def is_negative(edge_index: Tensor, negative: Tensor, size: tuple[int, int], bipartite: bool) -> bool:
    inside = bool((negative[0] < size[0]).all()) and bool((negative[1] < size[1]).all())
    loops = not bipartite and bool((negative[0] == negative[1]).any())
    return inside and not loops and not as_set(edge_index) & as_set(negative)
