"""REINFORCE: its gradient against the exact one by enumeration."""

import pytest
import torch

from graphns.objectives.reinforce import reinforce

LOGITS = torch.tensor([[0.3, -0.2, 1.0, 0.0]], dtype=torch.float64)
REWARD = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)


def exact_gradient():
    logits = LOGITS.clone().requires_grad_()
    return torch.autograd.grad(-(logits.softmax(1)[0] * REWARD).sum(), logits)[0]


@pytest.mark.parametrize("baseline", [0.0, 1.5, -4.0])
def test_in_expectation_it_is_the_gradient_of_the_expected_reward(baseline):
    chance = LOGITS.softmax(1)[0]
    total = torch.zeros_like(LOGITS)
    for draw in range(4):  # every outcome, weighted by its probability: no sampling error
        logits = LOGITS.clone().requires_grad_()
        loss = reinforce(logits.log_softmax(1)[:, draw : draw + 1], REWARD[None, draw : draw + 1], baseline=baseline)
        total += chance[draw] * torch.autograd.grad(loss, logits)[0]
    torch.testing.assert_close(total, exact_gradient())


def test_a_baseline_at_the_mean_reward_lowers_the_variance():
    chance = LOGITS.softmax(1)[0]
    spread = []
    for baseline in (0.0, 10.0, float((chance * REWARD).sum())):
        grads = []
        for draw in range(4):
            logits = LOGITS.clone().requires_grad_()
            loss = reinforce(logits.log_softmax(1)[:, [draw]], REWARD[None, [draw]], baseline=baseline)
            grads.append(torch.autograd.grad(loss, logits)[0][0])
        stacked = torch.stack(grads)
        spread.append(float((chance[:, None] * (stacked - exact_gradient()).square()).sum()))
    assert spread[2] < spread[0] < spread[1]


def test_equals_a_plain_loop_and_respects_the_mask():
    log_prob = torch.tensor([[-1.0, -2.0], [-0.5, torch.nan]], requires_grad=True)
    mask = torch.tensor([[True, True], [True, False]])
    reward = torch.tensor([[1.0, 2.0], [4.0, torch.nan]])
    loss = reinforce(log_prob, reward, mask, baseline=0.5)
    assert loss.item() == pytest.approx(-((0.5 * -1.0) + (1.5 * -2.0) + (3.5 * -0.5)) / 3)
    grad = torch.autograd.grad(loss, log_prob)[0]
    torch.testing.assert_close(grad, torch.tensor([[-0.5, -1.5], [-3.5, 0.0]]) / 3)
    assert reinforce(log_prob, reward, torch.zeros_like(mask)).item() == 0


def test_the_reward_gets_no_gradient():
    log_prob = torch.zeros(1, 2, requires_grad=True)
    reward, baseline = torch.ones(1, 2, requires_grad=True), torch.zeros((), requires_grad=True)
    reinforce(log_prob, reward, baseline=baseline).backward()
    assert reward.grad is None and baseline.grad is None and log_prob.grad is not None


def test_gradients_by_finite_differences():
    log_prob = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: reinforce(x, torch.ones(3, 2) * 2, baseline=0.3), log_prob)


def test_refuses():
    with pytest.raises(ValueError, match="carries no gradient"):
        reinforce(torch.zeros(1, 2), torch.zeros(1, 2))
    with torch.no_grad():
        assert reinforce(torch.full((1, 2), -1.0), torch.ones(1, 2)).item() == 1.0
    with pytest.raises(ValueError, match="need a bool mask"):
        reinforce(torch.zeros(1, 2, requires_grad=True), torch.zeros(1, 2), torch.ones(1, 3, dtype=torch.bool))
