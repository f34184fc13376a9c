"""Is a stochastic gradient right on average? Counted against the exact one, within its standard error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def check_gradient(
    step: Callable[[int], Tensor], parameters: Sequence[Tensor], exact: Sequence[Tensor], steps: int = 200
) -> None:
    """Hold the mean gradient of `step(0)` … `step(steps - 1)` against the exact one.

    4.5 standard errors: of a normal number that is missed once in 150,000. The test must also be able to tell the
    exact gradient from 0, or it would prove nothing.
    """
    found = [torch.autograd.grad(step(number), parameters, allow_unused=True, retain_graph=True)
             for number in range(steps)]
    for i, expected in enumerate(exact):
        each = torch.stack([torch.zeros_like(expected) if grads[i] is None else grads[i] for grads in found]).double()
        error = each.std(0) / steps**0.5
        far = (each.mean(0) - expected).abs() - 4.5 * error
        assert bool((far <= 1e-6).all()), f"parameter {i}: {each.mean(0)} is not {expected}, error {error}"
        assert float(expected.abs().max()) > 5 * float(error.max()), f"parameter {i}: cannot be told from 0"
