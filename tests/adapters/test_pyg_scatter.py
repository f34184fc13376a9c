"""torch-scatter, which PyG takes up by itself where it is installed: a step over our batches is the same with it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch_geometric.typing
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import NodeLoader
from torch_geometric.nn import MaxAggregation, MeanAggregation

from graphns.graph.graph import Graph
from graphns.pyg import NeighborSampler
from graphns.samplers.static.uniform import Uniform


@pytest.mark.scatter
@pytest.mark.skipif(not torch_geometric.typing.WITH_TORCH_SCATTER,
                    reason="torch-scatter is not installed, or was built for another torch: pip install '.[scatter]'")
@pytest.mark.parametrize("aggregation", [MaxAggregation(), MeanAggregation()], ids=["max", "mean"])
def test_a_step_is_the_same_with_torch_scatter(aggregation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sampled neighbours aggregated, scored against the negatives; the loss and its gradient.

    Edges of a batch stand by target, so that PyG may reduce by segments: by torch-scatter if it is there.
    """
    import torch_scatter

    own, calls = torch_scatter.segment_csr, []
    monkeypatch.setattr(torch_scatter, "segment_csr", lambda *args, **options: calls.append(1) or own(*args, **options))
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(0, 40, (2, 200), generator=generator)
    data = Data(x=torch.randn(40, 6, generator=generator), edge_index=edge_index)
    sampler = NeighborSampler(data, [4], negatives=Uniform(Graph.from_edge_index(edge_index, 40)), k=3)
    batch = next(iter(NodeLoader(data, sampler, batch_size=10, **sampler.hooks())))
    source, target = batch.edge_index
    assert bool((target.diff() >= 0).all())
    ends = torch.bincount(target, minlength=len(batch.x)).cumsum(0)
    bounds = torch.cat([ends.new_zeros(1), ends])

    def step() -> tuple[Tensor, Tensor]:
        x = batch.x.clone().requires_grad_()
        vectors = aggregation(x[source], ptr=bounds)
        scores = torch.einsum("bd,bkd->bk", vectors[:10], vectors[batch.negative_id])
        loss = scores.logsumexp(1).mean()
        loss.backward()
        assert x.grad is not None
        return loss.detach(), x.grad

    found = step()
    assert calls, "PyG did not ask torch-scatter"
    calls.clear()
    monkeypatch.setattr(torch_geometric.typing, "WITH_TORCH_SCATTER", False)
    plain = step()
    assert not calls
    assert torch.allclose(found[0], plain[0], atol=1e-6) and torch.allclose(found[1], plain[1], atol=1e-6)
