"""The same seed gives the same negatives on an accelerator, and they stay there."""

from __future__ import annotations

import pytest
import torch

from graphns.graph.graph import Graph
from graphns.pyg import (
    batched_negative_sampling,
    negative_sampling,
    structured_negative_sampling,
    structured_negative_sampling_feasible,
)

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("num", [None, 3, 250])
@pytest.mark.parametrize("undirected", [False, True])
def test_pairs(num: int | None, undirected: bool) -> None:
    edge_index = torch.randint(20, (2, 90), generator=seeded(0))
    batch = torch.arange(20) % 3
    within = edge_index[:, batch[edge_index[0]] == batch[edge_index[1]]]
    here = negative_sampling(edge_index, 20, num, force_undirected=undirected, generator=seeded(1))
    there = negative_sampling(edge_index.cuda(), 20, num, force_undirected=undirected, generator=seeded(1))
    assert there.is_cuda and torch.equal(here, there.cpu())
    here = batched_negative_sampling(within, batch, num, force_undirected=undirected, generator=seeded(1))
    there = batched_negative_sampling(within.cuda(), batch.cuda(), num, force_undirected=undirected,
                                      generator=seeded(1))
    assert there.is_cuda and torch.equal(here, there.cpu())


@pytest.mark.parametrize("self_loops", [False, True])
def test_structured(self_loops: bool) -> None:
    edge_index = torch.randint(20, (2, 90), generator=seeded(0))
    here = structured_negative_sampling(edge_index, 20, self_loops, generator=seeded(1))
    for there in (structured_negative_sampling(edge_index.cuda(), 20, self_loops, generator=seeded(1)),):
        assert all(torch.equal(a, b.cpu()) and b.is_cuda for a, b in zip(here, there, strict=True))
    graph = Graph.from_edge_index(edge_index, 20)
    here = structured_negative_sampling(graph, None, self_loops, generator=seeded(1))
    there = structured_negative_sampling(graph.to("cuda"), None, self_loops, generator=seeded(1))
    assert all(torch.equal(a, b.cpu()) for a, b in zip(here, there, strict=True))
    assert structured_negative_sampling_feasible(edge_index.cuda(), 20, self_loops)


def test_cuda_generator() -> None:
    edge_index = torch.tensor([[0, 1], [1, 2]])
    draws = [negative_sampling(edge_index, 9, 20, generator=torch.Generator("cuda").manual_seed(4)) for _ in range(2)]
    assert torch.equal(*draws)
