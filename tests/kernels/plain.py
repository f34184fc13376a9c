"""Running compiled loops as plain Python, where coverage sees them and no wrap-around hides."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest


def run_as_python(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
    """Put the Python source in the place of every compiled function of `modules`, and quiet their wrap-around."""
    for module in modules:
        for name, value in list(vars(module).items()):
            if name == "prefetch":  # machine code with no source
                monkeypatch.setattr(module, name, lambda array, index: array[index])
            elif hasattr(value, "py_func") and value.py_func.__module__ == module.__name__:
                monkeypatch.setattr(module, name, value.py_func)
    # the hash of a table multiplies uint64 modulo 2^64: NumPy's scalars warn where compiled code does not
    np.seterr(over="ignore")
