"""Blocks of rows against all rows at once: value, gradients, who gets one, what is held."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.objectives import row_blocks as module
from graphns.objectives.hcl import hcl
from graphns.objectives.row_blocks import row_blocks


def case(batch: int = 11, m: int = 7, d: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """positive [B], queries [B, d], table [m, d], mask [B, m] with a row without usable slot; scores are cosines."""
    generator = torch.Generator().manual_seed(0)
    positive = torch.rand(batch, dtype=torch.float64, generator=generator).requires_grad_()
    queries, table = (torch.nn.functional.normalize(
        torch.randn(size, d, dtype=torch.float64, generator=generator), dim=1).requires_grad_() for size in (batch, m))
    mask = torch.rand(batch, m, generator=generator) < 0.7
    mask[4] = False
    return positive, queries, table, mask


@pytest.mark.parametrize("block", [1, 3, 11, 50, None])
def test_blocks_are_the_whole(block: int | None) -> None:
    """Also where the last block is short, and under a factor."""
    positive, queries, table, mask = case()
    inputs = [positive, queries, table]
    whole = hcl(positive, queries @ table.T, mask, temperature=0.5)
    parts = row_blocks(lambda where, own, query, rows: hcl(own, query @ rows.T, mask[where], temperature=0.5),
                       [positive, queries], [table], block=block)
    torch.testing.assert_close(parts, whole)
    found, wanted = (torch.autograd.grad(each * 3, inputs) for each in (parts, whole))
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_gradients_by_finite_differences() -> None:
    positive, queries, table, mask = case(batch=5)
    assert torch.autograd.gradcheck(
        lambda *given: row_blocks(lambda where, own, query, rows: hcl(own, (query @ rows.T).tanh(), mask[where]),
                                  given[:2], given[2:], block=2), (positive, queries, table))


def test_what_needs_no_gradient_gets_none_and_costs_none() -> None:
    positive, queries, table, mask = case()
    seen: list[bool] = []

    def loss(where: slice, own: Tensor, query: Tensor, rows: Tensor) -> Tensor:
        seen.append(torch.is_grad_enabled())
        assert not query.requires_grad
        return hcl(own, query @ rows.T, mask[where])

    found = row_blocks(loss, [positive.detach(), queries.detach()], [table.detach()], block=4)
    assert not found.requires_grad and seen == [False] * 3
    row_blocks(loss, [positive.detach(), queries.detach()], [table], block=4).backward()
    assert table.grad is not None and positive.grad is queries.grad is None


def test_a_table_that_the_loss_leaves_out_has_gradient_nil() -> None:
    positive, _, table, _ = case()
    row_blocks(lambda where, own, rows: own.square().mean(), [positive], [table], block=4).backward()
    assert positive.grad is not None and table.grad is not None
    torch.testing.assert_close(positive.grad, 2 * positive.detach() / len(positive))
    assert int(table.grad.count_nonzero()) == 0


def test_no_more_than_a_block_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module._HELD, "cpu", 64 * 20)
    sizes: list[tuple[int, ...]] = []

    def loss(where: slice, query: Tensor, *tables: Tensor) -> Tensor:
        scores = torch.cat([query @ table.T for table in tables], 1)
        sizes.append(tuple(scores.shape))
        return scores.logsumexp(1).mean()

    queries, tables = torch.randn(150, 3), [torch.randn(10, 3), torch.randn(10, 3)]
    row_blocks(loss, [queries], tables)
    assert sizes == [(64, 20), (64, 20), (22, 20)]


def test_second_derivatives_are_refused() -> None:
    positive, *_ = case()
    loss = row_blocks(lambda where, own: own.square().mean(), [positive], [], block=4)
    grad, = torch.autograd.grad(loss, positive, create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad"):
        torch.autograd.grad(grad.sum(), positive)


@pytest.mark.parametrize(("rows", "options", "message"), [
    ([], {}, r"need rows \[B, \.\.\.\], equally many and at least 1, got \[\]"),
    ([torch.ones(0)], {}, r"at least 1, got \[\(0,\)\]"),
    ([torch.ones(2), torch.ones(3)], {}, r"got \[\(2,\), \(3,\)\]"),
    ([torch.ones(2)], {"block": 0}, "block must be at least 1, got 0"),
])
def test_refusals(rows: list[Tensor], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        row_blocks(lambda where, *given: given[0].mean(), rows, [], **options)
