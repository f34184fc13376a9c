"""Running compiled loops as plain Python, where coverage sees them and no wrap-around hides."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

import numpy as np
import pytest

UNSIGNED = {"word_at": np.uint64, "mix": np.uint64, "edge_code": np.uint64, "word_of": np.uint64, "pattern": np.uint32}


def run_as_python(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
    """Put the Python source in the place of every compiled function of `modules`, and quiet wrap-around.

    What they import from each other is replaced with it; what comes from elsewhere stays compiled.
    """
    names = {module.__name__: module for module in modules}
    found = [(module, name, value, names.get(value.py_func.__module__)) for module in modules
             for name, value in list(vars(module).items()) if hasattr(value, "py_func")]
    for module, name, value, home in found:
        if home is module:
            monkeypatch.setattr(module, name, _quiet(value.py_func))
    for module, name, value, home in found:
        if home is None and name in UNSIGNED:  # a compiled function hands Python a plain integer
            monkeypatch.setattr(module, name, _typed(value, UNSIGNED[name]))
        elif home not in (None, module):
            monkeypatch.setattr(module, name, getattr(home, value.py_func.__name__))


def _typed(function: Callable[..., Any], kind: type[np.generic]) -> Callable[..., Any]:
    return lambda *args: kind(function(*args))


def _quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    # hashes multiply uint64 modulo 2^64: NumPy's scalars warn where compiled code does not
    @wraps(function)
    def call(*args: Any) -> Any:
        with np.errstate(over="ignore"):
            return function(*args)

    return call
