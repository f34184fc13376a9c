"""The fused loss against the plain one, and against a loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from graphns.objectives import shared_infonce as module
from graphns.objectives.infonce import infonce
from graphns.objectives.shared_infonce import shared_infonce


def case(batch: int = 70, m: int = 9, d: int = 5, tables: int = 2) -> tuple[Tensor, Tensor, list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(0)
    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()

    mask = torch.rand(batch, m, generator=generator) < 0.6
    mask[3] = False
    return draw(batch), draw(batch, d), [draw(m, d) for _ in range(tables)], mask


def gradients(loss: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad(loss * 1.7, inputs))


@pytest.mark.parametrize("block", [1, 1 << 18])  # 64 rows at a time, and all at once
@pytest.mark.parametrize("tables", [1, 2])
def test_equals_infonce_with_gradients(block: int, tables: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module._BLOCK, "cpu", block)
    positive, queries, chosen, mask = case(tables=tables)
    inputs = [positive, queries, *chosen]
    fused = shared_infonce(positive, queries, chosen, mask, temperature=0.3)
    scores = torch.cat([queries @ table.T for table in chosen], 1)
    plain = infonce(positive, scores, mask.repeat(1, tables), temperature=0.3)
    torch.testing.assert_close(fused, plain)
    for ours, theirs in zip(gradients(fused, inputs), gradients(plain, inputs), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_equals_a_loop() -> None:
    positive, queries, chosen, mask = case(batch=6)
    losses = []
    for row in range(6):
        total = math.exp(positive[row].item() / 0.5)
        for table in chosen:
            for slot in range(mask.shape[1]):
                if mask[row, slot]:
                    total += math.exp((queries[row] @ table[slot]).item() / 0.5)
        losses.append(math.log(total) - positive[row].item() / 0.5)
    fused = shared_infonce(positive, queries, chosen, mask, temperature=0.5)
    assert fused.item() == pytest.approx(sum(losses) / 6)


def test_small_temperature_does_not_overflow() -> None:
    positive, queries, chosen, mask = case()
    loss = shared_infonce(positive, queries, chosen, mask, temperature=1e-4)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(each).all() for each in gradients(loss, [positive, queries, *chosen]))


def test_nothing_usable_is_no_loss() -> None:
    positive, queries, chosen, mask = case()
    loss = shared_infonce(positive, queries, chosen, torch.zeros_like(mask))
    assert loss.item() == 0
    assert all((each == 0).all() for each in gradients(loss, [positive, queries, *chosen]))


def test_without_gradient() -> None:
    positive, queries, chosen, mask = case()
    with torch.no_grad():
        quiet = shared_infonce(positive, queries, chosen, mask)
    assert not quiet.requires_grad
    torch.testing.assert_close(quiet, shared_infonce(positive, queries, chosen, mask).detach())


def test_refusals() -> None:
    positive, queries, chosen, mask = case()
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        shared_infonce(positive, queries, chosen, mask, temperature=0)
    with pytest.raises(ValueError, match=r"positive_score \[B\] and a bool mask"):
        shared_infonce(positive[:-1], queries, chosen, mask)
    with pytest.raises(ValueError, match="bool mask"):
        shared_infonce(positive, queries, chosen, mask.float())
    with pytest.raises(ValueError, match=r"every table must be \[m, d\] = \(9, 5\)"):
        shared_infonce(positive, queries, [chosen[0][1:]], mask)
    with pytest.raises(ValueError, match="every table"):
        shared_infonce(positive, queries, [], mask)
