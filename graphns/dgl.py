"""Short import of the DGL adapter: `from graphns.dgl import as_negative_sampler`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphns.adapters import dgl as _adapter
from graphns.adapters.dgl import as_negative_sampler, global_uniform_negative_sampling

if TYPE_CHECKING:
    from graphns.adapters.dgl import GlobalUniform, NegativeSampler, PerSourceUniform

__all__ = [
    "GlobalUniform",
    "NegativeSampler",
    "PerSourceUniform",
    "as_negative_sampler",
    "global_uniform_negative_sampling",
]


def __getattr__(name: str) -> Any:
    if name in __all__:  # the classes import DGL, so they wait until they are asked for
        return getattr(_adapter, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
