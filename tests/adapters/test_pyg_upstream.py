"""What PyG's own tests check of these functions, in our words, with ours in PyG's place.

`benchmarks/pyg_upstream.py` runs PyG's test files themselves, where a checkout of PyG is at hand.
"""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch_geometric.utils import erdos_renyi_graph, is_undirected, to_undirected

from tests.adapters.pyg_ours import as_set, is_negative, ours

pytestmark = pytest.mark.usefixtures(ours.__name__)


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_negative_sampling(method: str) -> None:
    from torch_geometric.utils import negative_sampling

    edge_index = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]])
    negative = negative_sampling(edge_index, method=method)
    assert negative.shape == edge_index.shape
    assert is_negative(edge_index, negative, (4, 4), bipartite=False)
    negative = negative_sampling(edge_index, num_neg_samples=2, method=method)
    assert negative.shape == (2, 2)
    assert is_negative(edge_index, negative, (4, 4), bipartite=False)
    negative = negative_sampling(edge_index, num_neg_samples=0.5, method=method)
    assert negative.shape == (2, 2)
    negative = negative_sampling(edge_index, num_neg_samples=1.5, method=method)
    assert negative.shape == (2, 6)


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_negative_sampling_undirected(method: str) -> None:
    from torch_geometric.utils import negative_sampling

    edge_index = to_undirected(torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]]))
    negative = negative_sampling(edge_index, force_undirected=True, method=method)
    # 7 columns ask for 3 unordered pairs, and three are free
    assert negative.shape == (2, 6)
    assert is_undirected(negative)
    assert is_negative(edge_index, negative, (4, 4), bipartite=False)
    assert negative_sampling(edge_index, num_neg_samples=2, force_undirected=True, method=method).shape == (2, 2)


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_bipartite_negative_sampling(method: str) -> None:
    from torch_geometric.utils import negative_sampling

    edge_index = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]])
    for num, expected in ((None, 4), (2, 2), (0.5, 2)):
        negative = negative_sampling(edge_index, num_nodes=(3, 4), num_neg_samples=num, method=method)
        assert negative.shape == (2, expected)
        assert is_negative(edge_index, negative, (3, 4), bipartite=True)


@pytest.mark.parametrize("density", [0.1, 0.2, 0.5, 0.8])
def test_negative_sampling_with_different_edge_density(density: float) -> None:
    from torch_geometric.utils import negative_sampling

    for num_nodes in (10, 100):
        edge_index = erdos_renyi_graph(num_nodes, density, directed=True)
        negative = negative_sampling(edge_index, num_nodes)
        assert is_negative(edge_index, negative, (num_nodes, num_nodes), bipartite=False)
        both = to_undirected(edge_index, num_nodes=num_nodes)
        negative = negative_sampling(both, num_nodes, force_undirected=True)
        assert is_undirected(negative, num_nodes=num_nodes)
        assert is_negative(both, negative, (num_nodes, num_nodes), bipartite=False)


@pytest.mark.parametrize("density", [0.1, 0.2, 0.5, 0.8])
def test_bipartite_negative_sampling_with_different_edge_density(density: float) -> None:
    from torch_geometric.utils import negative_sampling

    for size in ((10, 10), (100, 10), (10, 100)):
        edge_index = (torch.rand(size) < density).nonzero().T
        negative = negative_sampling(edge_index, size)
        assert is_negative(edge_index, negative, size, bipartite=True)


@pytest.mark.parametrize("num", [None, 2, 0.5, 1.5])
def test_batched_negative_sampling(num: float | None) -> None:
    from torch_geometric.utils import batched_negative_sampling

    one = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]])
    edge_index = torch.cat([one, one + 4, one + 8], dim=1)
    batch = torch.tensor([0] * 4 + [1] * 4 + [2] * 4)
    negative = batched_negative_sampling(edge_index, batch, num)
    each = 4 if num is None else num if isinstance(num, int) else int(4 * num)
    assert negative.shape == (2, 3 * each)
    assert negative[0].min() >= 0 and negative[0].max() < 12
    assert torch.equal(batch[negative[0]], torch.arange(3).repeat_interleave(each))
    assert torch.equal(batch[negative[0]], batch[negative[1]])
    assert is_negative(edge_index, negative, (12, 12), bipartite=False)


@pytest.mark.parametrize("num", [None, 2, 0.5])
def test_bipartite_batched_negative_sampling(num: float | None) -> None:
    from torch_geometric.utils import batched_negative_sampling

    one = torch.tensor([[0, 0, 1, 1], [0, 1, 2, 3]])
    edge_index = torch.cat([one, one + torch.tensor([[2], [4]]), one + torch.tensor([[4], [8]])], dim=1)
    batches = torch.arange(3).repeat_interleave(2), torch.arange(3).repeat_interleave(4)
    negative = batched_negative_sampling(edge_index, batches, num)
    assert negative.shape == (2, 3 * (4 if num is None else 2))
    assert torch.equal(batches[0][negative[0]], batches[1][negative[1]])
    assert is_negative(edge_index, negative, (6, 12), bipartite=True)


@pytest.mark.parametrize("num_nodes", [None, 4])
@pytest.mark.parametrize("self_loops", [True, False])
def test_structured_negative_sampling(num_nodes: int | None, self_loops: bool) -> None:
    from torch_geometric.utils import structured_negative_sampling

    edge_index = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 3]])
    for _ in range(20):
        i, j, k = structured_negative_sampling(edge_index, num_nodes, self_loops)
        assert i.shape == j.shape == k.shape == (4,)
        assert torch.equal(torch.stack([i, j]), edge_index)
        dense = torch.zeros(4, 4)
        dense[i, j] = 1.0
        assert dense[i, k].sum() == 0
        assert self_loops or not (i == k).any()


def test_structured_negative_sampling_sparse_graph() -> None:
    from torch_geometric.utils import structured_negative_sampling

    edge_index = torch.tensor([[0, 0, 1, 1, 2], [0, 1, 1, 2, 3]])
    i, j, k = structured_negative_sampling(edge_index, num_nodes=50, contains_neg_self_loops=False)
    assert torch.equal(torch.stack([i, j]), edge_index)
    assert not (set(zip(i.tolist(), k.tolist(), strict=True)) & as_set(edge_index))
    assert not (i == k).any()


def test_structured_negative_sampling_feasible() -> None:
    from torch_geometric.utils import structured_negative_sampling_feasible as feasible

    triangle = torch.tensor([[0, 0, 1, 1, 2, 2, 2], [1, 2, 0, 2, 0, 1, 1]])
    assert not feasible(triangle, 3, False)
    assert feasible(triangle, 3, True)
    assert feasible(triangle, 4, False)
    with_loops = torch.tensor([[0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 2, 0, 1, 2]])
    assert not feasible(with_loops)
    assert not feasible(with_loops, 3, False)
    assert feasible(with_loops, 4)


def test_private_index_functions_stay() -> None:
    """PyG's tests of the numbering of pairs touch private functions, which are not replaced."""
    from torch_geometric.utils._negative_sampling import edge_index_to_vector, vector_to_edge_index

    everything = torch.tensor(list(product(range(4), range(3)))).T
    index, population = edge_index_to_vector(everything, (4, 3), bipartite=True)
    assert index.tolist() == list(range(population)) == list(range(12))
    assert torch.equal(vector_to_edge_index(index, (4, 3), bipartite=True), everything)


def test_same_seed_same_negatives() -> None:
    from torch_geometric import seed_everything
    from torch_geometric.utils import negative_sampling

    edge_index = erdos_renyi_graph(30, 0.2)
    draws = []
    for _ in range(2):
        seed_everything(7)
        draws.append(negative_sampling(edge_index))
    assert torch.equal(*draws)
