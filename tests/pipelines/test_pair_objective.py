"""Objectives by name: word2vec's against a loop, and what a correction fills."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from graphns.base import Query
from graphns.graph.graph import Graph
from graphns.objectives.bce import binary_cross_entropy
from graphns.objectives.infonce import infonce
from graphns.pipelines import pair_objective
from graphns.pipelines.pair_objective import corrections, find_objective, pair_loss, sgns
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.static.degree import Degree
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream


def scores() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    positive, negative = torch.randn(6, generator=generator), torch.randn(6, 4, generator=generator)
    return positive, negative, torch.rand(6, 4, generator=generator) < 0.7


def test_sgns_is_a_sum_over_the_usable_negatives() -> None:
    positive, negative, mask = scores()
    terms = [logsigmoid(positive[b]) + sum(logsigmoid(-negative[b, j]) for j in range(4) if mask[b, j])
             for b in range(6)]
    torch.testing.assert_close(sgns(positive, negative, mask), -torch.stack(terms).mean())
    spoiled = negative.masked_fill(~mask, torch.nan).requires_grad_()
    (gradient,) = torch.autograd.grad(sgns(positive, spoiled, mask), spoiled)
    assert bool(torch.isfinite(gradient).all()) and not bool(gradient[~mask].any())


def test_sgns_is_k_times_the_second_half_of_bce() -> None:
    positive, negative, _ = scores()
    every = torch.ones(6, 4, dtype=torch.bool)
    first = -logsigmoid(positive).mean()
    for log_prob in (None, torch.linspace(-3, -1, 24).view(6, 4)):
        second = binary_cross_entropy(positive, negative, every, log_prob=log_prob) - first
        torch.testing.assert_close(sgns(positive, negative, every, log_prob=log_prob), first + 4 * second)


def test_nothing_usable_leaves_the_positives() -> None:
    positive, negative, mask = scores()
    torch.testing.assert_close(sgns(positive, negative, torch.zeros_like(mask)), -logsigmoid(positive).mean())


def plain(positive_score: Tensor, negative_score: Tensor, mask: Tensor) -> Tensor:
    """An objective of someone else, which knows no correction."""
    return (negative_score[mask].mean() - positive_score.mean()).exp()


def test_corrections(monkeypatch: pytest.MonkeyPatch) -> None:
    assert corrections("sgns", False) == () and corrections("sgns", True) == ("log_prob",)
    assert corrections("infonce", True) == ("log_prob", "positive_log_prob")
    assert corrections("sampled-softmax", False)  # cannot do without
    monkeypatch.setattr(pair_objective, "load", lambda name, kind: plain)
    assert corrections("plain", False) == ()
    with pytest.raises(ValueError, match="the objective 'plain' cannot be corrected: leave corrected=False"):
        corrections("plain", True)


def test_a_corrected_loss_is_told_the_density() -> None:
    positive, negative, _ = scores()
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 2, 3, 3], [1, 2, 3, 0, 4]]), 9)
    sampler = Degree(graph, exclude="self")
    query = Query(torch.tensor([0, 1, 2, 3, 4, 5]), torch.tensor([1, 2, 3, 0, 3, 0]), 4, stream=Stream(0))
    negatives = sampler(query)
    found = pair_loss("infonce", positive, negative, sampler, query, negatives, corrected=True)
    own = sampler.log_prob(query, query.positive[:, None])[:, 0]
    assert torch.equal(found, infonce(positive, negative, negatives.mask, log_prob=negatives.log_prob,
                                      positive_log_prob=own))
    assert not torch.equal(found, pair_loss("infonce", positive, negative, sampler, query, negatives))
    with pytest.raises(ValueError, match="Hardest has density 'none'; a correction needs 'marginal'"):
        hardest = Hardest(Uniform(graph), pool=4)
        pair_loss("sgns", positive, negative, hardest, query, negatives, corrected=True)


@pytest.mark.parametrize(("name", "message"), [
    ("bec", "no objective is called 'bec'; did you mean 'bce'"),
    ("warp", "the objective 'warp' needs num_candidates: choose another"),
    ("barlow-twins", "pairs are trained with one of positive_score, negative_score and mask"),
])
def test_refusals(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_objective(name)
