"""GRACE with other objectives: dense formulas in float64, shared and own ids, limits, correction, gradients."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.base import Negatives, Query, Sampler
from graphns.data.node import NodeData
from graphns.objectives import row_blocks
from graphns.pipelines.grace import Grace, every_node, make_views, train
from graphns.pipelines.grace_config import GraceConfig
from graphns.pipelines.two_views_loss import direction_loss, two_view_loss
from graphns.samplers.adversarial.adversarial import Adversarial
from graphns.samplers.compose.all import All
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.efficient.in_batch import InBatch
from graphns.samplers.efficient.shared import Shared
from graphns.samplers.static.degree import Degree
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.pipelines.test_grace import SMALL, WholeRows, tiny

N = 20


def projections() -> tuple[Tensor, Tensor]:
    first, second = (F.normalize(torch.randn(N, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)),
                                 dim=1).requires_grad_() for seed in (0, 1))
    return first, second


def nodes(num: int = N) -> NodeData:
    return tiny(num)


def draw(kind: str, num: int = N) -> tuple[Sampler, Query, Negatives]:
    graph = nodes(num).graph
    anchor = torch.arange(num)
    query = Query(anchor, anchor, 5, stream=Stream(3))
    sampler: Sampler = {"all": All, "shared": Shared, "own": Uniform}[kind].from_graph(graph)  # type: ignore[attr-defined]
    return sampler, query, sampler(query)


def dense(u: Tensor, v: Tensor, query: Query, negatives: Negatives, config: GraceConfig,
          log_prob: Tensor | None = None) -> float:
    """HCL's formula, an anchor at a time, in plain numbers: beta = 0 for DCL, with tau_plus = 0 for InfoNCE."""
    beta = config.sharpness if config.objective == "hcl" else 0.0
    share = 0.0 if config.objective == "infonce" else config.tau_plus
    tau, losses = config.temperature, []
    ids = negatives.ids.expand(len(query.anchor), -1)
    for b, i in enumerate(query.anchor.tolist()):
        at = [j for j in range(ids.shape[1]) if negatives.mask[b, j]]
        if not at:
            losses.append(0.0)
            continue
        positive = math.exp(float(u[i] @ v[i]) / tau)
        terms = [math.exp(float(u[i] @ table[ids[b, j]]) / tau) for table in (v, u) for j in at]
        inverse = [1.0 if log_prob is None else math.exp(-float(log_prob.expand_as(ids)[b, j])) for j in at] * 2
        count = len(terms)
        weight = [each**beta * q for each, q in zip(terms, inverse, strict=True)]
        summed = sum(w * each for w, each in zip(weight, terms, strict=True)) / (sum(weight) / count)
        negative = max((summed - count * share * positive) / (1 - share), count * math.exp(-1 / tau))
        if config.objective == "infonce":
            negative = summed
        losses.append(-math.log(positive / (positive + negative)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("kind", ["all", "shared", "own"])
@pytest.mark.parametrize("objective", ["infonce", "dcl", "hcl"])
@pytest.mark.parametrize("tau_plus", [0.0, 0.05, 0.5])  # at 0.5 the lower bound holds some rows
def test_the_loss_is_the_dense_formula(kind: str, objective: str, tau_plus: float) -> None:
    u, v = projections()
    sampler, query, negatives = draw(kind)
    config = GraceConfig(objective=objective, tau_plus=tau_plus, sharpness=1.5, temperature=0.5)
    for one, other in ((u, v), (v, u)):
        loss = direction_loss(one, other, sampler, query, negatives, config)
        assert loss.item() == pytest.approx(dense(one.detach(), other.detach(), query, negatives, config), rel=1e-9)


@pytest.mark.parametrize("objective", ["dcl", "hcl"])
def test_corrected_the_slots_count_by_their_inverse_density(objective: str) -> None:
    u, v = projections()
    graph = nodes().graph
    query = Query(torch.arange(N), torch.arange(N), 5, stream=Stream(1))
    config = GraceConfig(objective=objective, corrected=True, temperature=0.5)
    for sampler in (Degree(graph, exclude="self"), Shared.from_graph(graph, exclude="self")):
        negatives = sampler(query)
        loss = direction_loss(u, v, sampler, query, negatives, config)
        wanted = dense(u.detach(), v.detach(), query, negatives, config, negatives.log_prob)
        assert loss.item() == pytest.approx(wanted, rel=1e-5)  # log_prob is float32
        plain = dense(u.detach(), v.detach(), query, negatives, config)
        assert isinstance(sampler, Shared) or abs(wanted - plain) > 1e-3


@pytest.mark.parametrize("kind", ["all", "own"])
def test_gradients_by_finite_differences(kind: str) -> None:
    sampler, query, negatives = draw(kind, 6)
    u, v = (each[:6].detach().requires_grad_() for each in projections())
    for objective in ("dcl", "hcl"):
        config = GraceConfig(objective=objective, tau_plus=0.05, temperature=0.7)
        assert torch.autograd.gradcheck(
            lambda a, b, config=config: direction_loss(0.9 * F.normalize(a, dim=1), F.normalize(b, dim=1), sampler,
                                                       query, negatives, config), (u, v))


@pytest.mark.parametrize("kind", ["all", "shared", "own"])
def test_limits(kind: str) -> None:
    """hcl of sharpness 0 is dcl; dcl of tau_plus 0 is plain GRACE; with their gradients, at every kind of ids."""
    u, v = projections()
    sampler, query, negatives = draw(kind)

    def of(**settings: object) -> tuple[Tensor, ...]:
        config = GraceConfig(temperature=0.5).replace(**settings)
        loss = direction_loss(u, v, sampler, query, negatives, config)
        return (loss, *torch.autograd.grad(loss, (u, v)))

    for one, other in ((of(objective="hcl", sharpness=0.0), of(objective="dcl")),
                       (of(objective="dcl", tau_plus=0.0), of()),
                       (of(objective="hcl", sharpness=0.0, tau_plus=0.0), of())):
        for ours, theirs in zip(one, other, strict=True):
            torch.testing.assert_close(ours, theirs)
    assert not torch.allclose(of(objective="hcl")[0], of(objective="dcl")[0])


@pytest.mark.parametrize("objective", ["dcl", "hcl"])
def test_all_shared_is_all_row_by_row(objective: str) -> None:
    u, v = projections()
    config = GraceConfig(objective=objective)
    losses = []
    for sampler in (All(nodes().graph, exclude="self"), WholeRows(N)):
        query = Query(torch.arange(N), torch.arange(N), 1)
        loss = direction_loss(u, v, sampler, query, sampler(query), config)
        losses.append((loss, *torch.autograd.grad(loss, (u, v))))
    for ours, theirs in zip(*losses, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_all_nodes_are_scored_a_block_of_anchors_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(row_blocks._HELD, "cpu", 1)
    num, seen = 200, []
    u, v = (F.normalize(torch.randn(num, 3), dim=1).requires_grad_() for _ in range(2))
    sampler = All(nodes(num).graph, exclude="self")
    query = Query(torch.arange(num), torch.arange(num), 1)

    def objective(positive: Tensor, negative: Tensor, mask: Tensor, log_prob: Tensor | None) -> Tensor:
        assert mask.shape == negative.shape == (len(positive), 2 * num) and log_prob is None
        seen.append(len(positive))
        return negative.logsumexp(1).mean()

    two_view_loss(objective, u, v, sampler, query, None).backward()
    assert seen == [64, 64, 64, 8] and u.grad is not None and v.grad is not None


@pytest.mark.parametrize("exclude", ["self", "neighbors"])
@pytest.mark.parametrize("corrected", [False, True])
def test_every_candidate_need_not_be_listed(exclude: str, corrected: bool) -> None:
    """The same loss and gradients as of the list; of a few anchors too."""
    u, v = projections()
    sampler = All.from_graph(nodes().graph, exclude=exclude)
    for anchor in (torch.arange(N), torch.tensor([3, 8, 11])):
        query = Query(anchor, anchor, 1)
        for objective in ("infonce", "dcl", "hcl"):
            config = GraceConfig(objective=objective, corrected=corrected, temperature=0.5)
            losses = [direction_loss(u, v, sampler, query, each, config) for each in (None, sampler(query))]
            torch.testing.assert_close(*losses, rtol=1e-6, atol=1e-9)  # the listed correction is in float32
            for ours, theirs in zip(*(torch.autograd.grad(each, (u, v)) for each in losses), strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("exclude", ["self", "neighbors"])
@pytest.mark.parametrize("objective", ["infonce", "dcl", "hcl"])
def test_a_step_over_all_nodes_makes_no_mask_of_all(objective: str, exclude: str,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    data, seen = nodes(200), []
    config = SMALL.replace(objective=objective, exclude=exclude)
    sample = All.sample

    def watched(self: All, query: Query) -> Negatives:
        seen.append(query.batch_size)
        return sample(self, query)

    monkeypatch.setattr(All, "sample", watched)
    monkeypatch.setitem(row_blocks._HELD, "cpu", 1)
    model = Grace.seeded(data, config)
    for batch in (None, 70):
        model.config = config.replace(batch_size=batch)
        done = model.step(data, make_views(data, config, Stream(0)), every_node(data, config), Stream(0))
        assert done.negatives is None and done.query is not None
        assert done.num_drawn == int(sample(every_node(data, config), done.query).mask.sum())  # type: ignore[arg-type]
    assert seen == ([] if objective == "infonce" else [64, 64, 64, 8] * 2 + [64, 6] * 2)


def test_one_anchor_alone() -> None:
    """Its ids [1, k] read as shared."""
    u, v = projections()
    negatives = Negatives(torch.tensor([[0, 3]]), None, torch.ones(1, 2, dtype=torch.bool))
    query = Query(torch.tensor([2]), torch.tensor([2]), k=2)
    config = GraceConfig(objective="hcl")
    loss = direction_loss(u, v, All(nodes().graph), query, negatives, config)
    assert loss.item() == pytest.approx(dense(u.detach(), v.detach(), query, negatives, config))


SAMPLERS = {
    "static": lambda graph: Degree.from_graph(graph, exclude="self"),
    "dynamic": lambda graph: Hardest(Uniform(graph, exclude="self"), pool=8),
    "adversarial": lambda graph: Adversarial.from_graph(graph, exclude="self"),
    "efficient": lambda graph: InBatch(graph, exclude="self"),
    "shared": lambda graph: Shared.from_graph(graph, exclude="self"),
    "all": lambda graph: All(graph, exclude="self"),
}


@pytest.mark.parametrize("objective", ["dcl", "hcl"])
@pytest.mark.parametrize("family", SAMPLERS)
def test_grace_trains_with_every_family(objective: str, family: str) -> None:
    data = tiny()
    config = SMALL.replace(objective=objective, epochs=20, batch_size=20 if family == "efficient" else None, k=5)
    if family == "efficient":
        config = config.replace(k=20)
    result = train(data, SAMPLERS[family](data.graph), config)
    assert len(result.losses) == 20 and sum(result.losses[-5:]) < sum(result.losses[:5])


def test_grace_of_tau_plus_nil_is_plain_grace() -> None:
    data = tiny()
    model, views = Grace.seeded(data, SMALL), make_views(data, SMALL, Stream(0))
    plain = model.step(data, views, every_node(data, SMALL), Stream(0)).loss
    model.config = SMALL.replace(objective="dcl", tau_plus=0.0)
    same = model.step(data, views, every_node(data, SMALL), Stream(0)).loss
    torch.testing.assert_close(same, plain)


def test_a_correction_needs_a_density() -> None:
    data = tiny()
    config = SMALL.replace(corrected=True, objective="hcl")
    with pytest.raises(ValueError, match="Adversarial has density 'given-pool'; a correction needs 'marginal'"):
        train(data, Adversarial.from_graph(data.graph, exclude="self"), config)


@pytest.mark.parametrize(("change", "message"), [
    ({"objective": "bce"}, "no objective of GRACE is called 'bce'; there are: infonce, dcl, hcl"),
    ({"tau_plus": 1.0}, r"tau_plus is a share in \[0, 1\), got 1\.0"),
    ({"sharpness": -1.0}, r"sharpness must be at least 0, got -1\.0"),
    ({"sharpness": math.nan}, "sharpness must be at least 0, got nan"),
])
def test_refusals(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GraceConfig.from_dict(change)
