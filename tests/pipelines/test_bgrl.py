"""BGRL: its loss against the formula, the target that follows, the schedules, training, resuming."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.data import load
from graphns.data.node import NodeData
from graphns.encoders.convolution import Convolutions
from graphns.metrics.probe import linear_probe
from graphns.pipelines.bgrl import Bgrl, learning_rate, train
from graphns.pipelines.bgrl_config import PRESETS, BgrlConfig
from graphns.pipelines.checkpoint import read
from graphns.pipelines.drop_views import View
from graphns.pipelines.methods import find
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.pipelines.runs import Cut, check_cut_off_run, check_seeds, cut_after, dense_of, gradients, tiny

SMALL = BgrlConfig(hidden_size=6, inner_size=8, predictor_size=5, epochs=7, warmup=2, learning_rate=0.01)


def by_formula(model: Bgrl, data: NodeData, views: tuple[View, View]) -> Tensor:
    """The paper's loss, dense and node by node."""
    def embed(encoder: Convolutions, view: View) -> Tensor:
        adjacency, hidden = view.adjacency.matrix.to_dense(), data.x * view.keep
        for layer, after in zip(encoder.layers, encoder.after, strict=True):
            hidden = adjacency @ hidden @ layer.weight  # no bias: the norm would take it away
            norm, activation = after
            hidden = (hidden - hidden.mean(0)) / (hidden.var(0, unbiased=False) + 1e-5).sqrt()
            hidden = hidden * norm.weight + norm.bias
            hidden = torch.where(hidden > 0, hidden, activation.weight * hidden)
        return hidden

    inner, slope, outer = model.predictor
    loss = torch.tensor(2.0)
    for one, other in (views, views[::-1]):
        hidden = F.linear(embed(model.online, one), inner.weight, inner.bias)
        predicted = F.linear(torch.where(hidden > 0, hidden, slope.weight * hidden), outer.weight, outer.bias)
        target = embed(model.target, other).detach()
        for p, t in zip(predicted, target, strict=True):
            loss = loss - (p @ t) / (p.norm() * t.norm()) / data.num_nodes
    return loss


def online_parameters(model: Bgrl) -> list[torch.nn.Parameter]:
    return [*model.online.parameters(), *model.predictor.parameters()]


def test_equals_the_formula() -> None:
    data = tiny()
    model = Bgrl.seeded(data, SMALL)
    views = model.views(data, Stream(3))
    found, wanted = model.step(data, views, None, Stream(0)).loss, by_formula(model, data, views)
    assert found.item() == pytest.approx(wanted.item(), abs=1e-5)
    parameters = online_parameters(model)
    for ours, theirs in zip(gradients(found, parameters), gradients(wanted, parameters), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_sparse_and_dense_features_agree() -> None:
    data = tiny(sparse=True)
    model = Bgrl.seeded(data, SMALL)
    views = model.views(data, Stream(3))
    ours, theirs = (model.step(each, views, None, Stream(0)).loss for each in (data, dense_of(data)))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(model.embed(data), model.embed(dense_of(data)))


def test_the_target_follows_and_learns_nothing_itself() -> None:
    data = tiny()
    model = Bgrl.seeded(data, SMALL)
    assert not any(each.requires_grad for each in model.target.parameters())
    assert all(each.requires_grad for each in online_parameters(model))
    pairs = list(zip(model.target.parameters(), model.online.parameters(), strict=True))
    assert any(not torch.equal(target, online) for target, online in pairs)  # begins with weights of its own
    before = [target.clone() for target, _ in pairs]
    model.after_update(3)  # of 7: a momentum between 0.99 and 1
    momentum = 1 - 0.01 * (1 + math.cos(math.pi * 3 / 7)) / 2
    for old, (target, online) in zip(before, pairs, strict=True):
        torch.testing.assert_close(target, momentum * old + (1 - momentum) * online)


def test_every_step_moves_the_target_by_the_epochs_momentum() -> None:
    """A run by hand, with an optimiser made here."""
    data = tiny()
    config = SMALL.replace(momentum=0.5)
    result = train(data, None, config)
    assert isinstance(result.model, Bgrl)
    model = Bgrl.seeded(data, config)
    target = copy.deepcopy(model.target)
    optimizer = torch.optim.AdamW(online_parameters(model), lr=1.0, weight_decay=1e-5)
    for epoch in range(config.epochs):
        optimizer.param_groups[0]["lr"] = learning_rate(config, epoch)
        optimizer.zero_grad()
        model.step(data, model.views(data, Stream(0, epoch).child(0)), None, Stream(0, epoch)).loss.backward()
        optimizer.step()
        share = 0.5 * (1 + math.cos(math.pi * epoch / config.epochs)) / 2
        with torch.no_grad():
            for mine, online in zip(target.parameters(), model.online.parameters(), strict=True):
                mine += share * (online - mine)
            model.target.load_state_dict(target.state_dict())
    torch.testing.assert_close(result.embeddings, model.embed(data))
    for ours, theirs in zip(result.model.target.parameters(), target.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_learning_rate_rises_and_falls() -> None:
    config = BgrlConfig(learning_rate=0.1, warmup=4, epochs=12)
    rates = [learning_rate(config, epoch) for epoch in range(12)]
    assert rates[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    assert rates[8] == pytest.approx(0.05)
    assert all(one > other > 0 for one, other in pairwise(rates[4:]))
    assert learning_rate(config.replace(warmup=0), 0) == 0.1
    assert learning_rate(config.replace(warmup=20), 11) == pytest.approx(0.06)  # a run shorter than its warm-up


def test_draws_no_negatives() -> None:
    data = tiny()
    with pytest.raises(ValueError, match="BGRL draws no negatives: give it no sampler"):
        train(data, Uniform(data.graph), SMALL)  # type: ignore[arg-type]
    assert train(data, None, SMALL).num_drawn == 0
    assert find("BGRL") is Bgrl


def test_seeds() -> None:
    check_seeds(Bgrl, tiny(), SMALL)


def test_a_run_cut_off_ends_with_the_same_bits(tmp_path: Path) -> None:
    check_cut_off_run(Bgrl, tiny(), SMALL, tmp_path)


def test_a_checkpoint_holds_the_target(tmp_path: Path) -> None:
    data = tiny()
    with pytest.raises(Cut):
        train(data, None, SMALL, folder=tmp_path, checkpoint_every=2, progress=cut_after(4))
    state = read(tmp_path / "checkpoint.pt")["state"]["model"]
    model = Bgrl.seeded(data, SMALL)
    names = {f"target.{name}" for name in model.target.state_dict()}
    assert names and names <= set(state)
    assert any(not torch.equal(state[name], model.state_dict()[name]) for name in names)


def test_mixed_precision_is_near_full() -> None:
    data = tiny()
    full, mixed = (train(data, None, SMALL, precision=each) for each in ("32-true", "bf16-mixed"))
    assert mixed.embeddings.dtype == torch.float32
    assert mixed.losses == pytest.approx(full.losses, rel=0.05) and mixed.losses != full.losses


def test_settings() -> None:
    assert all(BgrlConfig.from_dict(BgrlConfig.preset(name, seed=2).to_dict()).seed == 2 for name in PRESETS)
    for change, message in (({"momentum": 1.5}, r"momentum must be in \[0, 1\], got 1\.5"),
                            ({"warmup": -1}, "warmup must be at least 0, got -1"),
                            ({"inner_size": 0}, "inner_size must be at least 1, got 0"),
                            ({"drop_feature": 0.1}, "drop_feature must be two rates")):
        with pytest.raises(ValueError, match=message):
            BgrlConfig.from_dict(change)


def test_digits_by_preset() -> None:
    """It learns, and does not collapse to a point."""
    data = load("digits")
    result = train(data, None, BgrlConfig.preset("digits", epochs=40))
    assert result.losses[-1] < 0.4 * result.losses[0]
    unit = F.normalize(result.embeddings, dim=1)
    assert unit.mean(0).norm() < 0.9
    assert linear_probe(result.embeddings, data) > 0.8
