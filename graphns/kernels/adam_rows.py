"""Adam on some rows of a table, in one pass over them: what an embedding table needs of a step."""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from graphns.kernels.threads import run

_fast = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


def adam_rows(
    table: Tensor, mean: Tensor, square: Tensor, rows: Tensor, gradient: Tensor, step: int, rate: float,
    betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8,
) -> None:
    r"""One step of Adam on the rows that have a gradient; the others, with their averages, stay as they are.

    .. math:: m_i \leftarrow \beta_1 m_i + (1 - \beta_1) g_i, \quad v_i \leftarrow \beta_2 v_i + (1 - \beta_2) g_i^2,
              \quad w_i \leftarrow w_i - \eta\, \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}
              \frac{m_i}{\sqrt{v_i} + \epsilon}

    As `torch.optim.SparseAdam`. On the CPU in float32 and float64 it is a compiled loop over rows.

    Args:
        table: [N, d], contiguous; written.
        mean: m [N, d], likewise.
        square: v [N, d], likewise.
        rows: [m] int64, distinct, in [0, N).
        gradient: [m, d] of the table's dtype.
        step: t, from 1.
        rate: the learning rate.
        betas: how slowly both averages forget.
        epsilon: keeps the division finite.
    """
    first, second = betas
    rate = rate * (1 - second**step) ** 0.5 / (1 - first**step)
    if table.device.type != "cpu" or table.dtype not in (torch.float32, torch.float64):
        adam_rows_torch(table, mean, square, rows, gradient, rate, first, second, epsilon)
        return
    arrays = [each.detach().numpy() for each in (table, mean, square, rows, gradient.contiguous())]
    scale = table.detach().numpy().dtype.type  # Numba reckons in the wider of two types
    run(_adam_rows, len(rows), *arrays, scale(rate), scale(first), scale(second), scale(epsilon),
        cost=table.shape[1] // 2 + 1)


def adam_rows_torch(
    table: Tensor, mean: Tensor, square: Tensor, rows: Tensor, gradient: Tensor, rate: float, first: float,
    second: float, epsilon: float,
) -> None:
    """The definition, on any device; `rate` already has the two averages' start taken out."""
    m = mean[rows].lerp(gradient, 1 - first)
    v = square[rows] * second + gradient * gradient * (1 - second)
    mean[rows], square[rows] = m, v
    table[rows] -= rate * m / (v.sqrt() + epsilon)


@_fast
def _adam_rows(begin, end, table, mean, square, rows, gradient, rate, first, second, epsilon):
    one = table.dtype.type(1)
    for i in range(begin, end):
        w, m, v, g = table[rows[i]], mean[rows[i]], square[rows[i]], gradient[i]
        for c in range(w.shape[0]):
            m[c] = first * m[c] + (one - first) * g[c]
            v[c] = second * v[c] + (one - second) * g[c] * g[c]
            w[c] -= rate * m[c] / (np.sqrt(v[c]) + epsilon)
