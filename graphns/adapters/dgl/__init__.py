"""Negative sampling for DGL: any static sampler in its edge loaders, and its own samplers, exact.

In the place of DGL's negative samplers, for `dgl.dataloading.as_edge_prediction_sampler(negative_sampler=…)`::

    from graphns.dgl import as_negative_sampler    # any sampler: Degree, Popularity, HopRing, Mixture, …
    from graphns.dgl import PerSourceUniform       # was: dgl.dataloading.negative_sampler.PerSourceUniform, or Uniform
    from graphns.dgl import GlobalUniform          # was: dgl.dataloading.negative_sampler.GlobalUniform
    from graphns.dgl import global_uniform_negative_sampling       # was: in dgl.sampling

What differs from DGL 1.1.3, each time because DGL's answer is wrong or missing:

- global draws are uniform: DGL sorts its pairs and cuts off what is too much, so that high ids come too rarely;
- min(num_samples, number of non-edges) pairs, always; DGL gives up on dense graphs;
- `PerSourceUniform` draws no edge of the graph and not the source itself; ``exclude_edges=False`` is DGL's. A source
  that is joined to all nodes has no negative: an error says so, or ``short="drop"`` leaves it out;
- a seed: one integer, and every draw is the same for any number of workers. Without one torch's default generator
  governs; in DGL it governs one of the samplers, `dgl.seed` the other;
- of several edge types, one must be named; DGL takes the first.

Id types (int32, int64), the device and the row-major order are DGL's. Nothing here imports DGL before one of the
classes, or a sampler of `as_negative_sampler`, is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphns.adapters.dgl.functions import as_negative_sampler, global_uniform_negative_sampling

if TYPE_CHECKING:
    from graphns.adapters.dgl.negative_samplers import GlobalUniform, NegativeSampler, PerSourceUniform

__all__ = [
    "GlobalUniform",
    "NegativeSampler",
    "PerSourceUniform",
    "as_negative_sampler",
    "global_uniform_negative_sampling",
]


def __getattr__(name: str) -> Any:
    # subclasses of DGL's: DGL takes a second to import, and has no wheel for every Python
    if name in ("GlobalUniform", "NegativeSampler", "PerSourceUniform"):
        from graphns.adapters.dgl import negative_samplers

        return getattr(negative_samplers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
