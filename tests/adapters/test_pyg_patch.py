"""Putting ours in PyG's place, everywhere, and taking them out again."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Iterator

import pytest
import torch
import torch_geometric.nn.conv.supergat_conv as supergat
import torch_geometric.nn.models.autoencoder as autoencoder
import torch_geometric.nn.models.signed_gcn as signed_gcn
import torch_geometric.transforms.random_link_split as link_split
import torch_geometric.utils as utils
import torch_geometric.utils.augmentation as augmentation

from graphns import pyg

PLACES = [
    (utils, "negative_sampling"), (utils, "batched_negative_sampling"), (utils, "structured_negative_sampling"),
    (utils, "structured_negative_sampling_feasible"), (utils._negative_sampling, "negative_sampling"),
    (link_split, "negative_sampling"), (autoencoder, "negative_sampling"), (augmentation, "negative_sampling"),
    (signed_gcn, "negative_sampling"), (signed_gcn, "structured_negative_sampling"),
    (supergat, "negative_sampling"), (supergat, "batched_negative_sampling"),
]


def is_ours() -> list[bool]:
    return [getattr(module, name) is getattr(pyg, name) for module, name in PLACES]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    assert not any(is_ours())
    yield
    pyg.uninstall()
    assert not any(is_ours())


def test_everywhere_and_back() -> None:
    before = [getattr(module, name) for module, name in PLACES]
    with pyg.patched():
        assert all(is_ours())
    assert [getattr(module, name) for module, name in PLACES] == before


def test_back_after_an_error() -> None:
    with pytest.raises(KeyError), pyg.patched():
        raise KeyError
    assert not any(is_ours())


def test_blocks_within_blocks() -> None:
    with pyg.patched():
        with pyg.patched():
            pass
        assert all(is_ours())
    pyg.install()
    with pyg.patched():
        pass
    assert all(is_ours())
    pyg.install()
    pyg.uninstall()
    pyg.uninstall()


def test_own_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's module that imported the name itself is reached by naming its package."""
    module = types.ModuleType("somebody.training")
    module.sample = utils.negative_sampling  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somebody.training", module)
    with pyg.patched():
        assert module.sample is not pyg.negative_sampling
        with pyg.patched("somebody"):
            assert module.sample is pyg.negative_sampling
        assert module.sample is not pyg.negative_sampling
    with pyg.patched("somebody"):
        assert module.sample is pyg.negative_sampling
        from torch_geometric.utils import negative_sampling as imported_meanwhile

        module.later = imported_meanwhile  # type: ignore[attr-defined]
    assert module.sample is module.later is utils.negative_sampling is not pyg.negative_sampling


def test_without_pyg_nothing_of_it_is_imported() -> None:
    """The functions are ours alone: PyG takes seconds to import, and is not needed."""
    code = ("import sys, torch; from graphns.pyg import negative_sampling; "
            "negative_sampling(torch.tensor([[0, 1], [1, 2]])); "
            "assert not any(name.startswith('torch_geometric') for name in sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_short_import() -> None:
    import graphns

    assert graphns.pyg.negative_sampling is pyg.negative_sampling
    # what imports PyG waits until it is asked for
    late = {"KNNGraph", "LinkNeighborLoader", "NeighborLoader", "NeighborSampler"}
    assert set(pyg.__all__) - set(vars(pyg)) <= late
    assert all(getattr(pyg, name) is getattr(graphns.adapters.pyg, name) for name in pyg.__all__)
    with pytest.raises(AttributeError, match=r"'graphns.pyg' has no attribute 'NeighbourSampler'"):
        graphns.pyg.NeighbourSampler  # noqa: B018
    assert torch.is_tensor(graphns.pyg.negative_sampling(torch.tensor([[0], [1]]), 3))
