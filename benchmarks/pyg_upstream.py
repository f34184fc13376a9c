"""Run PyG's own tests of negative sampling, of what uses it, and of its loaders, with graphns's in PyG's place.

PyG's tests are in its repository, not in its wheel. Check out the tag of the installed version, then:

    git clone --depth 1 --branch 2.8.1 https://github.com/pyg-team/pytorch_geometric /tmp/pyg
    python benchmarks/pyg_upstream.py /tmp/pyg

The installed PyG is what is tested, not the checkout: only the checkout's test files are used. At the end the calls of
each of our functions and loaders are printed; a run that never reached them is an error (exit code 3), and so is a
checkout without any of the test files (exit code 2). Otherwise the exit code is pytest's.

Tests of loaders that PyG skips without pyg-lib or torch-sparse run: ours need neither. Those that call pyg-lib or
torch-sparse themselves, or make a SparseTensor, still skip or fail, for want of them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from torch_geometric import loader
from torch_geometric.testing import decorators

from graphns import pyg
from graphns.adapters.pyg import patch

TESTS = (
    "test/utils/test_negative_sampling.py",
    "test/utils/test_augmentation.py",
    "test/transforms/test_random_link_split.py",
    "test/nn/models/test_autoencoder.py",
    "test/nn/models/test_signed_gcn.py",
    "test/nn/conv/test_supergat_conv.py",
    "test/graphgym/test_graphgym.py",
    "test/loader/test_link_neighbor_loader.py",
    "test/loader/test_neighbor_loader.py",
)
LOADERS = ("LinkNeighborLoader", "NeighborLoader")


class InPlaceOfPyG:
    """A pytest plugin: ours are in place before any test file is imported, and their calls are counted."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.kept = dict(patch._OURS)
        self.loaders: dict[str, Any] = {}

    def pytest_configure(self) -> None:
        """Before collection."""
        patch._OURS.update({name: self._counted(name, function) for name, function in self.kept.items()})
        patch.install()
        self.loaders = {name: self._counted_class(getattr(pyg, name)) for name in LOADERS}
        patch._exchange({name: getattr(loader, name) for name in LOADERS}, self.loaders, {"torch_geometric"})
        has_package = decorators.has_package
        decorators.WITH_PYG_LIB = True  # what PyG's marks of such tests ask for
        decorators.has_package = lambda package: package.startswith("pyg_lib") or has_package(package)

    def pytest_unconfigure(self) -> None:
        """After everything."""
        patch.uninstall()
        patch._OURS.update(self.kept)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """How often each function was reached."""
        terminalreporter.section("calls of graphns's functions")
        for name in (*self.kept, *LOADERS):
            terminalreporter.write_line(f"{name}: {self.calls[name]}")

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            self.calls[name] += 1
            return function(*args, **options)

        return call


    def _counted_class(self, ours: Any) -> Any:
        def begin(loader: Any, *args: Any, **options: Any) -> None:
            self.calls[ours.__name__] += 1
            ours.__init__(loader, *args, **options)

        return type(ours.__name__, (ours,), {"__init__": begin, "__doc__": ours.__doc__})


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="PyG's own tests, with graphns's in PyG's place")
    parser.add_argument("checkout", type=Path, help="a checkout of PyG's repository")
    parser.add_argument("pytest_options", nargs="*", help="further options for pytest, after --")
    options = parser.parse_args(arguments)
    checkout = options.checkout.resolve()
    files = [name for name in TESTS if (checkout / name).exists()]
    for name in set(TESTS) - set(files):
        print(f"not in the checkout: {name}")
    if not files:
        print(f"{checkout} has none of PyG's test files; give a checkout of its repository, not an installed package")
        return 2
    plugin = InPlaceOfPyG()
    os.chdir(checkout)  # PyG's tests and their settings expect it
    code = pytest.main(["-p", "no:cacheprovider", *options.pytest_options, *files], plugins=[plugin])
    if not plugin.calls and code == 0:
        print("no test called a function of graphns: the run shows nothing")
        return 3
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
