"""Short import of the PyG adapter: `from graphns.pyg import negative_sampling`."""

from __future__ import annotations

from graphns.adapters.pyg import (
    batched_negative_sampling,
    install,
    negative_sampling,
    patched,
    structured_negative_sampling,
    structured_negative_sampling_feasible,
    uninstall,
)

__all__ = [
    "batched_negative_sampling",
    "install",
    "negative_sampling",
    "patched",
    "structured_negative_sampling",
    "structured_negative_sampling_feasible",
    "uninstall",
]
