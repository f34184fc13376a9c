"""The common neighbours that "ncn" reads: those of the graph that messages pass along, by sets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from graphns.data.link import LinkData, LinkPart
from graphns.graph.graph import Graph
from graphns.metrics.links import evaluate_links
from graphns.pipelines.link_batch import batch_step
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel, message_edges, message_graph
from graphns.pipelines.link_prediction import evaluate
from graphns.pipelines.link_step import step
from graphns.samplers.static.uniform import Uniform
from graphns.scorers.ncn import CommonNeighborMLP
from graphns.streams import Stream

NUM_NODES = 25


def tangle(undirected: bool) -> LinkData:
    """Random edges, some of them both ways, among few nodes: most pairs have common neighbours."""
    random = torch.Generator().manual_seed(0)
    pairs = torch.combinations(torch.arange(NUM_NODES)).T
    pairs = pairs[:, torch.randperm(pairs.shape[1], generator=random)]
    back = torch.rand(pairs.shape[1], generator=random) < 0.5
    pairs = torch.where(back, pairs.flip(0), pairs)
    train, valid, test, no = torch.split(pairs[:, :140], [70, 30, 20, 20], 1)
    if not undirected:
        train = torch.cat([train, train[:, :10].flip(0)], 1)
    x = torch.rand((NUM_NODES, 4), generator=random)
    return LinkData("tangle", NUM_NODES, train, LinkPart(valid, no), LinkPart(test, no), x, undirected=undirected)


def by_sets(model: LinkModel, table: Tensor, ties: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Scores of pairs, where ties [2, E] make neighbours of both their ends."""
    neighbors: list[set[int]] = [set() for _ in range(NUM_NODES)]
    for source, target in ties.T.tolist():
        neighbors[source].add(target)
        neighbors[target].add(source)

    def score(source: Tensor, target: Tensor) -> Tensor:
        rows = [torch.cat([table[u] * table[v], table[sorted(neighbors[u] & neighbors[v])].sum(0)])
                for u, v in zip(source.tolist(), target.tolist(), strict=True)]
        assert isinstance(model.decoder, CommonNeighborMLP)
        return model.decoder.score_pairs(torch.stack(rows))

    return score


def made(data: LinkData) -> tuple[LinkModel, LinkConfig]:
    config = LinkConfig(encoder="sage", decoder="ncn", hidden_size=8, size=8, k=3, side="destination", dropout=0.0,
                        num_neighbors=(-1, -1))
    return LinkModel.seeded(data, config), config


@pytest.mark.parametrize("undirected", [True, False])
@pytest.mark.parametrize("batches", [False, True])
def test_a_step_reads_neighbours_of_both_directions(undirected: bool, batches: bool) -> None:
    data = tangle(undirected)
    model, config = made(data)
    rest = (torch.arange(40), Uniform(data.graph), config, Stream(3))
    if batches:
        done = batch_step(model, model, data, message_graph(data, data.graph), *rest)
    else:
        done = step(model, model, data, model.encoder.adjacency(message_edges(data, data.graph)), *rest)
    assert done.query is not None and done.negatives is not None
    score = by_sets(model, model.embed(data), data.train)
    source, target = data.train[:, :40]
    drawn = done.negatives.ids.flatten()
    expected = (-logsigmoid(score(source, target)).mean()
                - logsigmoid(-score(source.repeat_interleave(3), drawn)).mean())
    torch.testing.assert_close(done.loss, expected)


@pytest.mark.parametrize("undirected", [True, False])
def test_test_edges_are_scored_over_the_joined_graph(undirected: bool) -> None:
    data = tangle(undirected)
    model, _ = made(data)
    ties = torch.cat([data.train, data.valid.positive], 1)
    joined = by_sets(model, model.embed(data, data.joined("train", "valid")), ties)
    alone = by_sets(model, model.embed(data), data.train)
    source, target = data.test.positive
    with torch.no_grad():
        torch.testing.assert_close(model.scorer(data, data.joined("train", "valid"))(source, target),
                                   joined(source, target))
        torch.testing.assert_close(model.scorer(data)(source, target), alone(source, target))  # as before
        assert not torch.allclose(joined(source, target), alone(source, target))
        for use, score in ((True, joined), (False, alone)):
            assert evaluate(model, data, "test", use).as_dict() == evaluate_links(score, data.test).as_dict()


def test_another_graph_has_the_same_nodes() -> None:
    data = tangle(True)
    decoder = made(data)[0].decoder
    assert isinstance(decoder, CommonNeighborMLP)
    before = decoder.common(torch.arange(5), torch.arange(5, 10))[1].tolist()
    with decoder.among(Graph.empty(NUM_NODES)):
        assert decoder.common(torch.arange(5), torch.arange(5, 10))[1].tolist() == [] != before
    assert decoder.common(torch.arange(5), torch.arange(5, 10))[1].tolist() == before
    with pytest.raises(ValueError, match="common neighbours are those of 25 nodes, got a graph of 24 and 24"), \
            decoder.among(Graph.empty(24)):
        pass
    with pytest.raises(ValueError, match="graph of 25 and 24"), decoder.among(Graph.empty((25, 24))):
        pass
