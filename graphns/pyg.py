"""Short import of the PyG adapter: `from graphns.pyg import negative_sampling`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphns.adapters import pyg as _adapter
from graphns.adapters.pyg import (
    batched_negative_sampling,
    install,
    negative_sampling,
    patched,
    structured_negative_sampling,
    structured_negative_sampling_feasible,
    uninstall,
)

if TYPE_CHECKING:
    from graphns.adapters.pyg import KNNGraph, LinkNeighborLoader, NeighborLoader, NeighborSampler

__all__ = [
    "KNNGraph",
    "LinkNeighborLoader",
    "NeighborLoader",
    "NeighborSampler",
    "batched_negative_sampling",
    "install",
    "negative_sampling",
    "patched",
    "structured_negative_sampling",
    "structured_negative_sampling_feasible",
    "uninstall",
]


def __getattr__(name: str) -> Any:
    if name in ("KNNGraph", "LinkNeighborLoader", "NeighborLoader", "NeighborSampler"):  # they import PyG
        return getattr(_adapter, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
