"""Tables of which a step reads few rows: their gradient, and the optimiser that touches those rows alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from graphns.kernels.adam_rows import adam_rows


class _TakeRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.shape = table.shape
        return table.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return torch.sparse_coo_tensor(rows[None], gradients[0], ctx.shape, check_invariants=False,
                                       is_coalesced=True), None


def take_rows(table: Tensor, rows: Tensor) -> Tensor:
    """Rows [m, d] of a table [N, d], whose gradient in the table is sparse: it holds these m rows and no others.

    Args:
        table: a leaf; its gradient is a sparse tensor, so an optimiser has to know of them.
        rows: [m] int64, distinct and rising.

    Example:
        >>> table = torch.ones(4, 2, requires_grad=True)
        >>> take_rows(table, torch.tensor([1, 3])).sum().backward()
        >>> table.grad.indices().tolist(), table.grad.to_dense()[:, 0].tolist()
        ([[1, 3]], [0.0, 1.0, 0.0, 1.0])
    """
    taken: Tensor = _TakeRows.apply(table, rows)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return taken


class TableOptimizer(torch.optim.Optimizer):
    """Adam or plain gradient steps; where a gradient is sparse, on its rows alone, at a cost that does not know N.

    "adam" is `torch.optim.SparseAdam` where the gradient is sparse and `torch.optim.Adam` where it is not; both keep
    two averages as large as the parameter.

    Args:
        groups: parameters, or groups of them with settings of their own.
        lr: the learning rate.
        rule: "adam" or "sgd".
        betas: how slowly Adam's averages forget.
        eps: keeps Adam's division finite.

    Example:
        >>> table = nn.Parameter(torch.zeros(3, 2))
        >>> optimizer = TableOptimizer([table], lr=0.5, rule="sgd")
        >>> take_rows(table, torch.tensor([2])).sum().backward()
        >>> optimizer.step()
        >>> table.tolist()
        [[0.0, 0.0], [0.0, 0.0], [-0.5, -0.5]]
    """

    def __init__(
        self, groups: Iterable[Any], lr: float, rule: str = "adam", betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(groups, {"lr": lr, "rule": rule, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient."""
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    (self._adam if group["rule"] == "adam" else _descend)(parameter, group)
        return result

    def _adam(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = (
                torch.zeros_like(parameter, memory_format=torch.contiguous_format) for _ in range(2))
        state["step"] += 1
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            adam_rows(parameter, state["exp_avg"], state["exp_avg_sq"], gradient.indices()[0], gradient.values(),
                      state["step"], group["lr"], group["betas"], group["eps"])
            return
        first, second = group["betas"]
        state["exp_avg"].lerp_(gradient, 1 - first)
        state["exp_avg_sq"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = (state["exp_avg_sq"] / (1 - second ** state["step"])).sqrt_().add_(group["eps"])
        parameter.addcdiv_(state["exp_avg"], size, value=-group["lr"] / (1 - first ** state["step"]))


def _descend(parameter: nn.Parameter, group: dict[str, Any]) -> None:
    gradient = parameter.grad
    assert gradient is not None
    if gradient.is_sparse:
        gradient = gradient.coalesce()
        parameter.index_add_(0, gradient.indices()[0], gradient.values(), alpha=-group["lr"])
    else:
        parameter.add_(gradient, alpha=-group["lr"])
