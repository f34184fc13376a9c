"""Mini-batches of link prediction: with all neighbours the whole graph's step; who may draw; resumed runs; learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.compare.link_source import link_sampler
from graphns.compare.specs import parse
from graphns.data.link import LinkData
from graphns.data.link_loading import load_links
from graphns.encoders.sparse import Sparse
from graphns.pipelines.link_batch import batch_step
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel, Table, message_edges, message_graph
from graphns.pipelines.link_prediction import evaluate, train
from graphns.pipelines.link_step import step
from graphns.pipelines.method import Step
from graphns.samplers.compose.all import All
from graphns.samplers.compose.filtered import Filtered
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.static.uniform import Uniform
from graphns.scorers.ncn import CommonNeighborMLP
from graphns.streams import Stream
from tests.pipelines.link_ring import SIZES, ring

WHOLE: dict[str, Any] = {**SIZES, "k": 3, "num_neighbors": (-1, -1)}
SOME: dict[str, Any] = {**SIZES, "k": 2, "num_neighbors": (3, 2)}


def whole_step(model: LinkModel, data: LinkData, *rest: Any) -> Step:
    return step(model, model, data, model.encoder.adjacency(message_edges(data, data.graph)), *rest)


def part_step(model: LinkModel, data: LinkData, *rest: Any) -> Step:
    return batch_step(model, model, data, message_graph(data, data.graph), *rest)


def gradients(model: LinkModel, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    return {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("undirected", [True, False])
@pytest.mark.parametrize("mask_targets", [True, False])
@pytest.mark.parametrize("decoder", ["dot", "bilinear", "mlp", "ncn"])
@pytest.mark.parametrize("encoder", ["gcn", "sage", "gat", "mlp", "embedding"])
def test_with_all_neighbours_loss_and_gradients_are_the_whole_graphs(
    encoder: str, decoder: str, mask_targets: bool, undirected: bool
) -> None:
    data = ring(features=encoder != "embedding", undirected=undirected)
    config = LinkConfig(encoder=encoder, decoder=decoder, mask_targets=mask_targets, **WHOLE)
    model, sampler = LinkModel.seeded(data, config), Hardest(Uniform(data.graph), pool=6)
    rest = (torch.arange(20), sampler, config, Stream(3))
    whole, part = whole_step(model, data, *rest), part_step(model, data, *rest)
    assert whole.negatives is not None and part.negatives is not None
    assert torch.equal(whole.negatives.ids, part.negatives.ids)
    torch.testing.assert_close(whole.loss, part.loss)
    expected = gradients(model, whole.loss)
    found = gradients(model, part.loss)
    assert expected.keys() == found.keys() and len(found) > 0
    for name, gradient in expected.items():
        torch.testing.assert_close(gradient, found[name], rtol=1e-4, atol=1e-6, msg=name)


def test_the_same_without_features_and_of_layers_of_any_number() -> None:
    data = ring(features=False)
    for layers in (1, 3):
        config = LinkConfig(encoder="gcn", num_layers=layers, **{**WHOLE, "num_neighbors": [-1] * layers})
        model = LinkModel.seeded(data, config)
        rest = (torch.arange(9), Uniform(data.graph), config, Stream(3))
        expected, found = (gradients(model, make(model, data, *rest).loss) for make in (whole_step, part_step))
        torch.testing.assert_close(expected, found, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["uniform", "global-edges", "shared", "in-batch", "tempered", "simans", "cuco", "moco",
                                  "xbm", "memory-bank", "cbns", "prebatch", "adco", "kbgan", "kg-policy", "graphgan"])
def test_samplers_of_every_kind_draw_and_learn_what_they_do_on_the_whole_graph(name: str) -> None:
    data, config = ring(), LinkConfig(**WHOLE)
    model, ends = LinkModel.seeded(data, config), []
    for make in (whole_step, part_step):
        sampler = link_sampler(parse(name), data, config.k, config.size)
        losses = []
        for epoch in range(3):
            done = make(model, data, torch.arange(20 * epoch, 20 * epoch + 20), sampler, config, Stream(3), epoch)
            assert done.query is not None and done.negatives is not None
            adversary: Any = getattr(sampler, "loss", None)
            losses.append(done.loss.detach())
            if adversary is not None:
                losses.append(adversary(done.negatives, done.feedback, done.query).detach())
            sampler.update(done.query, done.negatives, done.feedback)
        ends.append((losses, sampler.state_dict()))
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "message"), [
    ("all", "takes every node"), ("aobpr", "embeds every node anew"), ("ance", "embeds every node anew"),
    ("nearest", "no inner sampler"), ("mcns", "no inner sampler"), ("nscaching", "no inner sampler"),
    ("srns", "SRNS cannot serve"), ("bns", "more than one pool"), ("irgan", "IRGAN cannot serve mini-batches"),
    ("ace", "ACE cannot serve mini-batches"),
])
def test_samplers_that_ask_for_more_are_refused_before_the_first_step(name: str, message: str) -> None:
    data, config = ring(), LinkConfig(**SOME)
    sampler = link_sampler(parse(name), data, config.k, config.size)
    before = {key: value.clone() for key, value in sampler.state_dict().items()}
    with pytest.raises(ValueError, match=message) as caught:
        train(data, sampler, config)
    assert "leave num_neighbors at None" in str(caught.value) and "\n" not in str(caught.value)
    assert all(torch.equal(before[key], value) for key, value in sampler.state_dict().items())
    with pytest.raises(ValueError, match="takes every node"):
        train(data, Filtered(All(data.graph), data.graph), config)


class Fresh(Sampler):
    """Uniform draws; it counts the steps it saw, and in the third asks for the vectors of all nodes."""

    steps: Tensor

    def __init__(self, inner: Sampler, num_nodes: int) -> None:
        super().__init__()
        self.inner, self.num_nodes = inner, num_nodes
        self.register_buffer("steps", torch.tensor(0))

    def sample(self, query: Query) -> Negatives:
        drawn: Negatives = self.inner(query)
        return drawn

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        self.steps.add_(1)
        if int(self.steps) == 3:
            query.require_model().embed(torch.arange(self.num_nodes))


def test_the_rehearsal_leaves_the_sampler_as_it_was_and_later_asks_are_refused_too() -> None:
    data = ring()
    sampler = Fresh(Uniform(data.graph), data.num_nodes)
    assert train(data, sampler, LinkConfig(**{**SOME, "epochs": 0})).losses == [] and int(sampler.steps) == 0
    with pytest.raises(ValueError, match="that are embedded"):
        train(data, sampler, LinkConfig(**SOME))
    assert int(sampler.steps) == 3


def test_a_step_embeds_its_seeds_and_reads_as_many_neighbours_as_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    data, config = ring(), LinkConfig(encoder="sage", decoder="ncn", **{**SOME, "num_neighbors": (1, 2)})
    model, read = LinkModel.seeded(data, config), []

    def watched(features: Tensor, adjacency: list[Any], nodes: Tensor) -> Tensor:
        read.append((features, adjacency, nodes))
        return model(features, adjacency, nodes)

    graph = message_graph(data, data.graph)
    done = batch_step(watched, model, data, graph, torch.arange(4), Uniform(data.graph), config, Stream(0))
    features, (wide, narrow), nodes = read[0]
    assert done.query is not None and done.negatives is not None and data.x is not None
    table = done.query.model.table  # type: ignore[union-attr]
    assert isinstance(table, Table) and table.nodes is not None and isinstance(model.decoder, CommonNeighborMLP)
    anchor, positive, ids = done.query.anchor, done.query.positive, done.negatives.ids
    pairs = [(u, v) for u, v in zip(anchor.tolist(), positive.tolist(), strict=True)]
    pairs += [(u, v) for u, row in zip(anchor.tolist(), ids.tolist(), strict=True) for v in row]
    near = [set(data.graph.neighbors(node).tolist()) for node in range(data.num_nodes)]
    seeds = {node for pair in pairs for node in pair} | {node for u, v in pairs for node in near[u] & near[v]}
    assert table.nodes.tolist() == sorted(seeds) and len(seeds) < data.num_nodes
    assert torch.equal(nodes[: len(seeds)], table.nodes) and torch.equal(features, data.x[nodes])
    assert narrow.shape[0] == len(seeds) and wide.shape == (narrow.shape[1], len(nodes))
    for matrix, most in ((narrow, 1), (wide, 2)):
        dense = matrix if isinstance(matrix, Tensor) else matrix.to_dense()
        place = dense.nonzero()
        assert int(torch.bincount(place[:, 0]).max()) <= most
        assert bool(graph.has_edge(nodes[place[:, 1]], nodes[place[:, 0]]).all())


@pytest.mark.parametrize("masked", [True, False])
def test_positives_of_the_batch_are_no_messages_of_it(masked: bool) -> None:
    """With one layer, an end's vector reads the other's features along their own edge alone."""
    data, config = ring(), LinkConfig(encoder="sage", decoder="dot", num_layers=1, mask_targets=masked,
                                      **{**SOME, "num_neighbors": (-1,)})
    model, rows = LinkModel.seeded(data, config), torch.arange(0, data.train.shape[1], 7)
    assert isinstance(data.x, Tensor)
    x = data.x.clone().requires_grad_()
    made = []

    def watched(features: Tensor, adjacency: Any, nodes: Tensor) -> Tensor:
        made.append((model(x[nodes], adjacency, nodes), nodes))
        return made[-1][0]

    batch_step(watched, model, data, message_graph(data, data.graph), rows, Uniform(data.graph), config, Stream(0))
    vectors, nodes = made[0]
    for pair in data.train[:, rows].T:
        for one, other in (pair.tolist(), pair.flip(0).tolist()):
            read = torch.autograd.grad(vectors[int((nodes == one).nonzero())].sum(), x, retain_graph=True)[0]
            assert bool(read[one].any()) and bool(read[other].any()) != masked


def test_the_same_seed_the_same_run_and_torchs_generator_left_alone() -> None:
    config = LinkConfig(dropout=0.3, mask_targets=True, **SOME)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = train(ring(), Hardest(Uniform(ring().graph), pool=8), config)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    second = train(ring(), Hardest(Uniform(ring().graph), pool=8), config)
    assert first.losses == second.losses and torch.equal(first.embeddings, second.embeddings)
    assert train(ring(), Hardest(Uniform(ring().graph), pool=8), config.replace(seed=1)).losses != first.losses


def test_any_number_of_threads_draws_the_same() -> None:
    """Products are torch's, and may round otherwise; what is drawn is the same to the bit."""
    data = load_links("digits")
    config = LinkConfig(encoder="sage", mask_targets=True, **{**SOME, "k": 8})
    model, graph = LinkModel.seeded(data, config), message_graph(data, data.graph)
    found: list[list[Tensor]] = []

    def watched(features: Tensor, adjacency: list[Sparse], nodes: Tensor) -> Tensor:
        parts = [part for each in adjacency for part in (each.matrix.col_indices(), each.matrix.values())]
        found.append([nodes, features, *parts])
        return model(features, adjacency, nodes)

    threads = torch.get_num_threads()
    try:
        for number in (1, 2, 4):
            torch.set_num_threads(number)
            done = batch_step(watched, model, data, graph, torch.arange(2000), Uniform(data.graph), config, Stream(3))
            assert done.negatives is not None
            found[-1].append(done.negatives.ids)
    finally:
        torch.set_num_threads(threads)
    for others in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found[0], others, strict=True))


@pytest.mark.parametrize("name", ["hardest", "moco", "kbgan"])
def test_a_run_that_was_cut_off_ends_as_a_whole_one(name: str, tmp_path: Path) -> None:
    config = LinkConfig(dropout=0.3, **{**SOME, "epochs": 6})

    def sampler() -> Sampler:
        return link_sampler(parse(name), ring(), config.k, config.size)

    whole = train(ring(), sampler(), config)

    class Cut(Exception):
        pass

    def cut(done: int, of: int, loss: float) -> None:
        if done == 4:
            raise Cut

    with pytest.raises(Cut):
        train(ring(), sampler(), config, folder=tmp_path, progress=cut, checkpoint_every=3)
    rest = train(ring(), sampler(), config, folder=tmp_path)
    assert rest.losses == whole.losses and torch.equal(rest.embeddings, whole.embeddings)
    assert rest.validation == whole.validation and rest.test.as_dict() == whole.test.as_dict()
    with pytest.raises(ValueError, match="the checkpoint of another run"):
        train(ring(), sampler(), config.replace(num_neighbors=(3, 3)), folder=tmp_path)


def test_it_learns_the_digits_graph() -> None:
    data = load_links("digits")
    config = LinkConfig.preset("digits", encoder="sage", num_neighbors=[5, 3], batch_size=1024, epochs=6,
                               hidden_size=16, size=16, mask_targets=True)
    untrained = evaluate(LinkModel.seeded(data, config), data, "test")
    result = train(data, None, config)
    assert result.test.auc > untrained.auc + 0.05 and result.test.auc > 0.9
    assert result.losses[-1] < 0.8 * result.losses[0]


@pytest.mark.parametrize(("options", "message"), [
    ({"num_neighbors": (10,)}, r"a number for each layer of the encoder, got \[10\] and num_layers=2"),
    ({"num_neighbors": (10, 0)}, "num_neighbors must be a number above 0"),
    ({"num_neighbors": ()}, "num_neighbors must be"), ({"num_neighbors": "10,5"}, "num_neighbors must be"),
    ({"num_neighbors": (True, 5)}, "num_neighbors must be"),
    ({"num_neighbors": (10, 5), "batch_size": None}, "needs batch_size"),
])
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinkConfig(**options)


def test_settings_round_trip() -> None:
    config = LinkConfig(num_neighbors=(15, 10))
    assert LinkConfig.from_dict(config.to_dict()) == config and config.to_dict()["num_neighbors"] == [15, 10]
    assert LinkConfig(encoder="mlp", num_neighbors=(4,)).num_neighbors == (4,), "no layer reads a neighbour"
