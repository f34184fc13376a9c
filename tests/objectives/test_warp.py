"""WARP: tries, ranks and weights against a plain loop that searches as the paper does."""

from __future__ import annotations

import math

import pytest
import torch

from graphns import Graph, Query, Stream
from graphns.objectives.warp import warp, warp_weight
from graphns.samplers.dynamic.warp import WARP
from tests.objectives.cases import make


def loop(positive, negative, mask, n, margin, form):
    total = 0.0
    for b in range(len(positive)):
        tries = 0
        for j in range(mask.shape[1]):
            if not mask[b, j]:
                continue
            tries += 1
            gap = margin - positive[b].item() + negative[b, j].item()
            if gap > 0:
                rank = (n - 1) // tries
                weight = math.log(max(1, rank)) if form == "log" else sum(1 / i for i in range(1, rank + 1))
                total += weight * gap
                break
    return total / len(positive)


@pytest.mark.parametrize("form", ["log", "harmonic"])
@pytest.mark.parametrize("n", [2, 5, 1000])
@pytest.mark.parametrize("margin", [0.1, 1.0])
def test_equals_a_search(n, margin, form):
    positive, negative, mask, _ = make(batch=30, k=10)
    got = warp(2 * positive, negative, mask, num_candidates=n, margin=margin, form=form)
    assert got.item() == pytest.approx(loop(2 * positive, negative, mask, n, margin, form), rel=1e-12)


def test_the_weight_is_that_of_the_rank_estimate():
    tries = torch.tensor([1, 2, 3, 4, 9, 10, 99])
    ranks = [9, 4, 3, 2, 1, 0, 0]  # floor((10 - 1) / tries)
    assert warp_weight(tries, 10).tolist() == pytest.approx([math.log(max(1, r)) for r in ranks])
    harmonic = [sum(1 / i for i in range(1, r + 1)) for r in ranks]
    assert warp_weight(tries, 10, "harmonic").tolist() == pytest.approx(harmonic, abs=1e-12)


def test_the_harmonic_sum_of_a_large_rank():
    assert warp_weight(torch.tensor([1]), 10**6 + 1, "harmonic").item() == pytest.approx(
        sum(1 / i for i in range(1, 10**6 + 1)), rel=1e-12)


def test_candidates_may_differ_by_row():
    tries = torch.tensor([1, 1])
    assert warp_weight(tries, torch.tensor([3, 9])).exp().tolist() == pytest.approx([2, 8])


def test_tries_of_an_earlier_search():
    """The first slot was found at the fifth draw: rank floor(20 / 5) = 4."""
    mask = torch.ones(1, 2, dtype=torch.bool)
    got = warp(torch.tensor([0.5]), torch.tensor([[0.0, 9.0]]), mask, num_candidates=21, tries=torch.tensor([5]))
    assert got.item() == pytest.approx(0.5 * math.log(4))


class Larger:
    def score(self, anchor: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return ids.expand(len(anchor), -1).float()


def test_a_search_that_found_nothing_has_no_loss():
    """Row 1 asks for more than the best candidate: masked, with 0 tries."""
    query = Query(torch.tensor([0, 0]), torch.tensor([90, 99]), k=1, model=Larger(), stream=Stream(0))
    negatives, tries = WARP.from_graph(Graph.empty(100), tries=30, margin=1.0).search(query)
    assert negatives.mask[:, 0].tolist() == [True, False] and tries[1] == 0
    positive, negative = query.positive.float(), negatives.ids.float()
    got = warp(positive, negative, negatives.mask, num_candidates=99, tries=tries[:, 0])
    rank = 98 // int(tries[0])
    assert got.item() == pytest.approx(math.log(rank) * (1 - 90 + negative[0].item()) / 2, rel=1e-6)
    with pytest.raises(ValueError, match="at least 1, got a smallest of 0"):  # of a row with a negative it is wrong
        warp(positive, negative, negatives.mask, num_candidates=99, tries=torch.tensor([0, 1]))


def test_only_the_first_violation_has_a_gradient():
    positive = torch.tensor([1.0], requires_grad=True)
    negative = torch.tensor([[-0.5, 0.5, 5.0]], requires_grad=True)
    warp(positive, negative, torch.ones(1, 3, dtype=torch.bool), num_candidates=7).backward()
    assert positive.grad is not None and negative.grad is not None
    assert positive.grad.item() == pytest.approx(-math.log(3))
    assert negative.grad.tolist() == [[0.0, pytest.approx(math.log(3)), 0.0]]


def test_on_the_margin_is_no_violation():
    mask = torch.ones(1, 1, dtype=torch.bool)
    assert warp(torch.tensor([1.0]), torch.tensor([[0.0]]), mask, num_candidates=9).item() == 0


def test_refuses():
    positive, negative, mask, _ = make()
    with pytest.raises(ValueError, match="margin must be above 0, got 0"):
        warp(positive, negative, mask, num_candidates=5, margin=0)
    with pytest.raises(ValueError, match="form must be 'log' or 'harmonic', got 'linear'"):
        warp(positive, negative, mask, num_candidates=5, form="linear")
    with pytest.raises(ValueError, match="must be at least 1, got a smallest of 1 and 0"):
        warp(positive, negative, mask, num_candidates=0)
    with pytest.raises(ValueError, match="must be at least 1, got a smallest of 0 and 5"):
        warp_weight(torch.tensor([0]), 5)
    with pytest.raises(ValueError, match=r"tries must be one number per row \(4,\), got \(3,\)"):
        warp(positive, negative, mask, num_candidates=5, tries=torch.ones(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="num_candidates must be one number per row"):
        warp(positive, negative, mask, num_candidates=torch.ones(4, 1))
