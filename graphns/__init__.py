"""graphns: negative sampling for graph representation learning.

Names are imported when first used, so `import graphns` costs little beside what a user has imported already.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "Feedback": "base", "InfeasibleError": "base", "Model": "base", "Negatives": "base", "Query": "base",
    "Sampler": "base", "Stream": "streams", "Graph": "graph.graph", "EdgeSet": "graph.known",
    "Uniform": "samplers.static.uniform", "Degree": "samplers.static.degree", "HopRing": "samplers.static.hop_ring",
    "GlobalEdges": "samplers.static.global_edges", "Hardest": "samplers.dynamic.hardest",
    "Tempered": "samplers.dynamic.tempered", "RandomWalk": "samplers.dynamic.random_walk",
    "Adversarial": "samplers.adversarial.adversarial", "InBatch": "samplers.efficient.in_batch",
    "Clustered": "samplers.efficient.clustered", "Mixture": "samplers.compose.mixture",
    "Filtered": "samplers.compose.filtered", "Scheduled": "samplers.compose.scheduled", "All": "samplers.compose.all",
}
_MODULES = ("pyg", "adapters", "graph", "kernels", "objectives", "pipelines", "registry", "samplers", "streams")

__all__ = ["__version__", *_PLACES]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"graphns.{_PLACES[name]}"), name)
    if name in _MODULES:
        return import_module(f"graphns.{name}")
    raise AttributeError(f"module 'graphns' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES, *_MODULES])
