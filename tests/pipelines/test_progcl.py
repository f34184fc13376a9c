"""ProGCL: GRACE before the fit, the fit itself, both losses by plain loops, resuming, and any family of samplers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.base import Negatives, Query
from graphns.mixers.progcl_mix import ProGCLMix
from graphns.objectives.beta_mixture import BetaMixture, fit_beta_mixture
from graphns.pipelines import progcl as module
from graphns.pipelines.grace import Grace, every_node, make_views
from graphns.pipelines.grace import train as train_grace
from graphns.pipelines.method import VIEWS
from graphns.pipelines.progcl import ProGCL, ProGCLConfig, mixed_loss, train
from graphns.samplers.compose.all import All
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.pipelines.test_grace import SMALL as GRACE
from tests.pipelines.test_grace import Cut, WholeRows, cut_after, tiny
from tests.pipelines.test_two_views_loss import SAMPLERS, N, draw, projections

SMALL = ProGCLConfig(**{**GRACE.to_dict(), "epochs": 6, "start_epoch": 3, "columns": 10, "mixed": 7, "hardest": 4})
MIXTURE = BetaMixture(-1.0, 1.0, alpha=(2.0, 6.0), beta=(5.0, 2.0), weight=(0.8, 0.2))


def model_with(mixture: BetaMixture, **settings: object) -> ProGCL:
    model = ProGCL.seeded(tiny(N), SMALL.replace(temperature=0.5, **settings))
    model.numbers.copy_(torch.tensor([mixture.low, mixture.high, *mixture.alpha, *mixture.beta, *mixture.weight]))
    return model


# before the fit, and the fit


@pytest.mark.parametrize("variant", ["weight", "mix"])
def test_it_is_grace_until_the_fit(variant: str) -> None:
    data = tiny()
    for sampler in (None, Uniform(data.graph)):
        result = train(data, sampler, SMALL.replace(variant=variant))
        plain = train_grace(data, sampler, GRACE.replace(epochs=6))
        # the fourth loss is that of the same weights under other weights of the negatives
        assert result.losses[:3] == plain.losses[:3] and result.losses[3] != plain.losses[3]
    assert result.model.mixture is not None  # type: ignore[union-attr]


def test_a_run_that_ends_before_the_fit_is_grace() -> None:
    data = tiny()
    result, plain = train(data, None, SMALL.replace(epochs=3)), train_grace(data, None, GRACE.replace(epochs=3))
    assert torch.equal(result.embeddings, plain.embeddings)
    assert result.model.mixture is None  # type: ignore[union-attr]


def test_the_fit_is_that_of_the_similarities_between_views() -> None:
    data = tiny()
    model = ProGCL.seeded(data, SMALL)
    assert model.mixture is None
    views = make_views(data, SMALL, Stream(0))
    state = torch.get_rng_state()
    model.fit_mixture(data, views, Stream(9))
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        u, v = (model(data.features, view.adjacency, view.keep) for view in views)
    columns = Stream(9).words(torch.arange(30), 1)[:, 0].argsort()[:10].tolist()
    similarity = torch.stack([u[i] @ v[j] for i in range(30) for j in columns if i != j])
    wanted = fit_beta_mixture(similarity, share=0.05, iterations=10)
    found = model.mixture
    assert found is not None
    for ours, theirs in zip((found.low, found.high, *found.alpha, *found.beta, *found.weight),
                            (wanted.low, wanted.high, *wanted.alpha, *wanted.beta, *wanted.weight), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3)


def test_it_is_fitted_once_from_the_views_of_its_epoch() -> None:
    data = tiny()
    found = []
    for epochs in (4, 6):
        result = train(data, Uniform(data.graph), SMALL.replace(epochs=epochs))
        found.append(result.model.mixture)  # type: ignore[union-attr]
    assert found[0] == found[1] is not None
    model = ProGCL.seeded(data, SMALL)
    list(model.steps(data, Uniform(data.graph), Stream(0, 2), 2))
    assert model.mixture is None
    list(model.steps(data, Uniform(data.graph), Stream(0, 3), 3))
    first = model.mixture
    model.fit_mixture(data, model.views(data, Stream(0, 3).child(VIEWS)), Stream(0, 3).child(module._FIT))
    assert model.mixture == first
    list(model.steps(data, Uniform(data.graph), Stream(0, 4), 4))
    assert model.mixture == first


def test_the_mixture_is_kept_to_the_last_bit() -> None:
    """It is part of the state, in full precision."""
    data = tiny()
    result = train(data, None, SMALL)
    other = ProGCL.seeded(data, SMALL)
    other.load_state_dict(result.model.state_dict())
    assert other.mixture == result.model.mixture  # type: ignore[union-attr]
    assert other.numbers.dtype == torch.float64


# the losses


def slots_of(negatives: Negatives, b: int) -> list[int]:
    ids = negatives.ids.expand(len(negatives.mask), -1)
    return [int(ids[b, slot]) for slot in range(ids.shape[1]) if negatives.mask[b, slot]]


@pytest.mark.parametrize("kind", ["all", "shared", "own"])
def test_weighted_negatives_by_a_loop(kind: str) -> None:
    u, v = (each.detach() for each in projections())
    sampler, query, negatives = draw(kind)
    losses = []
    for b, i in enumerate(query.anchor.tolist()):
        ids = slots_of(negatives, b)
        scores = [float(u[i] @ table[j]) for table in (v, u) for j in ids]
        true = [float(MIXTURE.true_negative(torch.tensor(each, dtype=torch.float64))) for each in scores]
        raw = [p * (each + 1) / 2 for p, each in zip(true, scores, strict=True)]
        total = sum(w * len(raw) / sum(raw) * math.exp(each / 0.5) for w, each in zip(raw, scores, strict=True))
        positive = math.exp(float(u[i] @ v[i]) / 0.5)
        losses.append(math.log((positive + total) / positive) if ids else 0.0)
    loss = model_with(MIXTURE).direction(u, v, sampler, query, negatives, Stream(0))
    assert loss.item() == pytest.approx(sum(losses) / len(losses), rel=1e-6)


def mixed_plainly(mixer: ProGCLMix, u: Tensor, v: Tensor, query: Query, negatives: Negatives, stream: Stream) -> Tensor:
    """An anchor at a time, with its mixed vectors among the negatives; differentiable."""
    losses = []
    for b, i in enumerate(query.anchor.tolist()):
        ids = slots_of(negatives, b)
        if not ids:
            losses.append(u.sum() * 0)
            continue
        shared = negatives.ids[0] if len(negatives.ids) == 1 else negatives.ids[b]
        vectors = mixer(u[i][None], v[i][None], v[shared][None], mask=negatives.mask[b][None], stream=stream,
                        row=query.row[b][None])[0]
        logits = torch.cat([v[ids] @ u[i], u[ids] @ u[i], vectors @ u[i]]) / 0.5
        losses.append(torch.cat([logits, (u[i] @ v[i])[None] / 0.5]).logsumexp(0) - u[i] @ v[i] / 0.5)
    return torch.stack(losses).mean()


@pytest.mark.parametrize("kind", ["all", "shared", "own"])
@pytest.mark.parametrize("held", [1, 1 << 22])  # an anchor at a time, and all at once
def test_mixed_negatives_by_a_loop(kind: str, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With gradients; and no matter how the anchors are cut into blocks."""
    monkeypatch.setattr(module, "_MIXED", held)
    u, v = projections()
    sampler, query, negatives = draw(kind)
    mixer = ProGCLMix(MIXTURE, k=7, hardest=4)
    loss = mixed_loss(mixer, u, v, sampler, query, negatives, Stream(5), temperature=0.5)
    plain = mixed_plainly(mixer, u, v, query, negatives, Stream(5))
    torch.testing.assert_close(loss, plain)
    for ours, theirs in zip(torch.autograd.grad(loss, (u, v)), torch.autograd.grad(plain, (u, v)), strict=True):
        torch.testing.assert_close(ours, theirs)
    same = model_with(MIXTURE, variant="mix").direction(u, v, sampler, query, negatives, Stream(5))
    torch.testing.assert_close(same, loss)
    assert mixed_loss(mixer, u, v, sampler, query, negatives, Stream(6), temperature=0.5) != loss


def test_all_shared_is_all_row_by_row() -> None:
    u, v = projections()
    query = Query(torch.arange(N), torch.arange(N), 1)
    for variant in ("weight", "mix"):
        model = model_with(MIXTURE, variant=variant, hardest=N)
        losses = [model.direction(u, v, sampler, query, sampler(query), Stream(0))
                  for sampler in (All(tiny(N).graph, exclude="self"), WholeRows(N))]
        if variant == "weight":
            torch.testing.assert_close(*losses)
        else:  # the hardest are the same; ties of rank aside, so are the pairs of ranks
            torch.testing.assert_close(*losses, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("variant", ["weight", "mix"])
@pytest.mark.parametrize("exclude", ["self", "neighbors"])
def test_every_candidate_need_not_be_listed(variant: str, exclude: str) -> None:
    u, v = projections()
    sampler = All.from_graph(tiny(N).graph, exclude=exclude)
    model = model_with(MIXTURE, variant=variant)
    for anchor in (torch.arange(N), torch.tensor([3, 8, 11])):
        query = Query(anchor, anchor, 1, row=anchor)
        losses = [model.direction(u, v, sampler, query, each, Stream(2)) for each in (None, sampler(query))]
        torch.testing.assert_close(*losses)
        for ours, theirs in zip(*(torch.autograd.grad(each, (u, v)) for each in losses), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_the_two_directions_mix_apart() -> None:
    """Equal views: what differs between the directions is the stream alone."""
    u = projections()[0].detach()
    data = tiny(N)
    model = model_with(MIXTURE, variant="mix")
    model.forward = lambda *_: F.normalize(u, dim=1)  # type: ignore[method-assign]
    seen: list[Stream] = []
    inner = model.direction

    def direction(*given: object) -> Tensor:
        seen.append(given[-1])  # type: ignore[arg-type]
        return inner(*given)  # type: ignore[arg-type]

    model.direction = direction  # type: ignore[method-assign, assignment]
    model.step(data, make_views(data, SMALL, Stream(0)), Uniform(data.graph), Stream(0))
    assert len(seen) == 2 and seen[0].key != seen[1].key


# training


def plain_loss(model: ProGCL) -> float:
    """GRACE's over all nodes, the same views whatever the model: what the weighted loss stands in for."""
    data, grace = tiny(), Grace.seeded(tiny(), GRACE)
    grace.load_state_dict({name: value for name, value in model.state_dict().items() if name != "numbers"})
    with torch.no_grad():
        losses = [grace.step(data, make_views(data, GRACE, Stream(seed)), every_node(data, GRACE), Stream(0)).loss
                  for seed in range(10)]
    return float(torch.stack(losses).mean())


@pytest.mark.parametrize("variant", ["weight", "mix"])
@pytest.mark.parametrize("family", SAMPLERS)
def test_learns_with_every_family(variant: str, family: str) -> None:
    """Its own loss changes with the weights, so another tells."""
    data = tiny()
    config = SMALL.replace(variant=variant, epochs=30, k=20 if family == "efficient" else 5,
                           batch_size=20 if family == "efficient" else None)
    before = plain_loss(ProGCL.seeded(data, config))
    result = train(data, SAMPLERS[family](data.graph), config)
    assert isinstance(result.model, ProGCL) and len(result.losses) == 30
    assert plain_loss(result.model) < before - 0.005


@pytest.mark.parametrize("variant", ["weight", "mix"])
@pytest.mark.parametrize("cut", [3, 5])  # the checkpoint before it is of epoch 2, before the fit, or of 4
@pytest.mark.parametrize("every", [False, True])
def test_a_run_cut_off_ends_with_the_same_bits(tmp_path: Path, variant: str, cut: int, every: bool) -> None:
    data, config = tiny(), SMALL.replace(variant=variant)
    sampler = None if every else Uniform(data.graph)
    whole = train(data, sampler, config)
    with pytest.raises(Cut):
        train(data, sampler, config, folder=tmp_path, checkpoint_every=2, progress=cut_after(cut))
    epochs: list[int] = []
    resumed = train(data, sampler, config, folder=tmp_path, progress=lambda done, *_: epochs.append(done))
    assert epochs == list(range(cut, 7))
    assert torch.equal(resumed.embeddings, whole.embeddings) and resumed.losses == whole.losses
    longer = train(data, sampler, config.replace(epochs=8), folder=tmp_path)
    assert torch.equal(longer.embeddings, train(data, sampler, config.replace(epochs=8)).embeddings)


@pytest.mark.parametrize(("change", "message"), [
    ({"variant": "max"}, "no variant of ProGCL is called 'max'; there are: weight, mix"),
    ({"start_epoch": -1}, "start_epoch must be at least 0, got -1"),
    ({"share": 1.0}, r"share must be in \(0, 1\), got 1\.0"),
    ({"columns": 0}, "columns must be at least 1, got 0"),
    ({"mixed": 0}, "mixed must be at least 1, got 0"),
    ({"objective": "hcl"}, "ProGCL weighs negatives its own way, got objective='hcl' and corrected=False"),
    ({"corrected": True}, "ProGCL weighs negatives its own way, got objective='infonce' and corrected=True"),
    ({"patience": 5}, "patience=5: the loss changes at start_epoch, so losses before and after cannot be compared"),
    ({"beta": 1}, "ProGCL has no setting 'beta'; there are: hidden_size"),
])
def test_refusals(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProGCLConfig.from_dict(change)


def test_settings_round_trip_and_presets() -> None:
    config = ProGCLConfig.preset("CiteSeer", variant="mix")
    assert (config.epochs, config.start_epoch, config.temperature) == (800, 400, 0.9)
    assert ProGCLConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert ProGCLConfig.preset("PubMed").epochs == 1500 and ProGCLConfig.preset("digits").start_epoch == 30
