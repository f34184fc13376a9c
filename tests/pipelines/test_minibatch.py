"""Mini-batches: what they hold is what the whole graph holds, in any process; and GRACE's loss on them is its loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.base import Sampler
from graphns.data.digits import digits
from graphns.data.node import NodeData
from graphns.encoders.gcn import GCN, gcn_adjacency
from graphns.encoders.sparse import Sparse
from graphns.objectives.correction import correction
from graphns.pipelines.grace import Grace, direction_loss, make_views
from graphns.pipelines.grace_config import GraceConfig
from graphns.pipelines.minibatch import Minibatch, minibatches, within_batches
from graphns.samplers.compose.all import All
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.efficient.in_batch import InBatch
from graphns.samplers.efficient.shared import Shared
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream


def made_data(num_nodes: int = 60, width: int = 12, share: float = 1.0) -> NodeData:
    """A random graph; features are dense, or with a small share few of them are not 0."""
    words = Stream(1).words(torch.arange(2), 2 * num_nodes)
    x = torch.rand(num_nodes, width, generator=torch.Generator().manual_seed(0))
    x = x * (torch.rand(num_nodes, width, generator=torch.Generator().manual_seed(1)) < share)
    return NodeData("made", x, (words >> 8) % num_nodes, torch.arange(num_nodes) % 3)


DATA = made_data()


def batches(sampler: Sampler | None, data: NodeData = DATA, **options: Any) -> Iterator[Minibatch]:
    return minibatches(data, sampler, **{"num_neighbors": [3, 3], "batch_size": 16, "k": 5, "stream": Stream(2),
                                         **options})


def fields(batch: Minibatch) -> dict[str, Any]:
    query, negatives = batch.query, batch.negatives
    assert negatives is not None
    features = batch.features if isinstance(batch.features, Tensor) else batch.features.matrix.to_dense()
    return {"node": batch.node, "edge_index": batch.edge_index, "features": features, "anchor": query.anchor,
            "row": query.row, "negative_id": batch.negative_id, **negatives._asdict()}


def assert_same(first: list[Minibatch], second: list[Minibatch]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.query.stream == other.query.stream and one.query.k == other.query.k
        for (name, value), again in zip(fields(one).items(), fields(other).values(), strict=True):
            assert (value is None and again is None) or torch.equal(value, again), name


@pytest.mark.parametrize("share", [1.0, 0.05])
def test_a_pass_holds_every_anchor_once_with_what_embeds_it(share: float) -> None:
    data = made_data(share=share)
    sampler = Uniform(data.graph)
    seen = []
    for batch in batches(sampler, data):
        anchor = batch.query.anchor
        assert torch.equal(batch.node[batch.anchors], anchor) and torch.equal(batch.query.row, anchor)
        assert torch.equal(batch.query.positive, anchor)
        assert bool(data.graph.has_edge(*batch.node[batch.edge_index]).all())
        assert len(batch.edge_index.unique(dim=1).T) == batch.edge_index.shape[1]  # each edge once
        assert isinstance(batch.features, Sparse) == (share < 1) and batch.num_features == data.num_features
        dense = batch.features if isinstance(batch.features, Tensor) else batch.features.matrix.to_dense()
        assert torch.equal(dense, data.x[batch.node])
        # the sampler, asked again, gives what the batch holds; by places the same
        again = sampler(batch.query)
        assert batch.negatives is not None and batch.negative_id is not None
        for ours, theirs in zip(batch.negatives, again, strict=True):
            assert ours is theirs or torch.equal(ours, theirs)
        query, placed = batch.placed
        assert placed is not None and torch.equal(batch.node[placed.ids], again.ids)
        assert torch.equal(batch.node[query.anchor], anchor) and query.row is batch.query.row
        sampler.update(batch.query, batch.negatives)
        seen.append(anchor)
    assert [len(each) for each in seen] == [16, 16, 16, 12]
    assert torch.cat(seen).sort().values.tolist() == list(range(60))


def test_each_pass_has_its_order() -> None:
    orders = [torch.cat([b.query.anchor for b in batches(None, stream=Stream(2, epoch))]) for epoch in (0, 1, 0)]
    assert torch.equal(orders[0], orders[2]) and not torch.equal(orders[0], orders[1])
    assert orders[0].tolist() != sorted(orders[0].tolist())
    some = torch.tensor([4, 50, 7, 9, 33])
    found = [b.query.anchor for b in batches(Uniform(DATA.graph), anchors=some, batch_size=2)]
    assert [len(each) for each in found] == [2, 2, 1] and set(torch.cat(found).tolist()) == set(some.tolist())


@pytest.mark.parametrize("share", [1.0, 0.05])
@pytest.mark.parametrize(("workers", "way"), [(2, "fork"), (1, "spawn")])
def test_workers_give_the_same_batches(workers: int, way: str, share: float) -> None:
    if way == "spawn" and share < 1:
        return  # features stay in this process: one new interpreter is enough
    data = made_data(share=share)
    sampler = Shared.from_graph(data.graph)
    before = torch.get_rng_state()
    here = list(batches(sampler, data, epoch=3))
    there = list(batches(sampler, data, epoch=3, num_workers=workers, multiprocessing_context=way, timeout=120))
    assert torch.equal(torch.get_rng_state(), before)
    assert_same(here, there)
    assert here[0].query.epoch == 3


def test_all_and_in_batch_are_the_anchors_of_the_batch() -> None:
    """`All` is every other anchor, less what it leaves out; nothing beyond the anchors is embedded for it."""
    for exclude in ("self", "neighbors"):
        everyone = All(DATA.graph, exclude=exclude)  # type: ignore[arg-type]
        in_batch = InBatch(DATA.graph, exclude=exclude, popularity="uniform")  # type: ignore[arg-type]
        first = list(batches(everyone, num_neighbors=[], k=1))
        assert_same(first, list(batches(in_batch, num_neighbors=[], k=16)))
        for batch in first:
            anchor, size = batch.query.anchor, batch.query.batch_size
            assert torch.equal(batch.node, anchor)
            assert batch.negatives is not None and batch.negatives.ids[0, :size].tolist() == anchor.tolist()
            expected = ~torch.eye(size, dtype=torch.bool)
            if exclude == "neighbors":
                expected &= ~DATA.graph.has_edge(anchor, anchor[None])
            assert torch.equal(batch.negatives.mask[:, :size], expected)
            assert not bool(batch.negatives.mask[:, size:].any())
    assert within_batches(in_batch) is in_batch


# --- GRACE on mini-batches


@pytest.mark.parametrize("share", [1.0, 0.05])
def test_whole_neighbourhoods_embed_as_the_whole_graph_does(share: float) -> None:
    """With every neighbour of one hop more than the encoder has layers, degrees too are those of the data."""
    data = made_data(share=share)
    torch.manual_seed(0)
    encoder = GCN(data.num_features, 6)
    with torch.no_grad():
        whole = encoder(data.features, data.adjacency)
        for batch in batches(Uniform(data.graph), data, num_neighbors=[-1, -1, -1]):
            part = encoder(batch.features, gcn_adjacency(batch.edge_index, batch.num_nodes))
            assert batch.negative_id is not None
            embedded = torch.cat([batch.anchors, batch.negative_id.flatten()])
            torch.testing.assert_close(part[embedded], whole[batch.node[embedded]])


@pytest.mark.parametrize("name", ["uniform", "shared", "all"])
def test_the_loss_is_that_of_the_whole_graph(name: str) -> None:
    """Nothing dropped, every neighbour: a batch's loss is that of its anchors and negatives in the whole graph."""
    sampler = {"uniform": Uniform(DATA.graph), "shared": Shared.from_graph(DATA.graph), "all": All(DATA.graph)}[name]
    config = GraceConfig(hidden_size=6, projection_size=5, drop_edge=(0.0, 0.0), drop_feature=(0.0, 0.0))
    model = Grace.seeded(DATA, config)
    whole = model(DATA.features, DATA.adjacency)
    meant = within_batches(sampler)
    for batch in batches(sampler, num_neighbors=[-1, -1, -1]):
        views = make_views(batch, config, Stream(0))  # type: ignore[arg-type]  # it stands in for the data
        first, second = (model(batch.features, view.adjacency, view.keep) for view in views)
        assert batch.negatives is not None
        expected = direction_loss(whole, whole, meant, batch.query, batch.negatives, config)
        query, negatives = batch.placed
        assert negatives is not None
        loss = direction_loss(first, second, meant, query, negatives, config)
        torch.testing.assert_close(loss, expected)
        # what a correction asks the sampler about are ids of the data
        parts = correction(meant, batch.query, batch.negatives)
        usable = batch.negatives.mask
        torch.testing.assert_close(parts["log_prob"].expand(usable.shape)[usable],
                                   meant.log_prob(batch.query, batch.negatives.ids)[usable])


def test_grace_learns_from_mini_batches() -> None:
    """Augmented views of sampled sub-graphs, shared negatives: the loss falls."""
    data = digits()
    config = GraceConfig(hidden_size=16, projection_size=16, learning_rate=5e-3, temperature=0.5)
    model = Grace.seeded(data, config)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    sampler = Shared.from_graph(data.graph)
    losses = []
    for epoch in range(3):
        total, steps = 0.0, 0
        stream = Stream(0, epoch)
        for number, batch in enumerate(minibatches(data, sampler, num_neighbors=[4, 4], batch_size=256, k=64,
                                                   stream=stream, epoch=epoch)):
            views = make_views(batch, config, stream.child(0, number))  # type: ignore[arg-type]
            first, second = (model(batch.features, view.adjacency, view.keep) for view in views)
            query, negatives = batch.placed
            assert negatives is not None
            loss = (direction_loss(first, second, sampler, query, negatives, config)
                    + direction_loss(second, first, sampler, query, negatives, config)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, steps = total + float(loss.detach()), steps + 1
        losses.append(total / steps)
    assert steps == 8 and losses == sorted(losses, reverse=True) and losses[-1] < 0.97 * losses[0], losses


def test_without_a_sampler_nothing_is_drawn() -> None:
    batch = next(batches(None, num_neighbors=[2]))
    assert batch.negatives is None and batch.negative_id is None and batch.placed[1] is None
    assert batch.query.batch_size == 16 and torch.equal(batch.node[:16], batch.query.anchor)


@pytest.mark.parametrize(("arguments", "message"), [
    (dict(batch_size=0), "batch_size must be at least 1, got 0"),
    (dict(k=0), "k must be at least 1, got 0"),
    (dict(num_neighbors=[0]), "a fanout must be at least 1"),
    (dict(anchors=torch.tensor([3, 60])), r"anchor 60 is outside \[0, 60\)"),
    (dict(sampler=Hardest(Uniform(DATA.graph))), "Hardest reads the model, and a loader draws before the training"),
])
def test_bad_input_is_refused_at_once(arguments: dict[str, Any], message: str) -> None:
    """At the call, not at the first batch."""
    with pytest.raises(ValueError, match=message):
        batches(**{"sampler": Uniform(DATA.graph), **arguments})
