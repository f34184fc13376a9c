"""Negatives of seed nodes in PyG's NodeLoader: the sampler's, embedded in the same pass; and training with them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import NodeLoader
from torch_geometric.nn import SAGEConv

from graphns.adapters.pyg.node_seeds import node_seeds
from graphns.base import Negatives, Query, Sampler
from graphns.data.digits import digits
from graphns.graph.graph import Graph
from graphns.pyg import NeighborSampler
from graphns.samplers.compose.scheduled import Scheduled
from graphns.samplers.efficient.in_batch import InBatch
from graphns.samplers.efficient.shared import Shared
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.adapters.pyg_nodes import DATA, GRAPH, batches, random_options, sampled
from tests.contract.cases import NAMES, build, hub_graph


def test_negatives_are_what_the_sampler_says() -> None:
    """Never a neighbour, never the seed; keyed by input_id and epoch, as a query of one's own would be."""
    uniform = Uniform(GRAPH)
    sampler = NeighborSampler(DATA, [3], negatives=uniform, k=30, seed=2)
    sampler.set_epoch(5)
    seen = 0
    for batch in batches(sampler):
        seeds = batch.n_id[: batch.batch_size]
        drawn = batch.n_id[batch.negative_id]
        query = Query(seeds, seeds, 30, stream=Stream(2, 5).child(1), row=batch.input_id, epoch=5)
        expected = uniform(query)
        assert torch.equal(drawn, expected.ids) and torch.equal(batch.negative_mask, expected.mask)
        assert expected.log_prob is not None and torch.equal(batch.negative_log_prob, expected.log_prob)
        assert bool(batch.negative_mask.all()) and not bool((drawn == seeds[:, None]).any())
        assert not bool(GRAPH.has_edge(seeds, drawn).any())
        # embedded like seeds: they stand behind them, once each, and have neighbours
        further = batch.n_id[batch.batch_size : batch.num_sampled_nodes[0]]
        assert set(further.tolist()) == set(drawn.flatten().tolist()) - set(seeds.tolist())
        assert len(batch.n_id.unique()) == len(batch.n_id)
        at = batch.negative_id.flatten()
        degree = torch.bincount(batch.edge_index[1], minlength=len(batch.n_id))[at]
        in_degree = torch.bincount(DATA.edge_index[1], minlength=40)[drawn.flatten()]
        assert torch.equal(degree, in_degree.clamp(max=3))
        seen += batch.batch_size
    assert seen == 40


def test_shared_negatives_cost_k_nodes_a_batch() -> None:
    sampler = NeighborSampler(DATA, [2], negatives=Shared.from_graph(GRAPH), k=16)
    for batch in batches(sampler):
        assert batch.negative_id.shape == (1, 16) and batch.negative_mask.shape == (batch.batch_size, 16)
        seeds, drawn = batch.n_id[: batch.batch_size], batch.n_id[batch.negative_id]
        wrong = GRAPH.has_edge(seeds, drawn) | (drawn == seeds[:, None])
        assert torch.equal(~wrong, batch.negative_mask)
        assert batch.negative_log_prob.shape == (batch.batch_size, 16)
        assert batch.num_sampled_nodes[0] <= batch.batch_size + 16


def test_negatives_of_the_batch_cost_nothing() -> None:
    """In-batch: no seed beyond the batch's; empty slots of a short batch point at a node that is there."""
    sampler = NeighborSampler(DATA, [2], negatives=InBatch(GRAPH, popularity="uniform"), k=9)
    for batch in batches(sampler, batch_size=9):
        size = batch.batch_size
        assert batch.num_sampled_nodes[0] == size
        assert batch.negative_id[0, :size].tolist() == list(range(size))
        assert not bool(batch.negative_mask[:, size:].any())
        assert int(batch.negative_id.max()) < len(batch.n_id)


def test_a_masked_slot_asks_for_no_node() -> None:
    """A hub of a small graph has no candidate: what stands in its slots is nobody's seed."""
    star = Graph.from_edge_index(torch.stack([torch.zeros(5, dtype=torch.int64), torch.arange(1, 6)]))
    out = sampled(NeighborSampler(star, [], negatives=Uniform(star), k=4), [0])
    assert out.node.tolist() == [0] and not bool(out.metadata[2].negatives.mask.any())
    assert out.metadata[2].negatives.ids.tolist() == [[0] * 4]


def test_repeated_seeds_and_their_negatives() -> None:
    sampler = NeighborSampler(DATA, [2], negatives=Uniform(GRAPH), k=6)
    alone, twice = sampled(sampler, [8, 3], [0, 1]), sampled(sampler, [8, 8, 3, 8], [0, 5, 1, 0])
    assert twice.node[:4].tolist() == [8, 8, 3, 8]
    first, second = (out.node[out.metadata[2].negatives.ids] for out in (alone, twice))
    assert torch.equal(second[[0, 2, 3]], first[[0, 1, 0]])
    assert not torch.equal(second[1], second[0])  # another example of the same node


def test_of_a_repeated_seed_it_is_the_first_place() -> None:
    """For any number of threads: torch writes repeated places in parallel, in no order, from 2^15 entries on."""
    nodes = torch.arange(300_000) % 50
    drawn = Negatives(torch.tensor([[7, 60]]), None, torch.ones((300_000, 2), dtype=torch.bool))
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for _ in range(5):
            found = node_seeds(nodes, drawn, disjoint=False)
            assert found.drawn is not None and found.drawn.ids.tolist() == [[7, 300_000]]
            assert found.seeds[300_000:].tolist() == [60]
    finally:
        torch.set_num_threads(threads)


def test_a_schedule_hears_of_the_epoch() -> None:
    """A sampler that changes with the epoch is told it."""
    to_the_first = torch.cartesian_prod(torch.arange(40), torch.arange(30)).T
    narrow = Uniform(Graph.from_edge_index(torch.cat([DATA.edge_index, to_the_first], 1), 40))
    sampler = NeighborSampler(DATA, [1], negatives=Scheduled([(0, Uniform(GRAPH)), (2, narrow)]), k=20)
    lowest = []
    for epoch in (1, 2):
        sampler.set_epoch(epoch)
        lowest.append(min(int(b.n_id[b.negative_id][b.negative_mask].min()) for b in batches(sampler)))
    assert lowest[0] < 30 <= lowest[1]


@pytest.mark.parametrize("name", NAMES)
def test_every_sampler_is_served_or_refused(name: str) -> None:
    graph = hub_graph()
    negatives = build(name, graph)
    data = Data(edge_index=graph.edge_index, num_nodes=graph.num_nodes)
    base = getattr(negatives, "base", None)
    splits = negatives.model_aware and isinstance(base, Sampler) and not base.model_aware
    if negatives.stateful or negatives.trainable or (negatives.model_aware and not splits):
        why = "reads the model" if negatives.model_aware and not splits else (
            "keeps state" if negatives.stateful else "learns")
        with pytest.raises(ValueError, match=rf"{why}, and a loader draws before.*choose among batch.negative_id"):
            NeighborSampler(data, [2], negatives=negatives, k=3)
        return
    sampler = NeighborSampler(data, [2], negatives=negatives, k=3)
    if splits:  # tests/adapters/test_pyg_two_stages.py
        return
    seeds = torch.tensor([0, 7, 7, 19])
    query = Query(seeds, seeds, 3, stream=Stream(0, 0).child(1), row=seeds, time=None)
    answer = negatives(query)
    if answer.anchor is not None or answer.vectors is not None:
        with pytest.raises(ValueError, match="needs ids of nodes"):
            sampled(sampler, seeds.tolist())
        return
    out = sampled(sampler, seeds.tolist())
    drawn = out.metadata[2].negatives
    assert torch.equal(drawn.mask, answer.mask)
    mask = drawn.mask.any(0, keepdim=True) if len(drawn.ids) == 1 else drawn.mask
    assert torch.equal(out.node[drawn.ids][mask], answer.ids[mask])


def test_without_hooks_and_with_a_transform() -> None:
    """Without the hooks a batch holds no negatives; with them, one's own transform sees them."""
    sampler = NeighborSampler(DATA, [2], **random_options())
    plain = next(iter(NodeLoader(DATA, sampler, input_nodes=None, batch_size=5)))
    assert "negative_id" not in plain and plain.num_sampled_nodes[0] > 5

    def mark(batch: Data) -> Data:
        batch.far = batch.n_id[batch.negative_id]
        return batch

    batch = next(iter(NodeLoader(DATA, sampler, input_nodes=None, batch_size=5, **sampler.hooks(mark))))
    assert torch.equal(batch.far, batch.n_id[batch.negative_id])
    assert sampled(NeighborSampler(DATA, [1], negatives=Uniform(GRAPH)), [0]).metadata[2].negatives.ids.shape == (1, 1)


# --- training


class Sage(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.first, self.second = SAGEConv(num_features, 32), SAGEConv(32, 16)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        embeddings: Tensor = self.second(self.first(x, edge_index).relu(), edge_index)
        return embeddings


def test_a_sage_learns_links() -> None:
    """Unsupervised GraphSAGE on the digits' k-NN graph: neighbours of a seed score above its negatives."""
    images = digits()
    data = Data(x=images.x, edge_index=images.edge_index)
    sampler = NeighborSampler(data, [5, 5], negatives=Uniform(images.graph), k=4)
    loader = NodeLoader(data, sampler, input_nodes=None, batch_size=256, shuffle=True, **sampler.hooks())
    torch.manual_seed(0)
    model = Sage(images.num_features)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for epoch in range(5):
        sampler.set_epoch(epoch)
        total = 0.0
        for batch in loader:
            z = model(batch.x, batch.edge_index)
            of_seed = batch.edge_index[:, batch.edge_index[1] < batch.batch_size]
            positive = (z[of_seed[0]] * z[of_seed[1]]).sum(1)
            negative = torch.einsum("bd,bkd->bk", z[: batch.batch_size], z[batch.negative_id])[batch.negative_mask]
            loss = nn.functional.softplus(-positive).mean() + nn.functional.softplus(negative).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach())
        losses.append(total / len(loader))
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.8 * losses[0], losses
