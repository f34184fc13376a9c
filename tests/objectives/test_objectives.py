"""Every objective against a plain loop; masks, gradients, extremes."""

import math
from itertools import product

import pytest
import torch

from graphns.objectives.bce import binary_cross_entropy
from graphns.objectives.bpr import bpr
from graphns.objectives.infonce import infonce
from graphns.objectives.margin import margin
from graphns.objectives.sampled_softmax import sampled_softmax

PAIRWISE = [infonce, binary_cross_entropy, bpr, margin]


def make(batch=4, k=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    positive = torch.randn(batch, dtype=torch.float64, generator=generator, requires_grad=True)
    negative = torch.randn(batch, k, dtype=torch.float64, generator=generator, requires_grad=True)
    mask = torch.rand(batch, k, generator=generator) < 0.6
    mask[0] = True
    mask[-1] = False  # a row without usable negatives
    log_prob = torch.rand(batch, k, dtype=torch.float64, generator=generator).log()
    return positive, negative, mask, log_prob


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def loop_infonce(positive, negative, mask, temperature, log_prob=None):
    total = 0.0
    for p, row, use, logs in zip(positive, negative, mask, log_prob or [[None] * len(row) for row in negative],
                                 strict=True):
        terms = []
        for score, usable, log_q in zip(row, use, logs, strict=True):
            if usable:
                weight = 1 if log_q is None else 1 / (sum(use) * math.exp(log_q))
                terms.append(weight * math.exp(score / temperature))
        total += -p / temperature + math.log(math.exp(p / temperature) + sum(terms))
    return total / len(positive)


def loop_pairs(loss):
    def mean(positive, negative, mask, temperature, log_prob=None):
        total, count = 0.0, 0
        for b, (p, row, use) in enumerate(zip(positive, negative, mask, strict=True)):
            inverse = [math.exp(-log_prob[b][j]) if log_prob else 1.0 for j in range(len(row))]
            norm = sum(w for w, usable in zip(inverse, use, strict=True) if usable)
            for weight, score, usable in zip(inverse, row, use, strict=True):
                if usable:
                    total += sum(use) * weight / norm * loss(p, score, temperature)
                    count += 1
        return total / count
    return mean


def loop_bce(positive, negative, mask, temperature, log_prob=None):
    first = -sum(math.log(sigmoid(p / temperature)) for p in positive) / len(positive)
    return first + loop_pairs(lambda p, s, t: -math.log(sigmoid(-s / t)))(positive, negative, mask, temperature,
                                                                           log_prob)


LOOPS = {
    infonce: loop_infonce,
    binary_cross_entropy: loop_bce,
    bpr: loop_pairs(lambda p, s, t: -math.log(sigmoid((p - s) / t))),
    margin: loop_pairs(lambda p, s, t: max(0.0, 1.0 - (p - s) / t)),
}


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
@pytest.mark.parametrize("objective", PAIRWISE)
def test_equals_a_plain_loop(objective, temperature, corrected):
    positive, negative, mask, log_prob = make()
    got = objective(positive, negative, mask, temperature=temperature, log_prob=log_prob if corrected else None)
    expected = LOOPS[objective](positive.tolist(), negative.tolist(), mask.tolist(), temperature,
                                log_prob.tolist() if corrected else None)
    assert got.shape == ()
    assert got.item() == pytest.approx(expected, rel=1e-9)


def test_the_margin_is_an_argument():
    got = margin(torch.tensor([1.0]), torch.tensor([[0.0, 2.0]]), torch.ones(1, 2, dtype=torch.bool), margin=3.0)
    assert got.item() == pytest.approx((2.0 + 4.0) / 2)


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("objective", PAIRWISE)
def test_gradients_by_finite_differences(objective, corrected):
    positive, negative, mask, log_prob = make(seed=3)
    assert torch.autograd.gradcheck(
        lambda p, n: objective(p, n, mask, log_prob=log_prob if corrected else None, temperature=0.7),
        (positive, negative))


@pytest.mark.parametrize("objective", PAIRWISE)
def test_better_separation_is_lower(objective):
    mask = torch.ones(2, 3, dtype=torch.bool)
    losses = [objective(torch.full((2,), gap), torch.full((2, 3), -gap), mask).item() for gap in (-1.0, 0.0, 0.4)]
    assert losses[0] > losses[1] > losses[2]


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("objective", PAIRWISE)
def test_masked_slots_change_nothing_and_get_no_gradient(objective, corrected):
    positive, negative, mask, log_prob = make()
    log_prob = log_prob if corrected else None
    before = objective(positive, negative, mask, log_prob=log_prob)
    for poison in (1e30, torch.inf, torch.nan):
        poisoned = torch.where(mask, negative.detach(), poison).requires_grad_()
        after = objective(positive, poisoned, mask, log_prob=log_prob)
        assert after.item() == before.item()
        grad, own = torch.autograd.grad(after, (poisoned, positive))
        assert bool((grad[~mask] == 0).all()) and bool(torch.isfinite(grad).all()) and bool(torch.isfinite(own).all())
        assert bool((grad[mask & (mask.sum(1, keepdim=True) > 0)] != 0).any())


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("objective", PAIRWISE)
def test_without_any_usable_negative(objective, corrected):
    positive, negative, mask, log_prob = make()
    loss = objective(positive, negative, torch.zeros_like(mask), log_prob=log_prob if corrected else None)
    expected = -positive.sigmoid().log().mean() if objective is binary_cross_entropy else torch.zeros(())
    assert loss.item() == pytest.approx(expected.item())
    grads = torch.autograd.grad(loss, (positive, negative))
    assert all(bool(torch.isfinite(grad).all()) for grad in grads)


@pytest.mark.parametrize("objective", PAIRWISE)
def test_extreme_scores_stay_finite(objective):
    mask = torch.ones(2, 2, dtype=torch.bool)
    positive = torch.tensor([-1e4, 1e4], requires_grad=True)
    negative = torch.tensor([[1e4, 1e4], [-1e4, -1e4]], requires_grad=True)
    loss = objective(positive, negative, mask)
    assert bool(torch.isfinite(loss))
    assert all(bool(torch.isfinite(grad).all()) for grad in torch.autograd.grad(loss, (positive, negative)))


@pytest.mark.parametrize("objective", [*PAIRWISE, sampled_softmax])
def test_refuses_what_broadcasting_would_hide(objective):
    positive, negative, mask, log_prob = (t.detach() for t in make())

    def call(*args, **options):
        return objective(*args, **{"log_prob": log_prob, **options})

    with pytest.raises(ValueError, match="need positive_score"):
        call(positive[:, None], negative, mask)
    with pytest.raises(ValueError, match="need positive_score"):
        call(positive[:2], negative, mask)
    with pytest.raises(ValueError, match="need a bool mask"):
        call(positive, negative, mask[:1])
    with pytest.raises(ValueError, match="need a bool mask"):
        call(positive, negative, mask.float())
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        call(positive, negative, mask, temperature=0)
    with pytest.raises(ValueError, match=r"log_prob must be \[B\|1, k\]"):
        call(positive, negative, mask, log_prob=log_prob[:, :2])
    with pytest.raises(ValueError, match="carries a gradient"):
        call(positive, negative, mask, log_prob=log_prob.clone().requires_grad_())
    with pytest.raises(ValueError, match="not finite at a usable slot"):
        call(positive, negative, mask, log_prob=torch.full_like(log_prob, -torch.inf))


def test_the_margin_and_the_reduction_are_checked():
    positive, negative, mask, _ = make()
    with pytest.raises(ValueError, match="margin must be above 0, got -1"):
        margin(positive, negative, mask, margin=-1)
    with pytest.raises(ValueError, match="reduction must be 'mean' or 'none', got 'sum'"):
        infonce(positive, negative, mask, reduction="sum")
    rows = infonce(positive, negative, mask, reduction="none")
    assert rows.shape == (4,) and rows[-1].item() == 0.0
    assert rows.mean().item() == pytest.approx(infonce(positive, negative, mask).item())


@pytest.mark.parametrize("objective", PAIRWISE)
def test_torch_compile_takes_them_in_whole(objective):
    positive, negative, mask, log_prob = make()
    compiled = torch.compile(objective, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(positive, negative, mask, log_prob=log_prob),
                               objective(positive, negative, mask, log_prob=log_prob))


# the correction: six items, item 0 is the positive, q is not uniform -------------------------------------------------

SCORE = torch.tensor([0.4, -1.0, 0.3, 1.2, -0.5, 0.8], dtype=torch.float64)
Q = torch.tensor([0.0, 0.5, 0.2, 0.15, 0.1, 0.05], dtype=torch.float64)


def expected_sum(log_q, temperature, loss=sampled_softmax, views=1):
    """The exact expectation, over all draws of k = 2, of the sum over candidates that the loss estimates."""
    draws = torch.tensor(list(product(range(1, 6), repeat=2)))
    chance = Q[draws].prod(1)
    assert chance.sum().item() == pytest.approx(1)
    negative = torch.cat([SCORE[draws] * (view + 1) for view in range(views)], 1)
    options = {"num_draws": 2} if views > 1 else {}
    rows = loss(SCORE[:1].expand(len(draws)), negative, torch.ones_like(negative, dtype=torch.bool),
                log_prob=log_q[draws].repeat(1, views), temperature=temperature, reduction="none", **options)
    # loss = log(1 + sum / e^{s+})
    return (chance * (rows.exp() - 1)).sum() * (SCORE[0] / temperature).exp()


@pytest.mark.parametrize("loss", [infonce, sampled_softmax])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_corrected_the_sum_inside_the_logarithm_is_unbiased(loss, temperature):
    full = (SCORE[1:] / temperature).exp().sum()
    torch.testing.assert_close(expected_sum(Q.log(), temperature, loss), full)


def test_a_flipped_sign_is_not():
    full = SCORE[1:].exp().sum().item()
    assert abs(expected_sum(-Q.log(), 1.0).item() - full) > 0.5 * full


def test_two_groups_of_slots_estimate_two_sums():
    full = (SCORE[1:].exp() + (2 * SCORE[1:]).exp()).sum()
    torch.testing.assert_close(expected_sum(Q.log(), 1.0, views=2), full)


def test_every_candidate_and_a_uniform_q_is_the_full_softmax():
    mask = torch.ones(1, 5, dtype=torch.bool)
    log_q = torch.full((1, 5), 1 / 5, dtype=torch.float64).log()
    got = sampled_softmax(SCORE[:1], SCORE[None, 1:], mask, log_prob=log_q)
    torch.testing.assert_close(got, -SCORE.log_softmax(0)[0])


def test_where_the_proposal_can_draw_the_positive_both_are_corrected():
    popularity = torch.tensor([0.3, 0.1, 0.2, 0.2, 0.1, 0.1], dtype=torch.float64)
    ids = torch.tensor([[0, 3, 1]])
    mask = torch.tensor([[False, True, True]])
    got = infonce(SCORE[:1], SCORE[ids], mask, log_prob=popularity[ids].log(),
                  positive_log_prob=popularity[:1].log())
    corrected = SCORE - popularity.log()
    torch.testing.assert_close(got, -corrected[[0, 3, 1]].log_softmax(0)[0])
    stays = infonce(SCORE[:1], SCORE[ids], mask, log_prob=popularity[ids].log(),
                    positive_log_prob=torch.tensor([-torch.inf]))
    torch.testing.assert_close(stays, infonce(SCORE[:1], SCORE[ids], mask, log_prob=popularity[ids].log()))


def test_the_correction_is_refused_where_it_is_half_given():
    positive, negative, mask, log_prob = make()
    with pytest.raises(ValueError, match="belong to the correction"):
        infonce(positive, negative, mask, positive_log_prob=log_prob[:, 0])
    with pytest.raises(ValueError, match="positive_log_prob must be"):
        infonce(positive, negative, mask, log_prob=log_prob, positive_log_prob=log_prob)
    with pytest.raises(ValueError, match="num_draws must be at least 1, got 0"):
        infonce(positive, negative, mask, log_prob=log_prob, num_draws=0)
    with pytest.raises(ValueError, match="num_draws must be a number or"):
        infonce(positive, negative, mask, log_prob=log_prob, num_draws=torch.ones(3))
    with pytest.raises(ValueError, match="this sampler has no density"):
        sampled_softmax(positive, negative, mask, log_prob=None)
