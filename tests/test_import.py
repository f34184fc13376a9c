"""What an import costs: nothing is loaded before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import graphns

HEAVY = (
    "numba", "torch_geometric", "scipy", "lightning", "sklearn", "pandas", "matplotlib", "networkx", "pynndescent",
    "faiss", "rich", "typer", "pyarrow",
)


def loaded_after(code: str, names: tuple[str, ...]) -> list[str]:
    """Which of the modules are loaded once `code` has run in a new interpreter."""
    shown = f"{code}\nimport sys\nprint(','.join(n for n in {names!r} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True, timeout=120)
    return [name for name in done.stdout.splitlines()[-1].split(",") if name]


def test_the_package_alone_loads_nothing_heavy() -> None:
    assert loaded_after("import graphns", ("torch", *HEAVY)) == []


def test_the_contract_adds_nothing_to_torch() -> None:
    """`base`, `streams` and the registry stand on torch alone; what torch loads by itself is not ours."""
    by_torch = loaded_after("import torch, torch.utils.data", HEAVY)
    code = "from graphns import Query, Sampler, Stream\nimport graphns.registry\ngraphns.registry.entries()"
    assert loaded_after(code, HEAVY) == by_torch


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys\nfrom graphns.cli import main\nsys.argv = ['graphns', '--help']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code"
    )
    assert loaded_after(code, ("torch", "numba", "torch_geometric", "scipy", "lightning", "pandas", "matplotlib")) == []


@pytest.mark.parametrize("name", sorted(graphns.__all__))
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(graphns, name) is not None
    assert name in dir(graphns)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Unifrom"):
        graphns.Unifrom  # noqa: B018


def test_every_sampler_is_imported_by_its_class() -> None:
    """A name that `graphns list` shows is a class of the package itself."""
    from graphns.registry import entries

    for row in entries("sampler"):
        if row.family != "third party":
            assert getattr(graphns, row.target.partition(":")[2]) is row.load()
