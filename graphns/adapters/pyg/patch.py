"""These functions in the place of PyG's own, so that PyG's transforms and models use them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from graphns.adapters.pyg.batched import batched_negative_sampling
from graphns.adapters.pyg.functions import (
    negative_sampling,
    structured_negative_sampling,
    structured_negative_sampling_feasible,
)

Functions = dict[str, Callable[..., Any]]

_OURS: Functions = {
    "negative_sampling": negative_sampling,
    "batched_negative_sampling": batched_negative_sampling,
    "structured_negative_sampling": structured_negative_sampling,
    "structured_negative_sampling_feasible": structured_negative_sampling_feasible,
}
_theirs: Functions = {}
_packages: set[str] = set()


def install(*packages: str) -> None:
    """Put graphns's functions in PyG's place, wherever PyG, or one of `packages`, has imported them.

    RandomLinkSplit, GAE, SignedGCN, SuperGAT, add_random_edge and whatever else in PyG samples negatives then uses
    them. Modules that are imported later get them too. `uninstall` takes them out.

    Args:
        packages: further packages, by name, whose modules have imported PyG's functions by name.

    Example:
        >>> install(); uninstall()
    """
    import torch_geometric.utils as utils

    if not _theirs:
        _theirs.update({name: getattr(utils, name) for name in _OURS})
    _packages.update(packages, ("torch_geometric",))
    _exchange(_theirs, _OURS, _packages)


def uninstall() -> None:
    """Put PyG's own functions back, wherever `install` has been; nothing happens where it has not."""
    if _theirs:
        _exchange(_OURS, _theirs, _packages)
        _theirs.clear()
        _packages.clear()


@contextmanager
def patched(*packages: str) -> Iterator[None]:
    """`install` within a `with` block, and what was there before after it.

    Args:
        packages: further packages, as for `install`.

    Example:
        >>> import torch_geometric.utils
        >>> with patched():
        ...     torch_geometric.utils.negative_sampling.__module__
        'graphns.adapters.pyg.functions'
    """
    before = set(_packages)
    install(*packages)
    try:
        yield
    finally:
        if before:  # installed already, outside this block
            _exchange(_OURS, _theirs, _packages - before)
            _packages.intersection_update(before)
        else:
            uninstall()


def _exchange(old: Functions, new: Functions, packages: set[str]) -> None:
    by_identity = {id(function): new[name] for name, function in old.items()}
    for name, module in list(sys.modules.items()):
        if module is None or name.split(".")[0] not in packages:
            continue
        for key, value in list(vars(module).items()):
            if id(value) in by_identity:
                setattr(module, key, by_identity[id(value)])
