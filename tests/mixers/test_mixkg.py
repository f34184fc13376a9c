"""MixKG: which candidates are hard by which criterion, and the mixtures of pairs."""

from __future__ import annotations

import pytest
import torch

from graphns.mixers.mixkg import MixKG
from graphns.streams import Stream

CANDIDATES = torch.tensor([[[5.0, 0.0], [4.0, 0.0], [0.0, 5.0], [0.0, 4.0], [1.0, 1.0]]])
QUERY, TRUE = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])


@pytest.mark.parametrize(("criterion", "axis"), [("score", 0), ("positive", 1)])
def test_the_criterion_chooses(criterion, axis):
    made = MixKG(k=200, hardest=2, criterion=criterion)(QUERY, TRUE, CANDIDATES, stream=Stream(0))[0]
    assert bool((made[:, 1 - axis] == 0).all())
    assert bool((made[:, axis] > 4).all()) and bool((made[:, axis] < 5).all())


def test_the_measure_chooses():
    query, candidates = torch.tensor([[1.0, 0.0]]), torch.tensor([[[9.0, 9.0], [1.1, 0.2], [0.1, 0.0]]])
    hardest = {"dot": [9.0, 9.0], "distance": [1.1, 0.2], "cosine": [0.1, 0.0]}
    for measure, expected in hardest.items():  # one hardest is mixed with itself
        made = MixKG(hardest=1, measure=measure)(query, query, candidates, stream=Stream(0))
        torch.testing.assert_close(made[0, 0], torch.tensor(expected))


def test_coefficients_are_uniform_and_pairs_all_drawn():
    candidates = torch.eye(3)[None]
    made = MixKG(k=6000, hardest=3)(torch.ones(1, 3), torch.ones(1, 3), candidates, stream=Stream(0))[0]
    torch.testing.assert_close(made.sum(1), torch.ones(6000))
    part = made > 0
    assert bool((part.sum(1) == 2).all())  # always two different ones
    for pair in ([True, True, False], [True, False, True], [False, True, True]):
        at = (part == torch.tensor(pair)).all(1)
        assert int(at.sum()) == pytest.approx(2000, abs=150)
        share = made[at][:, pair.index(True)]
        assert share.mean().item() == pytest.approx(0.5, abs=0.02)
        assert share.var().item() == pytest.approx(1 / 12, abs=0.005)


def test_the_gradient_reaches_what_was_mixed_alone():
    candidates = CANDIDATES.clone().requires_grad_()
    query = QUERY.clone().requires_grad_()
    MixKG(k=1, hardest=2)(query, TRUE, candidates, stream=Stream(0)).sum().backward()
    assert candidates.grad is not None and query.grad is None
    torch.testing.assert_close(candidates.grad[0].sum(0), torch.ones(2))
    assert bool((candidates.grad[0, :2] > 0).all()) and bool((candidates.grad[0, 2:] == 0).all())


def test_refuses():
    with pytest.raises(ValueError, match="criterion must be 'score' or 'positive', got 'best'"):
        MixKG(criterion="best")
    with pytest.raises(ValueError, match="measure must be 'dot', 'cosine' or 'distance', got 'l1'"):
        MixKG(measure="l1")
