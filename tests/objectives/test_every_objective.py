"""What every registered objective on (positive_score, negative_score, mask) holds to."""

from __future__ import annotations

import inspect

import pytest
import torch

from graphns.objectives.beta_mixture import BetaMixture
from graphns.registry import entries
from tests.objectives.cases import make

MIXTURE = BetaMixture(-1.0, 1.0, alpha=(2.0, 6.0), beta=(5.0, 2.0), weight=(0.8, 0.2))
OBJECTIVES = {
    entry.name: entry.load() for entry in entries("objective")
    if list(inspect.signature(entry.load()).parameters)[:3] == ["positive_score", "negative_score", "mask"]
}
OPTIONS = {"warp": {"num_candidates": 50}, "progcl": {"mixture": MIXTURE}, "ccl": {"margin": 0.0}}
NEEDS_DENSITY = {"sampled-softmax", "importance-weighted"}
# weights that follow the scores without gradient are held still, so that finite differences see the same function
STILL = {"self-adversarial": {"sharpness": 0.0}, "importance-weighted": {"sharpness": 0.0}, "progcl": {"mixture": None}}


def takes(name: str, option: str) -> bool:
    return option in inspect.signature(OBJECTIVES[name]).parameters


CASES = [
    pytest.param(name, corrected, id=f"{name}-{'corrected' if corrected else 'plain'}")
    for name in OBJECTIVES for corrected in (False, True)
    if takes(name, "log_prob") or not corrected if corrected or name not in NEEDS_DENSITY
]
every_case = pytest.mark.parametrize(("name", "corrected"), CASES)


def call(name, positive, negative, mask, log_prob=None, **options):
    # not by |: torch 2.5 cannot compile that
    given = {**OPTIONS.get(name, {}), **({"log_prob": log_prob} if takes(name, "log_prob") else {}), **options}
    return OBJECTIVES[name](positive, negative, mask, **given)


def test_the_list_is_the_registrys() -> None:
    assert {"infonce", "bce", "bpr", "margin", "self-adversarial", "dcl", "hcl", "importance-weighted", "ccl", "jsd",
            "warp", "hinge-auc", "progcl", "sampled-softmax"} <= OBJECTIVES.keys()


@every_case
def test_gradients_by_finite_differences(name: str, corrected: bool) -> None:
    positive, negative, mask, log_prob = make(seed=3)
    log_prob = log_prob if corrected else None
    assert torch.autograd.gradcheck(
        lambda p, n: call(name, p, n, mask, log_prob, **STILL.get(name, {})), (positive, negative))


@every_case
def test_masked_slots_change_nothing_and_get_no_gradient(name: str, corrected: bool) -> None:
    positive, negative, mask, log_prob = make()
    log_prob = log_prob if corrected else None
    before = call(name, positive, negative, mask, log_prob)
    for poison in (1e30, torch.inf, torch.nan):
        poisoned = torch.where(mask, negative.detach(), poison).requires_grad_()
        after = call(name, positive, poisoned, mask, log_prob)
        assert after.item() == before.item()
        grad, own = torch.autograd.grad(after, (poisoned, positive))
        assert bool((grad[~mask] == 0).all()) and bool(torch.isfinite(grad).all()) and bool(torch.isfinite(own).all())
        assert bool((grad[mask] != 0).any())


@every_case
def test_an_impossible_log_prob_in_a_masked_slot_is_nothing(name: str, corrected: bool) -> None:
    if not corrected:
        return
    positive, negative, mask, log_prob = make()
    before = call(name, positive, negative, mask, log_prob)
    after = call(name, positive, negative, mask, log_prob.masked_fill(~mask, -torch.inf))
    assert after.item() == before.item()
    assert all(bool(torch.isfinite(g).all()) for g in torch.autograd.grad(after, (positive, negative)))


@every_case
def test_without_any_usable_negative(name: str, corrected: bool) -> None:
    positive, negative, mask, log_prob = make()
    loss = call(name, positive, negative, torch.zeros_like(mask), log_prob if corrected else None)
    assert bool(torch.isfinite(loss))
    own, grad = torch.autograd.grad(loss, (positive, negative))
    assert bool(torch.isfinite(own).all()) and bool((grad == 0).all())


@every_case
def test_a_row_without_usable_negatives_leaves_the_other_rows_alone(name: str, corrected: bool) -> None:
    """Its scores may be anything: the loss of the others keeps its gradient."""
    positive, negative, mask, log_prob = make()
    log_prob = log_prob if corrected else None
    grads = []
    for fill in (0.0, torch.nan):
        changed = negative.detach().clone()
        changed[-1] = fill
        changed.requires_grad_()
        grads.append(torch.autograd.grad(call(name, positive, changed, mask, log_prob), changed)[0])
    assert torch.equal(grads[0], grads[1]) and bool((grads[0][0] != 0).any())


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extremes_stay_finite(name: str, corrected: bool, dtype: torch.dtype) -> None:
    """The best and the worst cosines, at a temperature that overflows exp."""
    mask = torch.ones(2, 2, dtype=torch.bool)
    positive = torch.tensor([-1.0, 1.0], dtype=dtype, requires_grad=True)
    negative = torch.tensor([[1.0, 1.0], [-1.0, -1.0]], dtype=dtype, requires_grad=True)
    options = {"temperature": 1e-3} if takes(name, "temperature") else {}
    loss = call(name, positive, negative, mask, torch.tensor([[-1e-3, -30.0]]) if corrected else None, **options)
    assert loss.shape == () and bool(torch.isfinite(loss))
    assert all(bool(torch.isfinite(grad).all()) for grad in torch.autograd.grad(loss, (positive, negative)))


@every_case
def test_better_separation_is_lower(name: str, corrected: bool) -> None:
    mask = torch.ones(2, 3, dtype=torch.bool)
    losses = [call(name, torch.full((2,), gap), torch.full((2, 3), -gap), mask,
                   torch.zeros(1, 3) if corrected else None).item() for gap in (-0.9, 0.0, 0.4)]
    assert losses[0] > losses[1] > losses[2]


@every_case
def test_one_row_of_log_prob_serves_the_batch(name: str, corrected: bool) -> None:
    if not corrected:
        return
    positive, negative, mask, log_prob = make()
    one = log_prob[:1]
    assert call(name, positive, negative, mask, one).item() == pytest.approx(
        call(name, positive, negative, mask, one.expand(len(mask), -1)).item(), rel=1e-12)


@every_case
def test_torch_compile_takes_them_in_whole(name: str, corrected: bool) -> None:
    positive, negative, mask, log_prob = make()
    log_prob = log_prob if corrected else None
    torch._dynamo.reset()
    compiled = torch.compile(lambda p, n, m: call(name, p, n, m, log_prob), backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(positive, negative, mask), call(name, positive, negative, mask, log_prob))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_refuses_what_broadcasting_would_hide(name: str) -> None:
    positive, negative, mask, log_prob = (t.detach() for t in make())
    with pytest.raises(ValueError, match="need positive_score"):
        call(name, positive[:, None], negative, mask, log_prob)
    with pytest.raises(ValueError, match="need positive_score"):
        call(name, positive[:2], negative, mask, log_prob)
    with pytest.raises(ValueError, match="need a bool mask"):
        call(name, positive, negative, mask.float(), log_prob)
    if takes(name, "temperature"):
        with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
            call(name, positive, negative, mask, log_prob, temperature=0)
    if takes(name, "log_prob"):
        with pytest.raises(ValueError, match=r"log_prob must be \[B\|1, k\]"):
            call(name, positive, negative, mask, log_prob[:, :2])
        with pytest.raises(ValueError, match="not finite at a usable slot"):
            call(name, positive, negative, mask, torch.full_like(log_prob, -torch.inf))


@pytest.mark.parametrize("name", ["dcl", "hcl", "ccl"])
def test_scores_that_are_no_cosines_are_refused(name: str) -> None:
    positive, negative, mask, _ = (t.detach() for t in make())
    with pytest.raises(ValueError, match=r"positive_score holds a score of size 1\.5, but this objective needs"):
        call(name, torch.full_like(positive, -1.5), negative, mask)
    with pytest.raises(ValueError, match="negative_score holds a score of size 3, but"):
        call(name, positive, torch.where(mask, 3.0, negative), mask)
    call(name, positive, torch.where(mask, negative, 3.0), mask)  # what is masked may be anything
