"""CCA-SSG: its loss against the formula, its encoders, training, resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.data import load
from graphns.data.node import NodeData
from graphns.metrics.probe import linear_probe
from graphns.pipelines.cca_ssg import CcaSsg, train
from graphns.pipelines.cca_ssg_config import PRESETS, CcaSsgConfig
from graphns.pipelines.methods import find
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.pipelines.runs import check_cut_off_run, check_seeds, dense_of, gradients, propagation, tiny

SMALL = CcaSsgConfig(hidden_size=8, epochs=7, learning_rate=0.01, drop_edge=(0.3, 0.5), drop_feature=(0.2, 0.1))


def ready(data: NodeData, config: CcaSsgConfig = SMALL) -> CcaSsg:
    """A model whose biases are not those of the start."""
    model = CcaSsg.seeded(data, config)
    generator = torch.Generator().manual_seed(1)
    for layer in model.encoder.layers[:-1]:
        torch.nn.init.normal_(layer.bias, generator=generator)  # type: ignore[arg-type]
    assert model.encoder.layers[-1].bias is None  # standardising would take it away again
    return model


def by_formula(model: CcaSsg, data: NodeData, views: Any, weight: float) -> Tensor:
    """The paper's loss, dense: embed, standardise, invariance and decorrelation by loops over the columns."""
    standard = []
    for view in views:
        adjacency, hidden = view.adjacency.matrix.to_dense(), data.x * view.keep
        for number, layer in enumerate(model.encoder.layers):
            hidden = adjacency @ (hidden @ layer.weight)
            if number + 1 < len(model.encoder.layers):
                hidden = (hidden + layer.bias).clamp(min=0)
        centred = hidden - hidden.mean(0)
        standard.append(centred / (centred.square().mean(0).sqrt() * len(hidden) ** 0.5))
    loss = sum((one - other).square().sum() for one, other in zip(*standard, strict=True))
    width = standard[0].shape[1]
    for z in standard:
        loss = loss + weight * sum(((z[:, a] * z[:, b]).sum() - float(a == b)) ** 2
                                   for a in range(width) for b in range(width))
    assert isinstance(loss, Tensor)
    return loss


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_equals_the_formula(num_layers: int) -> None:
    data, config = tiny(), SMALL.replace(num_layers=num_layers, weight=0.02)
    model = ready(data, config)
    views = model.views(data, Stream(3))
    found, wanted = model.step(data, views, None, Stream(0)).loss, by_formula(model, data, views, 0.02)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    weights = [layer.weight for layer in model.encoder.layers]
    for ours, theirs in zip(gradients(found, weights), gradients(wanted, weights), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_sparse_and_dense_features_agree() -> None:
    data = tiny(sparse=True)
    model = ready(data)
    views = model.views(data, Stream(3))
    ours, theirs = (model.step(each, views, None, Stream(0)).loss for each in (data, dense_of(data)))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(model.embed(data), model.embed(dense_of(data)))


def test_views_are_dropped_and_embeddings_are_not() -> None:
    """Both rates in both views; what a probe reads is the whole graph's."""
    data = tiny(200)
    model = ready(data)
    first, second = model.views(data, Stream(3))
    edges = data.edge_index.shape[1]
    for view, rate in ((first, 0.3), (second, 0.5)):
        left = int(view.adjacency.matrix.values().numel()) - 200  # less the loops
        assert left == pytest.approx((1 - rate) * edges, rel=0.2)
    assert not torch.equal(first.keep, second.keep)
    again = model.views(data, Stream(3))
    assert torch.equal(again[0].keep, first.keep)
    assert torch.equal(again[1].adjacency.matrix.to_dense(), second.adjacency.matrix.to_dense())
    one, other = model.encoder.layers
    adjacency = propagation(data)
    hidden = (adjacency @ (data.x @ one.weight) + one.bias).clamp(min=0)  # type: ignore[operator]
    wanted = adjacency @ (hidden @ other.weight)  # type: ignore[operator]
    torch.testing.assert_close(model.embed(data), wanted.detach())
    assert ready(data, SMALL.replace(drop_edge=(0.0, 0.0))).views(data, Stream(3))[0].adjacency is data.adjacency


def test_a_perceptron_sees_no_edge() -> None:
    data = tiny()
    config = SMALL.replace(encoder="mlp", drop_edge=(0.0, 0.0))
    alone = NodeData("alone", data.x, data.edge_index[:, :0], data.y)
    first, second = train(data, None, config), train(alone, None, config)
    assert torch.equal(first.embeddings, second.embeddings)
    assert not torch.equal(train(data, None, SMALL).embeddings, train(alone, None, SMALL).embeddings)


def test_draws_no_negatives() -> None:
    data = tiny()
    with pytest.raises(ValueError, match="CCA-SSG draws no negatives: give it no sampler"):
        train(data, Uniform(data.graph), SMALL)  # type: ignore[arg-type]
    result = train(data, None, SMALL)
    assert result.num_drawn == 0 and set(result.sample_seconds) == {0.0}
    assert find("cca_ssg") is CcaSsg


def test_learns_columns_that_do_not_repeat() -> None:
    data = load("digits")
    config = CcaSsgConfig.preset("digits", hidden_size=16, epochs=60, weight=0.2, learning_rate=0.01)
    result = train(data, None, config)
    assert result.losses[-1] < 0.8 * result.losses[0]
    before = CcaSsg.seeded(data, config).embed(data)
    repeated = [torch.corrcoef(each.T).square().sum().item() for each in (before, result.embeddings)]
    assert repeated[1] < 0.8 * repeated[0]


def test_seeds() -> None:
    check_seeds(CcaSsg, tiny(), SMALL)


@pytest.mark.parametrize("encoder", ["gcn", "mlp"])
def test_a_run_cut_off_ends_with_the_same_bits(tmp_path: Path, encoder: str) -> None:
    check_cut_off_run(CcaSsg, tiny(), SMALL.replace(encoder=encoder), tmp_path)


def test_mixed_precision_is_near_full() -> None:
    data = tiny()
    full, mixed = (train(data, None, SMALL, precision=each) for each in ("32-true", "bf16-mixed"))
    assert mixed.embeddings.dtype == torch.float32
    assert mixed.losses == pytest.approx(full.losses, rel=0.05) and mixed.losses != full.losses


def test_settings() -> None:
    cora = CcaSsgConfig.preset("cora")
    assert (cora.hidden_size, cora.num_layers, cora.learning_rate, cora.weight_decay) == (512, 2, 1e-3, 0.0)
    assert CcaSsgConfig.preset("CiteSeer").num_layers == 1 and CcaSsgConfig.preset("CS").encoder == "mlp"
    assert all(CcaSsgConfig.from_dict(CcaSsgConfig.preset(name, seed=2).to_dict()).seed == 2 for name in PRESETS)
    for change, message in (({"weight": 0.0}, r"weight must be above 0, got 0\.0"),
                            ({"encoder": "sage"}, "no encoder is called 'sage'; there are: gcn, mlp"),
                            ({"num_layers": 0}, "num_layers must be at least 1, got 0"),
                            ({"drop_edge": (0.1, 1.0)}, "drop_edge must be two rates")):
        with pytest.raises(ValueError, match=message):
            CcaSsgConfig.from_dict(change)


def test_digits_by_preset() -> None:
    data = load("digits")
    assert linear_probe(train(data, None, CcaSsgConfig.preset("digits", epochs=10)).embeddings, data) > 0.8
