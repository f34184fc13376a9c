"""DeepWalk, node2vec and LINE as runs: what they pair, what they find, and that they are the same however cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from graphns.base import Sampler
from graphns.data import load
from graphns.data.node import NodeData
from graphns.graph.graph import Graph
from graphns.graph.walks import random_walks
from graphns.metrics.probe import linear_probe
from graphns.pipelines import deepwalk, line
from graphns.pipelines.deepwalk import DeepWalk
from graphns.pipelines.line import Line
from graphns.pipelines.node import NodeResult, fit
from graphns.pipelines.skipgram import SkipGram
from graphns.pipelines.skipgram_config import DeepWalkConfig, LineConfig, Node2VecConfig, SkipGramConfig
from graphns.samplers.adversarial.adversarial import Adversarial
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.dynamic.mcns import MCNS
from graphns.samplers.efficient.nscaching import NSCaching
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.pipelines.test_skipgram import KINDS, SMALL, listed, shared, tiny


def train(config: SkipGramConfig, data: NodeData, sampler: Sampler | None = None, **options: Any) -> NodeResult:
    module: Any = line if isinstance(config, LineConfig) else deepwalk
    result: NodeResult = module.train(data, sampler, config, **options)
    return result


def planted(num_groups: int = 4, size: int = 30) -> NodeData:
    """Groups in which a pair is linked with probability 0.3, and 0.02 across."""
    group = torch.arange(num_groups * size) // size
    words = torch.rand(len(group), len(group), generator=torch.Generator().manual_seed(0))
    linked = words < torch.where(group[:, None] == group, 0.3, 0.02)
    return NodeData("planted", torch.zeros(len(group), 0), linked.triu(1).nonzero().T, group)


# pairs


def test_an_epoch_walks_from_every_node_with_neighbours() -> None:
    data, config = tiny(), SMALL.replace(walks_per_node=3, batch_size=10)
    model = DeepWalk.seeded(data, config)
    linked = (data.graph.degree > 0).nonzero()[:, 0].tolist()
    batches = [pairs.anchor.view(-1, config.walk_length) for pairs in model.pairs(data, Stream(0))]
    assert len(batches) == model.num_steps(data) and 29 not in linked
    starts = torch.cat(batches)[:, 0]
    assert Counter(starts.tolist()) == {node: 3 for node in linked}
    turns = torch.split(starts, len(linked))
    assert not torch.equal(turns[0], turns[1]) and not torch.equal(turns[1], turns[2])
    # the same walks whatever the batches are, another walk in another pass
    whole = DeepWalk.seeded(data, config.replace(batch_size=1000))
    walks = torch.cat([pairs.anchor.view(-1, config.walk_length) for pairs in whole.pairs(data, Stream(0))])
    assert torch.equal(walks, torch.cat(batches))
    first, second = (dict(zip(part[:, 0].tolist(), part.tolist(), strict=True))
                     for part in torch.split(walks, len(linked))[:2])
    assert first != second


def test_pairs_of_an_epoch_are_those_of_its_walks() -> None:
    """Every pair of places within the window, against a plain loop."""
    data, config = tiny(), SMALL.replace(walks_per_node=2)
    model = DeepWalk.seeded(data, config)
    for pairs in model.pairs(data, Stream(4)):
        expected = [(walk[i], walk[j]) for walk in pairs.anchor.view(-1, 7).tolist() for i in range(7)
                    for j in range(max(0, i - 2), min(7, i + 3)) if i != j]
        assert listed(pairs) == expected


def second_order_chain(data: NodeData, start: int, length: int, p: float, q: float) -> Tensor:
    """The probabilities [length, N, N] of (node at step t, node at step t + 1) from one start: node2vec's walk."""
    near = torch.zeros(data.num_nodes, data.num_nodes).double()
    near[data.edge_index[0], data.edge_index[1]] = 1
    joint = torch.zeros_like(near)
    joint[start] = near[start] / near[start].sum()
    steps = [joint]
    for _ in range(length - 1):
        following = torch.zeros_like(near)
        for before, node in joint.nonzero().tolist():
            weight = near[node] * torch.where(near[before] > 0, 1.0, 1 / q)
            weight[before] = 1 / p
            following[node] += joint[before, node] * weight / weight.sum()
        joint = following
        steps.append(joint)
    return torch.stack(steps)


@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (0.25, 4.0)])
def test_pairs_are_as_frequent_as_the_walks_make_them(p: float, q: float) -> None:
    """Pairs (first node, context) over many epochs, by chi-square against the exact chain on six nodes."""
    edges = torch.tensor([[0, 0, 1, 2, 3, 3, 4], [1, 2, 2, 3, 4, 5, 5]])
    data = NodeData("six", torch.zeros(6, 0), edges, torch.arange(6) % 2)
    config = Node2VecConfig(hidden_size=2, walk_length=4, window=3, walks_per_node=1500, batch_size=4096, p=p, q=q)
    model = deepwalk.Node2Vec.seeded(data, config)
    # the walk of a pass is keyed by the node, so one batch after another; only pairs of the first place
    counts = torch.zeros(6, 3, 6)
    for pairs in model.pairs(data, Stream(0)):
        walks = pairs.anchor.view(-1, 4)
        first = pairs.context.view(-1, 4, 6)[:, 0]
        assert pairs.inside is not None
        assert pairs.inside.view(-1, 4, 6)[0, 0].tolist() == [False] * 3 + [True] * 3
        for ahead in range(3):
            counts[:, ahead] += torch.bincount(walks[:, 0] * 6 + first[:, 3 + ahead], minlength=36).view(6, 6)
    statistic, freedom = 0.0, 0
    for start in range(6):
        exact = second_order_chain(data, start, 3, p, q).sum(1) * 1500
        possible = exact > 0
        assert not bool(counts[start][~possible].any())
        statistic += float(((counts[start] - exact)[possible] ** 2 / exact[possible]).sum())
        freedom += int(possible.sum()) - 3
    assert statistic < chi2.ppf(1 - 1e-6, freedom)


def test_line_pairs_every_edge_both_ways_for_each_order() -> None:
    data = tiny()
    model = Line.seeded(data, LineConfig(hidden_size=4, batch_size=16))
    found: dict[str, list[tuple[int, int]]] = {"first": [], "second": []}
    batches = list(model.pairs(data, Stream(0)))
    assert len(batches) == model.num_steps(data)
    for pairs in batches:
        found[pairs.order] += listed(pairs)
    expected = sorted(map(tuple, data.edge_index.T.tolist()))
    assert sorted(found["first"]) == sorted(found["second"]) == expected
    assert found["first"] == found["second"] != expected


# runs


@pytest.mark.parametrize("config", [
    DeepWalkConfig(hidden_size=16, walk_length=10, window=3, epochs=20, batch_size=30, learning_rate=0.03),
    Node2VecConfig(hidden_size=16, walk_length=10, window=3, epochs=20, batch_size=30, p=0.5, q=2.0, objective="bce"),
    DeepWalkConfig(hidden_size=16, walk_length=10, window=3, epochs=20, batch_size=4, learning_rate=0.2,
                   optimizer="sgd", decay=True),
    LineConfig(hidden_size=16, epochs=60, batch_size=256),
    LineConfig(hidden_size=16, epochs=60, batch_size=256, order="first"),
], ids=["deepwalk", "node2vec", "sgd", "both", "first"])
def test_communities_come_apart(config: SkipGramConfig) -> None:
    """Nodes of a planted group lie nearer each other than nodes of two groups; before training they do not."""
    data = planted()
    result = train(config, data)
    same = data.y[:, None] == data.y
    apart = ~torch.eye(len(same), dtype=torch.bool)

    def auc(embeddings: Tensor) -> float:
        unit = torch.nn.functional.normalize(embeddings, dim=1)
        cosines = unit @ unit.T
        inside, across = cosines[same & apart], cosines[~same]
        return float((inside[:, None] > across[::7]).float().mean())

    untrained = result.model.seeded(data, config).embed(data)
    assert 0.4 < auc(untrained) < 0.6
    assert auc(result.embeddings) > 0.9
    assert linear_probe(result.embeddings, data, protocol="random-10-10-80") > 0.75  # of twelve labelled nodes
    assert result.losses[-1] < result.losses[0]


SAMPLERS: dict[str, Callable[[Graph], Sampler | None]] = {
    "degree": lambda graph: None,
    "neighbors": lambda graph: Uniform(graph),
    "hardest": lambda graph: Hardest(Uniform(graph, exclude="self"), pool=8),
    "mcns": lambda graph: MCNS.from_graph(graph),
    "nscaching": lambda graph: NSCaching.from_graph(graph),
    "adversarial": lambda graph: Adversarial.from_graph(graph, exclude="self"),
    "shared": shared,
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_kind_of_sampler_learns(name: str) -> None:
    data = tiny()
    sampler: Sampler | None = SAMPLERS[name](data.graph)
    before = {} if sampler is None else {key: value.clone() for key, value in sampler.state_dict().items()}
    result = train(SMALL.replace(epochs=6), data, sampler)
    assert result.losses[-1] < result.losses[0] and len(result.losses) == 6
    assert result.embeddings.shape == (30, 6) and not result.embeddings.requires_grad
    assert 0 < sum(result.sample_seconds) < sum(result.epoch_seconds)
    pairs = sum(len(listed(each)) for each in DeepWalk.seeded(data, SMALL).pairs(data, Stream(0)))
    assert 0.5 * 6 * 3 * pairs < result.num_drawn <= 6 * 3 * pairs
    if name in ("adversarial", "nscaching"):
        assert sampler is not None
        assert any(not torch.equal(value, before[key]) for key, value in sampler.state_dict().items())


def test_same_seed_same_run_and_generators_left_alone() -> None:
    for method, config in KINDS.values():
        data, state = tiny(), torch.get_rng_state()
        first, second = (fit(method, data, None, config) for _ in range(2))
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(first.embeddings, second.embeddings) and first.losses == second.losses
        other = fit(method, data, None, config.replace(seed=1))
        assert not torch.equal(first.embeddings, other.embeddings)


@pytest.mark.parametrize("kind", ["deepwalk", "tied", "both"])
def test_any_number_of_threads_gives_the_same_embeddings(kind: str) -> None:
    """At a size at which kernels share their work out."""
    data, threads = planted(6, 60), torch.get_num_threads()
    method, config = KINDS[kind]
    size: dict[str, Any] = {"hidden_size": 32, "batch_size": 300, "epochs": 2}
    found = []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            found.append(fit(method, data, None, config.replace(**size)).embeddings)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


class Cut(Exception):
    """The power goes out."""


@pytest.mark.parametrize("sampler", ["degree", "adversarial", "nscaching"])
@pytest.mark.parametrize("kind", ["deepwalk", "sgd", "both"])
def test_a_run_cut_off_ends_with_the_same_bits(tmp_path: Path, kind: str, sampler: str) -> None:
    data = tiny()
    method, config = (DeepWalk, SMALL.replace(optimizer="sgd", decay=True, learning_rate=0.001)) if kind == "sgd" \
        else KINDS[kind]
    config = config.replace(epochs=5)

    def make() -> Sampler | None:
        return SAMPLERS[sampler](data.graph)

    def stop(done: int, of: int, loss: float) -> None:
        if done == 4:
            raise Cut

    whole = fit(method, data, make(), config)
    with pytest.raises(Cut):
        fit(method, data, make(), config, folder=tmp_path, checkpoint_every=3, progress=stop)
    seen: list[int] = []
    resumed = fit(method, data, make(), config, folder=tmp_path, progress=lambda done, *_: seen.append(done))
    assert seen == [4, 5]
    assert torch.equal(resumed.embeddings, whole.embeddings)
    assert resumed.losses == whole.losses and resumed.num_drawn == whole.num_drawn
    for one, two in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_longer_run_goes_on_from_a_shorter(tmp_path: Path) -> None:
    data = tiny()
    train(SMALL, data, folder=tmp_path)
    longer = train(SMALL.replace(epochs=5), data, folder=tmp_path)
    assert torch.equal(longer.embeddings, train(SMALL.replace(epochs=5), data).embeddings)


def test_rates_fall_to_a_thousandth() -> None:
    """By step, over all epochs; of plain steps times the pairs, of an adversary's Adam not."""
    data = tiny()
    config = SMALL.replace(optimizer="sgd", decay=True, epochs=2, learning_rate=0.5)
    model, sampler = DeepWalk.seeded(data, config), Adversarial.from_graph(data.graph)
    optimizer = model.optimizer([*model.parameters(), *sampler.parameters()])
    rates = []
    for epoch in range(2):
        model.begin_epoch(optimizer, epoch)
        for done in model.steps(data, sampler, Stream(0, epoch), epoch):
            assert done.query is not None
            tables, adversary = optimizer.param_groups
            assert tables["lr"] == adversary["lr"] * done.query.batch_size
            rates.append(adversary["lr"])
    total = 2 * model.num_steps(data)
    assert rates == pytest.approx([0.5 * (1 - step / total) for step in range(total)])


def test_features_are_not_read() -> None:
    data = tiny()
    other = NodeData("other", torch.randn(30, 4), data.edge_index, data.y)
    for method, config in KINDS.values():
        assert torch.equal(fit(method, data, None, config).embeddings, fit(method, other, None, config).embeddings)


def test_a_node_without_neighbours_stays_as_it_began() -> None:
    data = tiny()
    model = DeepWalk.seeded(data, SMALL)
    result = train(SMALL, data)
    moved = (result.embeddings != model.embed(data)).any(1)
    assert not bool(moved[29]) and bool(moved[(data.graph.degree > 0)].all())
    assert isinstance(result.model, SkipGram)


def test_both_orders_side_by_side() -> None:
    """Each half is trained as if it were alone, but for what is drawn, and has unit rows."""
    data, config = tiny(), LineConfig(hidden_size=6, batch_size=16, epochs=3)
    result = train(config, data)
    assert result.embeddings.shape == (30, 6)
    for half in torch.split(result.embeddings, 3, 1):
        torch.testing.assert_close(half.norm(dim=1), torch.ones(30))
    first = train(config.replace(order="first", hidden_size=3), data)
    assert first.embeddings.shape == (30, 3) and not bool((first.embeddings.norm(dim=1) - 1).abs().max() < 0.1)


def test_walks_are_of_the_graph() -> None:
    """What DeepWalk walks is what `random_walks` gives: uniform, or of the second order."""
    data = tiny()
    for method, config in (KINDS["deepwalk"], KINDS["node2vec"]):
        model = method.seeded(data, config)
        assert isinstance(model, deepwalk.WalkSkipGram)
        pairs = model.views(data, Stream(7))
        walks = pairs.anchor.view(-1, 7)
        p, q = model.bias
        again = random_walks(data.graph, walks[:, 0], 6, Stream(7).child(1, 0), p=p, q=q, row=walks[:, 0])
        assert torch.equal(walks, again)


@pytest.mark.data
def test_cora(data_root: Path) -> None:
    """Two passes over Cora's nodes: most papers find their field, from citations alone."""
    data = load("Cora", root=data_root)
    result = deepwalk.train(data, config=DeepWalkConfig(epochs=2, window=5))
    assert linear_probe(result.embeddings, data) > 0.62
