"""Samplers that read the model: the loader draws their pool, `select` chooses what they alone would have chosen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import SAGEConv
from torch_geometric.sampler import NegativeSampling

from graphns.base import Query, Sampler
from graphns.data.digits import digits
from graphns.graph.graph import Graph
from graphns.objectives.bpr import bpr
from graphns.pyg import LinkNeighborLoader, NeighborLoader, NeighborSampler
from graphns.samplers.compose.filtered import Filtered
from graphns.samplers.dynamic.adaptive_hinge import AdaptiveHinge
from graphns.samplers.dynamic.bns import BNS
from graphns.samplers.dynamic.distance_weighted import DistanceWeighted
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.dynamic.simans import SimANS
from graphns.samplers.dynamic.tempered import Tempered
from graphns.samplers.efficient.shared import Shared
from graphns.samplers.static.uniform import Uniform
from graphns.scorers.table import TableModel
from graphns.streams import Stream
from tests.adapters.pyg_data import TO_AUTHOR, heterogeneous, homogeneous

DATA = homogeneous()
GRAPH = Graph.from_edge_index(DATA.edge_index, 60)
TABLE = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))


def choosers() -> dict[str, Sampler]:
    uniform = Uniform(GRAPH)
    return {
        "hardest": Hardest(uniform, pool=12, top=4), "tempered": Tempered(uniform, pool=12),
        "simans": SimANS(uniform, pool=12), "distance": DistanceWeighted(uniform, pool=12),
        "hinge": AdaptiveHinge(uniform, pool=4), "shared": Hardest(Shared.from_graph(GRAPH), pool=20),
    }


@pytest.mark.parametrize("name", choosers())
@pytest.mark.parametrize("disjoint", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_two_stages_are_one(name: str, disjoint: bool, workers: int) -> None:
    """The ids that the sampler alone draws with the whole table, in any worker's batch."""
    if workers and (disjoint or name != "hardest"):
        return  # starting workers takes a second each time
    sampler = choosers()[name]
    loader = LinkNeighborLoader(DATA, [2], batch_size=60, negatives=sampler, seed=3, disjoint=disjoint, shuffle=True,
                                neg_sampling=NegativeSampling("triplet", 2), num_workers=workers,
                                timeout=120 * (workers > 0))
    model = TableModel(TABLE, TABLE)
    for epoch in range(2):
        for batch in loader:
            chosen = loader.select(batch, TABLE[batch.n_id])
            source, target = DATA.edge_index[:, batch.input_id]
            alone = sampler(Query(source, target, 2, model, Stream(3, epoch).child(1), batch.input_id, epoch))
            assert torch.equal(batch.n_id[chosen.ids], alone.ids.expand(60, 2))
            assert torch.equal(chosen.mask, alone.mask)
            if alone.log_prob is not None:
                torch.testing.assert_close(chosen.log_prob, alone.log_prob)
            if disjoint:
                assert torch.equal(batch.batch[chosen.ids], torch.arange(60)[:, None].expand(60, 2))
            pool = {"hinge": 8, "shared": 20}.get(name, 12)
            assert batch.dst_neg_index.shape == batch.negative_mask.shape == (60, pool)


def test_several_kinds_and_a_pair_of_tables() -> None:
    data = heterogeneous()
    graph = Graph.from_edge_index(data[TO_AUTHOR].edge_index, (50, 70))
    sampler = Hardest(Uniform(graph), pool=9)
    papers, authors = TABLE[:50], torch.randn(70, 8, generator=torch.Generator().manual_seed(1))
    loader = LinkNeighborLoader(data, [2, 2], TO_AUTHOR, batch_size=50, negatives=sampler, neg_sampling="triplet")
    for batch in loader:
        chosen = loader.select(batch, (papers[batch["paper"].n_id], authors[batch["author"].n_id]))
        row = batch[TO_AUTHOR].input_id
        source, target = data[TO_AUTHOR].edge_index[:, row]
        alone = sampler(Query(source, target, 1, TableModel(papers, authors), Stream(0).child(1), row))
        assert torch.equal(batch["author"].n_id[chosen.ids], alone.ids)


def test_seed_nodes_too() -> None:
    sampler = Hardest(Uniform(GRAPH), pool=9)
    loader = NeighborLoader(DATA, [2], batch_size=20, negatives=sampler, k=2)
    for batch in loader:
        assert batch.negative_id.shape == (20, 9)
        chosen = loader.select(batch, TABLE[batch.n_id])
        seeds = batch.n_id[:20]
        alone = sampler(Query(seeds, seeds, 2, TableModel(TABLE, TABLE), Stream(0).child(1), batch.input_id))
        assert torch.equal(batch.n_id[chosen.ids], alone.ids)


def test_what_cannot_be_split_is_refused() -> None:
    uniform = Uniform(GRAPH)
    with pytest.raises(ValueError, match=r"Filtered reads the model.*Split it"):
        NeighborSampler(DATA, [2], negatives=Filtered(Hardest(uniform), GRAPH))
    batch = next(iter(LinkNeighborLoader(DATA, [2], batch_size=20, negatives=uniform, neg_sampling="triplet")))
    twice = LinkNeighborLoader(DATA, [2], batch_size=20, negatives=BNS.from_graph(GRAPH), neg_sampling="triplet")
    with pytest.raises(ValueError, match="more than one pool"):
        twice.select(next(iter(twice)), TABLE)
    hard = LinkNeighborLoader(DATA, [2], batch_size=20, negatives=Hardest(uniform), neg_sampling="triplet")
    plain = LinkNeighborLoader(DATA, [2], batch_size=20, neg_sampling="triplet")
    with pytest.raises(ValueError, match="nothing is left to select"):
        plain.select(batch, TABLE)
    with pytest.raises(ValueError, match="the batch holds no pool"):
        hard.select(next(iter(plain)), TABLE)
    with pytest.raises(ValueError, match=r"need embeddings \[n, d\].*got int"):
        hard.select(next(iter(hard)), 3)


class Nosy(Sampler):
    """Reads more of the model than its pool."""

    needs_model = True

    def __init__(self, base: Sampler, way: str) -> None:
        super().__init__()
        self.base, self.way = base, way

    def sample(self, query: Query) -> Any:
        if self.way == "none":
            return Uniform(GRAPH)(query)
        pool = self.base(query.child(0, k=5))
        other = (pool.ids + 1) % 60 if self.way == "outside" else pool.ids
        query.require_model().score(query.anchor + (self.way == "anchors"), other)
        return pool._replace(ids=pool.ids[:, : query.k], mask=pool.mask[:, : query.k], log_prob=None)


@pytest.mark.parametrize(("way", "message"), [
    ("outside", "the score of a node outside its pool"), ("anchors", "scores other anchors than the batch's"),
    ("none", "chooses without asking the sampler inside it"),
])
def test_a_nosy_sampler_is_refused(way: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loader = LinkNeighborLoader(DATA, [2], batch_size=20, negatives=Nosy(Uniform(GRAPH), way),
                                    neg_sampling="triplet")
        loader.select(next(iter(loader)), TABLE[next(iter(loader)).n_id])


class Sage(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.first, self.second = SAGEConv(num_features, 32), SAGEConv(32, 16)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        embeddings: Tensor = self.second(self.first(x, edge_index).relu(), edge_index)
        return embeddings


def test_training_with_hard_negatives() -> None:
    """One line more, and the chosen score above the rest of their pool; the loss falls."""
    images = digits()
    data = Data(x=images.x, edge_index=images.edge_index)
    loader = LinkNeighborLoader(data, [4, 4], images.edge_index[:, ::5], batch_size=256, shuffle=True,
                                negatives=Hardest(Uniform(images.graph), pool=8), neg_sampling="triplet")
    torch.manual_seed(0)
    model = Sage(images.num_features)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        total = 0.0
        for batch in loader:
            z = model(batch.x, batch.edge_index)
            hard = loader.select(batch, z.detach())
            source = z[batch.src_index]
            pool = torch.einsum("bd,bkd->bk", source, z[batch.dst_neg_index]).detach()
            negative = torch.einsum("bd,bkd->bk", source, z[hard.ids])
            torch.testing.assert_close(negative[:, 0].detach(), pool.max(1).values)
            loss = bpr((source * z[batch.dst_pos_index]).sum(1), negative, hard.mask)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach())
        losses.append(total / len(loader))
    assert losses == sorted(losses, reverse=True)
