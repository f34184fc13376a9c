"""How much of the way from easy to hard a curriculum has gone, as a function of the epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from graphns.samplers.exclusion import check_choice

Pace = Literal["root", "linear", "quadratic", "logarithm", "exponential"]
"""From fast to slow at the start: logarithm and root, linear, exponential and quadratic."""

_PACES: dict[str, Callable[[float], float]] = {
    "root": math.sqrt,
    "linear": float,
    "quadratic": lambda x: x * x,
    "logarithm": lambda x: math.log1p((math.e - 1) * x),
    "exponential": lambda x: math.expm1(x) / (math.e - 1),
}


def check_pace(pace: str) -> None:
    """Raise a `ValueError` unless `pace` is the name of one."""
    check_choice(pace, tuple(_PACES), "pace")


def paced(epoch: int, ramp: int, pace: Pace) -> float:
    """The share of the way, in (0, 1], that an epoch opens: rising, and 1 from the epoch before `ramp` on.

    Example:
        >>> [round(paced(epoch, 4, "root"), 2) for epoch in range(5)]
        [0.5, 0.71, 0.87, 1.0, 1.0]
    """
    return _PACES[pace](min((epoch + 1) / ramp, 1.0) if ramp else 1.0)
