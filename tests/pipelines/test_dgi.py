"""DGI: its loss against PyG's and against the formula, what samplers see, training, resuming."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.data import load
from graphns.data.node import NodeData
from graphns.metrics.probe import linear_probe
from graphns.pipelines import dgi
from graphns.pipelines.dgi import Dgi, train
from graphns.pipelines.dgi_config import PRESETS, DgiConfig
from graphns.pipelines.methods import find
from graphns.registry import load as sampler_class
from graphns.samplers.adversarial.adversarial import Adversarial
from graphns.samplers.static.shuffle import Shuffle
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.pipelines.runs import check_cut_off_run, check_seeds, dense_of, gradients, propagation, tiny

SMALL = DgiConfig(hidden_size=8, epochs=7, learning_rate=0.01)


class Given(Sampler):
    """Gives the ids and the mask that a test wrote down."""

    density: Density = "none"

    def __init__(self, ids: Tensor, mask: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("ids", ids)
        self.register_buffer("mask", torch.ones_like(ids, dtype=torch.bool) if mask is None else mask)

    def sample(self, query: Query) -> Negatives:
        """The ids."""
        return Negatives(self.ids, None, self.mask)  # type: ignore[arg-type]


def ready(data: NodeData, config: DgiConfig = SMALL) -> Dgi:
    """A model whose bias and slope are not those of the start."""
    model = Dgi.seeded(data, config)
    torch.nn.init.normal_(model.convolution.bias, generator=torch.Generator().manual_seed(1))
    torch.nn.init.constant_(model.activation.weight, 0.4)
    return model


def by_formula(model: Dgi, data: NodeData, ids: Tensor, mask: Tensor) -> Tensor:
    """The paper's loss, dense and in the order of the paper: corrupt X, embed, discriminate; the mean of each half."""
    adjacency, weight, bias, slope = (propagation(data), model.convolution.weight, model.convolution.bias,
                                      model.activation.weight)

    def embed(x: Tensor) -> Tensor:
        hidden = adjacency @ x @ weight + bias
        return torch.where(hidden > 0, hidden, slope * hidden)

    true = embed(data.x)
    summary = torch.sigmoid(true.mean(0))
    positive = torch.stack([each @ model.relation @ summary for each in true])
    loss = -torch.log(torch.sigmoid(positive)).mean()
    terms = []
    for slot in range(ids.shape[1]):
        x = torch.stack([data.x[ids[i, slot] if mask[i, slot] else i] for i in range(data.num_nodes)])
        terms += [-torch.log(1 - torch.sigmoid(each @ model.relation @ summary))
                  for each, usable in zip(embed(x), mask[:, slot], strict=True) if usable]
    return loss + torch.stack(terms).mean() if terms else loss


@pytest.mark.parametrize("sparse", [False, True])
def test_equals_pyg(sparse: bool) -> None:
    """Loss and gradients of `torch_geometric.nn.DeepGraphInfomax` with the same weights and the same shuffle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.nn import DeepGraphInfomax, GCNConv

    data = tiny(sparse=sparse)
    model = ready(data)
    query = Query(torch.arange(30), torch.arange(30), 1, stream=Stream(4))
    ids = Shuffle(data.graph, exclude="self")(query).ids

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = GCNConv(data.num_features, 8)
            self.act = torch.nn.PReLU()

        def forward(self, x: Tensor, edge_index: Tensor) -> Any:
            return self.act(self.conv(x, edge_index))

    theirs = DeepGraphInfomax(8, Encoder(), lambda z, *_: z.mean(0).sigmoid(), lambda x, e: (x[ids[:, 0]], e))
    theirs.encoder.conv.lin.weight.data = model.convolution.weight.data.T.clone()
    theirs.encoder.conv.bias.data = model.convolution.bias.data.clone()
    theirs.encoder.act.weight.data = model.activation.weight.data.clone()
    theirs.weight.data = model.relation.data.clone()
    wanted = theirs.loss(*theirs(data.x, data.edge_index))
    done = model.step(data, None, Given(ids), Stream(0))
    assert done.loss.item() == pytest.approx(wanted.item(), abs=1e-5)
    convolution = theirs.encoder.conv
    wanted_gradients = gradients(wanted, [convolution.lin.weight, convolution.bias, theirs.encoder.act.weight,
                                          theirs.weight])
    wanted_gradients[0] = wanted_gradients[0].T
    found = gradients(done.loss, [model.convolution.weight, model.convolution.bias, model.activation.weight,
                                  model.relation])
    for ours, their in zip(found, wanted_gradients, strict=True):
        torch.testing.assert_close(ours, their, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("masked", ["nothing", "some", "everything"])
@pytest.mark.parametrize("k", [1, 3])
def test_equals_the_formula(k: int, masked: str) -> None:
    """With rows that come twice, k corrupted graphs, and nodes for which nothing was drawn."""
    data = tiny()
    model, generator = ready(data), torch.Generator().manual_seed(k)
    ids = torch.randint(30, (30, k), generator=generator)
    share = {"nothing": 0.0, "some": 0.3, "everything": 1.1}[masked]
    mask = torch.rand(30, k, generator=generator) >= share
    wanted = by_formula(model, data, ids, mask)
    model.config = SMALL.replace(k=k)
    found = model.step(data, None, Given(ids, mask), Stream(0)).loss
    assert found.item() == pytest.approx(wanted.item(), abs=1e-5)
    for ours, theirs in zip(gradients(found, model.parameters()), gradients(wanted, model.parameters()), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_one_replacement_for_all_nodes() -> None:
    """Shared ids [1, 1]: every node of the corrupted graph is the same."""
    data = tiny()
    model, mask = ready(data), torch.ones(30, 1, dtype=torch.bool)
    wanted = by_formula(model, data, torch.full((30, 1), 7), mask)
    found = model.step(data, None, Given(torch.tensor([[7]]), mask), Stream(0)).loss
    assert found.item() == pytest.approx(wanted.item(), abs=1e-5)


def test_sparse_and_dense_features_agree() -> None:
    data = tiny(sparse=True)
    model, sampler = ready(data), Uniform(data.graph, exclude="self")
    ours, theirs = (model.step(each, None, sampler, Stream(0)).loss for each in (data, dense_of(data)))
    torch.testing.assert_close(ours, theirs)
    for one, other in zip(gradients(ours, model.parameters()), gradients(theirs, model.parameters()), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(model.embed(data), model.embed(dense_of(data)))


# what samplers see


def test_a_score_is_of_the_patch_with_one_node_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Node by node: x_j in the place of x_i, the graph embedded anew, and the summary as it was."""
    data = tiny(12)
    model = ready(data)
    done = model.step(data, None, Uniform(data.graph), Stream(0))
    assert done.query is not None
    seen = done.query.require_model()
    summary = torch.sigmoid(model.embed(data).mean(0))
    wanted = torch.empty(12, 12)
    for i in range(12):
        for j in range(12):
            x = data.x.clone()
            x[i] = data.x[j]
            patch = model.embed(NodeData("changed", x, data.edge_index, data.y))[i]
            wanted[i, j] = patch @ model.relation.detach() @ summary
    nodes = torch.arange(12)
    with torch.no_grad():
        torch.testing.assert_close(seen.score(nodes, nodes[None]), wanted)
        torch.testing.assert_close(seen.score(nodes, nodes.repeat(12, 1)), wanted)
        torch.testing.assert_close(seen.score_vectors(nodes, seen.embed(nodes)[None]), wanted)
        monkeypatch.setattr(dgi, "_BLOCK", 200)  # parts of two anchors
        torch.testing.assert_close(seen.score(nodes, nodes.repeat(12, 1)), wanted)
        torch.testing.assert_close(seen.score_vectors(nodes, seen.embed(nodes.repeat(12, 1))), wanted)
        assert seen.score(nodes[:0], nodes[None]).shape == (0, 12)
        assert seen.score_vectors(nodes[:0], seen.embed(nodes)[None]).shape == (0, 12)
    assert torch.equal(seen.embed(nodes), data.x @ model.convolution.weight.detach())
    assert seen.embed(nodes, layers=True).shape == (12, 1, 8)


def test_an_adversary_gets_the_scores_and_its_gradient_is_its_own() -> None:
    """The reward is the discriminator's score of a corrupted patch; neither loss moves the other's weights."""
    data = tiny()
    model, sampler = ready(data), Adversarial.from_graph(data.graph, exclude="self")
    done = model.step(data, None, sampler, Stream(0))
    assert done.negatives is not None and done.feedback is not None and done.feedback.negative_score is not None
    ids = done.negatives.ids
    x = data.x[ids[:, 0]]
    patches = model.embed(NodeData("corrupted", x, data.edge_index, data.y))
    direction = model.relation.detach() @ torch.sigmoid(model.embed(data).mean(0))
    torch.testing.assert_close(done.feedback.negative_score[:, 0], patches @ direction)
    torch.testing.assert_close(done.feedback.positive_score, model.embed(data) @ direction)
    own, models = list(sampler.parameters()), list(model.parameters())
    adversary = sampler.loss(done.negatives, done.feedback, done.query)
    assert all(each is None for each in torch.autograd.grad(done.loss, own, retain_graph=True, allow_unused=True))
    assert all(each is None for each in torch.autograd.grad(adversary, models, retain_graph=True, allow_unused=True))
    assert done.negatives.log_prob is not None
    # REINFORCE by hand, the baseline still 0
    by_hand = -(done.negatives.log_prob[:, 0] * done.feedback.negative_score[:, 0]).mean()
    for name, table in (("anchor", sampler.anchor_table), ("candidate", sampler.candidate_table)):
        found, wanted = gradients(adversary, [table])[0], gradients(by_hand, [table])[0]
        torch.testing.assert_close(found, wanted, msg=name)
        assert bool(found.any())


def test_an_adversary_learns_in_the_same_run() -> None:
    data = tiny()
    sampler = Adversarial.from_graph(data.graph, exclude="self")
    before = sampler.candidate_table.detach().clone()
    train(data, sampler, SMALL)
    assert not torch.equal(sampler.candidate_table, before) and int(sampler.num_observed) == SMALL.epochs


SERVING = ["uniform", "degree", "hop-ring", "random-walk", "hardest", "tempered", "nearest", "mcns", "srns", "ance",
           "gdcl", "aobpr", "adversarial", "irgan", "graphgan", "in-batch", "shared", "nscaching", "clustered"]


@pytest.mark.parametrize("name", SERVING)
def test_samplers_of_every_family_serve(name: str) -> None:
    data = tiny()
    result = train(data, sampler_class(name).from_graph(data.graph), SMALL.replace(epochs=3))
    assert len(result.losses) == 3 and 0 < result.num_drawn <= 90
    assert result.embeddings.shape == (30, 8) and bool(result.embeddings.isfinite().all())


def test_hard_negatives_score_higher() -> None:
    data = tiny()
    model = train(data, None, SMALL.replace(epochs=20)).model
    scores = []
    for name in ("uniform", "hardest"):
        sampler = sampler_class(name).from_graph(data.graph, exclude="self")
        query = model.step(data, None, sampler, Stream(0)).query
        assert query is not None
        scores.append(query.score(sampler(query).ids).mean())
    assert scores[1] > scores[0]


@pytest.mark.parametrize(("name", "message"), [
    ("global-edges", "GlobalEdges gives negatives that are no nodes of their anchor; DGI needs ids of nodes"),
    ("all", "All gives 30 negatives a node, and each is a graph to embed; DGI needs k=1"),
])
def test_samplers_that_cannot_serve_are_refused(name: str, message: str) -> None:
    data = tiny()
    with pytest.raises(ValueError, match=message):
        train(data, sampler_class(name).from_graph(data.graph), SMALL)


# training


def test_the_default_is_the_published_shuffle() -> None:
    data = tiny()
    default, told = train(data, None, SMALL), train(data, Shuffle(data.graph, exclude="self"), SMALL)
    assert torch.equal(default.embeddings, told.embeddings)
    assert default.num_drawn == 30 * SMALL.epochs
    assert find("dgi") is Dgi


def test_stops_at_the_lowest_loss() -> None:
    data = tiny()
    result = train(data, None, SMALL.replace(epochs=400, patience=5))
    assert 6 < len(result.losses) < 400
    assert min(result.losses) == result.losses[result.epoch - 1] and len(result.losses) == result.epoch + 5
    assert torch.equal(result.embeddings, result.model.embed(data))


def test_seeds() -> None:
    check_seeds(Dgi, tiny(), SMALL)


@pytest.mark.parametrize("kind", ["shuffle", "uniform", "adversarial"])
def test_a_run_cut_off_ends_with_the_same_bits(tmp_path: Path, kind: str) -> None:
    data = tiny()
    made: dict[str, Callable[[], Sampler | None]] = {
        "shuffle": lambda: None,
        "uniform": lambda: Uniform(data.graph, exclude="self"),
        "adversarial": lambda: Adversarial.from_graph(data.graph, exclude="self"),
    }
    check_cut_off_run(Dgi, data, SMALL, tmp_path, made[kind])


def test_mixed_precision_is_near_full() -> None:
    data = tiny()
    full, mixed = (train(data, None, SMALL, precision=each) for each in ("32-true", "bf16-mixed"))
    assert mixed.embeddings.dtype == torch.float32
    assert mixed.losses == pytest.approx(full.losses, rel=0.02) and mixed.losses != full.losses


def test_settings() -> None:
    config = DgiConfig.preset("cora")
    assert (config.hidden_size, config.learning_rate, config.weight_decay, config.patience) == (512, 1e-3, 0.0, 20)
    assert all(DgiConfig.from_dict(DgiConfig.preset(name, k=2).to_dict()).k == 2 for name in PRESETS)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        DgiConfig(k=0)
    with pytest.raises(ValueError, match="DGI has no setting 'temperature'"):
        DgiConfig.from_dict({"temperature": 1.0})


def test_digits_by_preset() -> None:
    data = load("digits")
    result = train(data, None, DgiConfig.preset("digits", epochs=10))
    assert result.losses[-1] < 0.9 * result.losses[0]
    assert linear_probe(result.embeddings, data) > 0.8


@pytest.mark.data
def test_cora_begins_at_chance(data_root: Path) -> None:
    """Scores begin near 0, where each half of the loss is log 2; the features of Cora are sparse."""
    result = train(load("Cora", root=data_root), None, DgiConfig.preset("Cora", epochs=1))
    assert result.losses[0] == pytest.approx(2 * F.softplus(torch.tensor(0.0)).item(), abs=0.01)
