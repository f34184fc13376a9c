"""What mixers of hard candidates share."""

from __future__ import annotations

import pytest
import torch

from graphns.mixers.hardest import best_slots, coefficients, draw_pairs, similarity, take
from graphns.streams import Stream


@pytest.mark.parametrize("measure", ["dot", "cosine", "distance"])
@pytest.mark.parametrize("shared", [False, True])
def test_similarity_equals_a_loop(measure: str, shared: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    anchor = torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    candidates = torch.randn(1 if shared else 3, 5, 4, dtype=torch.float64, generator=generator)
    got = similarity(anchor, candidates, measure)  # type: ignore[arg-type]
    assert not got.requires_grad
    for b in range(3):
        for j in range(5):
            u, v = anchor[b].detach(), candidates[0 if shared else b, j]
            expected = {"dot": u @ v, "cosine": u @ v / u.norm() / v.norm(), "distance": -(u - v).norm()}[measure]
            torch.testing.assert_close(got[b, j], expected)


def test_best_slots_are_usable_first_and_in_order() -> None:
    scores = torch.tensor([[0.1, 9.0, 0.5, 0.3], [1.0, torch.nan, 2.0, 3.0]])
    mask = torch.tensor([[True, False, True, True], [False, False, True, False]])
    slots, count = best_slots(scores, mask, 2)
    assert slots[0].tolist() == [2, 3] and slots[1, 0].item() == 2 and count.tolist() == [2, 1]
    assert best_slots(scores, mask, 10)[0].shape == (2, 4)


def test_pairs_are_uniform_over_different_ranks() -> None:
    count = torch.full((20_000,), 4)
    first, second = draw_pairs(count, 3, Stream(0), torch.arange(20_000))
    assert bool((first != second).all())
    counts = torch.bincount((first * 4 + second).flatten(), minlength=16).double()
    expected = torch.tensor([0.0 if a == b else 60_000 / 12 for a in range(4) for b in range(4)])
    chi = ((counts - expected).square() / expected.clamp(min=1)).sum().item()
    assert chi < 31.3  # the 0.1 % point for 11 degrees of freedom


def test_few_ranks() -> None:
    first, second = draw_pairs(torch.tensor([0, 1, 2]), 50, Stream(0), torch.arange(3))
    assert set(first[0].tolist() + second[0].tolist()) == {0} == set(first[1].tolist() + second[1].tolist())
    assert set(first[2].tolist()) == {0, 1} and bool((first[2] + second[2] == 1).all())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_coefficients_are_inside(dtype: torch.dtype) -> None:
    drawn = coefficients(Stream(0), torch.arange(1000), 50, dtype)
    assert drawn.dtype == dtype and bool((drawn > 0).all()) and bool((1 - drawn > 0).all())
    assert drawn.double().mean().item() == pytest.approx(0.5, abs=0.01)
    assert drawn.double().var().item() == pytest.approx(1 / 12, abs=0.002)


def test_take() -> None:
    candidates = torch.arange(24.0).view(2, 3, 4).requires_grad_()
    slots = torch.tensor([[2, 0], [1, 1]])
    assert torch.equal(take(candidates, slots)[1, 0], candidates[1, 1])
    assert torch.equal(take(candidates[:1], slots)[1, 0], candidates[0, 1])
    take(candidates, slots).sum().backward()
    assert candidates.grad is not None and candidates.grad[:, :, 0].tolist() == [[1, 0, 1], [0, 2, 0]]


def test_refuses() -> None:
    with pytest.raises(ValueError, match="measure must be 'dot', 'cosine' or 'distance', got 'angle'"):
        similarity(torch.zeros(1, 2), torch.zeros(1, 3, 2), "angle")  # type: ignore[arg-type]


def test_taking_from_shared_candidates_has_one_gradient_for_any_number_of_threads() -> None:
    """Many slots name the same few candidates, so that the order of their sum shows."""
    generator = torch.Generator().manual_seed(0)
    slots = torch.randint(50, (64, 500), generator=generator)
    candidates = torch.randn(1, 60, 32, generator=generator).requires_grad_()
    weight = torch.randn(64, 500, 32, generator=generator)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(torch.autograd.grad((take(candidates, slots) * weight).sum(), candidates)[0])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
