"""Running compiled loops as plain Python, where coverage sees them and no wrap-around hides."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

import numpy as np
import pytest


def run_as_python(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
    """Put the Python source in the place of every compiled function of `modules`, and quiet wrap-around."""
    for module in modules:
        for name, value in list(vars(module).items()):
            if name == "prefetch":  # machine code with no source
                monkeypatch.setattr(module, name, lambda array, index: array[index])
            elif name == "word_at" and hasattr(value, "py_func"):  # a compiled function hands Python a signed integer
                monkeypatch.setattr(module, name, lambda key, slot, word=value: np.uint64(word(key, slot)))
            elif name == "mix" and hasattr(value, "py_func"):
                monkeypatch.setattr(module, name, lambda word, finish=value: np.uint64(finish(word)))
            elif hasattr(value, "py_func") and value.py_func.__module__ == module.__name__:
                monkeypatch.setattr(module, name, _quiet(value.py_func))


def _quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    # hashes multiply uint64 modulo 2^64: NumPy's scalars warn where compiled code does not
    @wraps(function)
    def call(*args: Any) -> Any:
        with np.errstate(over="ignore"):
            return function(*args)

    return call
