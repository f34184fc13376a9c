"""Adam on rows: the compiled loop, its definition, and torch's SparseAdam."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from graphns.kernels import adam_rows as kernel
from graphns.kernels.adam_rows import adam_rows, adam_rows_torch
from tests.kernels.plain import run_as_python


def states(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    table, mean, square = (torch.randn(30, 7, generator=generator).to(dtype) for _ in range(3))
    return table, mean, square.abs()


ROWS = torch.tensor([2, 3, 11, 29])


def gradient(dtype: torch.dtype) -> Tensor:
    return torch.randn(4, 7, generator=torch.Generator().manual_seed(1)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiled_and_definition_agree_and_other_rows_stay(dtype: torch.dtype) -> None:
    ours, theirs, before = states(dtype), states(dtype), states(dtype)
    adam_rows(*ours, ROWS, gradient(dtype), 3, 0.1)
    rate = 0.1 * (1 - 0.999**3) ** 0.5 / (1 - 0.9**3)
    adam_rows_torch(*theirs, ROWS, gradient(dtype), rate, 0.9, 0.999, 1e-8)
    others = torch.ones(30, dtype=torch.bool).index_fill(0, ROWS, False)
    for mine, other, old in zip(ours, theirs, before, strict=True):
        torch.testing.assert_close(mine, other)
        assert torch.equal(mine[others], old[others]) and not bool((mine[ROWS] == old[ROWS]).any())


def test_as_sparse_adam() -> None:
    """Many steps, each on rows of its own; with nothing rounded to float32."""
    parameter = torch.nn.Parameter(states(torch.float64)[0])
    table, mean, square = states(torch.float64)[0], torch.zeros(30, 7).double(), torch.zeros(30, 7).double()
    optimizer = torch.optim.SparseAdam([parameter], lr=0.05)
    for step in range(1, 9):
        rows = torch.arange(step % 3, 30, step)
        values = torch.randn(len(rows), 7, generator=torch.Generator().manual_seed(step)).double()
        parameter.grad = torch.sparse_coo_tensor(rows[None], values, (30, 7), check_invariants=True)
        optimizer.step()  # type: ignore[no-untyped-call]
        adam_rows(table, mean, square, rows, values, step, 0.05)
    torch.testing.assert_close(table, parameter.detach(), rtol=1e-12, atol=1e-12)


def test_threads_and_python_source_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    generator = torch.Generator().manual_seed(0)
    wide = [torch.rand(3000, 32, generator=generator) for _ in range(4)]
    results = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            tables = wide[0].clone(), wide[1].clone(), wide[2].clone()
            adam_rows(*tables, torch.arange(3000), wide[3], 2, 0.1)
            results.append(tables)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))
    compiled, plain = states(torch.float32), states(torch.float32)
    adam_rows(*compiled, ROWS, gradient(torch.float32), 1, 0.1)
    run_as_python(monkeypatch, kernel)
    adam_rows(*plain, ROWS, gradient(torch.float32), 1, 0.1)
    for one, two in zip(compiled, plain, strict=True):
        torch.testing.assert_close(one, two)
