"""Benchmarks as modules: they are scripts, and no package."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def load_script() -> Callable[[str, str], ModuleType]:
    """A function (file below benchmarks/, name of the module) -> the script, as a module of a name of its own."""

    def load(file: str, name: str) -> ModuleType:
        path = FOLDER / file
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))  # as for a script
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module

    return load
