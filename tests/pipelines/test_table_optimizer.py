"""Rows of a table: a sparse gradient, and steps that are torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphns.pipelines.table_optimizer import TableOptimizer, take_rows

Make = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def parameter() -> nn.Parameter:
    return nn.Parameter(torch.randn(9, 3, generator=torch.Generator().manual_seed(0)).double())


def run(make: Make, sparse: bool, steps: int = 6) -> Tensor:
    """A table after steps towards a moving target, on rows of its own each."""
    table = parameter()
    optimizer = make([table])
    for step in range(steps):
        rows = torch.arange(step % 2, 9, 2)
        taken = take_rows(table, rows) if sparse else table[rows]
        optimizer.zero_grad()
        (taken - step).square().sum().backward()  # type: ignore[no-untyped-call]
        assert table.grad is not None and table.grad.is_sparse == sparse
        optimizer.step()
    return table.detach()


@pytest.mark.parametrize(("ours", "theirs", "sparse"), [
    (dict(rule="adam"), torch.optim.SparseAdam, True),
    (dict(rule="adam"), torch.optim.Adam, False),
    (dict(rule="adam", betas=(0.5, 0.9), eps=1e-3), lambda p, lr: torch.optim.Adam(p, lr, (0.5, 0.9), 1e-3), False),
    (dict(rule="sgd"), torch.optim.SGD, True),
    (dict(rule="sgd"), torch.optim.SGD, False),
])
def test_as_torch_does(ours: dict[str, Any], theirs: Any, sparse: bool) -> None:
    found = run(lambda parameters: TableOptimizer(parameters, lr=0.05, **ours), sparse)
    torch.testing.assert_close(found, run(lambda parameters: theirs(parameters, lr=0.05), sparse), rtol=1e-10, atol=0)


def test_the_gradient_is_of_the_rows_alone() -> None:
    table, weight = parameter(), torch.rand(3, 3).double()
    rows = torch.tensor([1, 4, 8])
    (take_rows(table, rows).sin() * weight).sum().backward()  # type: ignore[no-untyped-call]
    assert table.grad is not None and table.grad._nnz() == 3
    gradient = table.grad.coalesce()
    assert gradient.indices().tolist() == [[1, 4, 8]]
    (dense,) = torch.autograd.grad((table[rows].sin() * weight).sum(), table)
    torch.testing.assert_close(gradient.to_dense(), dense)


def test_rules_by_group_and_a_closure() -> None:
    first, second = parameter(), parameter()
    optimizer = TableOptimizer([{"params": [first], "rule": "sgd"}, {"params": [second]}], lr=0.1)

    def closure() -> Tensor:
        loss = first.sum() + second.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    before = float((first.sum() + second.sum()).detach())
    assert float(optimizer.step(closure).detach()) == before
    torch.testing.assert_close(first.detach(), parameter().detach() - 0.1)
    torch.testing.assert_close(second.detach(), parameter().detach() - 0.1)  # Adam's first step is of the sign
    assert not optimizer.state[first] and optimizer.state[second]["step"] == 1


def test_its_state_goes_on_bit_for_bit() -> None:
    whole = run(lambda parameters: TableOptimizer(parameters, lr=0.05), True)
    table = parameter()
    optimizer = TableOptimizer([table], lr=0.05)
    for step in range(6):
        if step == 3:
            state, kept = optimizer.state_dict(), table.detach().clone()
            table = nn.Parameter(kept)
            optimizer = TableOptimizer([table], lr=1.0)
            optimizer.load_state_dict(state)
        optimizer.zero_grad()
        (take_rows(table, torch.arange(step % 2, 9, 2)) - step).square().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert torch.equal(table.detach(), whole)
