"""PyG's negative sampling, exact and fast: the same names, arguments and results as in `torch_geometric.utils`.

Replace the import, and nothing else changes::

    from graphns.pyg import negative_sampling     # was: from torch_geometric.utils import negative_sampling

What differs from PyG 2.8, each time because PyG's answer is wrong, slow or missing:

- exactly min(num_neg_samples, number of non-edges) pairs, distinct, at any density; PyG tries three times;
- a copied edge counts once as an edge, so no non-edge is missed; the default count is still one per column;
- ``force_undirected`` excludes an edge given in either direction;
- zero samples give an empty int64 [2, 0];
- edges and batch vectors need not be sorted by graph;
- `structured_negative_sampling` raises `InfeasibleError` where PyG never returns, and takes (num_src, num_dst);
- any number of nodes; ids out of range are refused;
- randomness comes from `generator`, or one key from torch's default generator: `torch.manual_seed` governs every
  function here. In PyG it governs one of them, Python's `random` the other;
- a `Graph` in place of `edge_index` skips building the index, which is most of a call.

Int32 input gives int64 results, and results lie on the input's device, as in PyG.

Beside the functions stand `LinkNeighborLoader` and `NeighborLoader`, PyG's loaders with negatives of any sampler, and
the `NeighborSampler` under them: sampled neighbourhoods without pyg-lib or torch-sparse; and the transform `KNNGraph`.

Nothing here imports PyG, except these four, when they are asked for, and `install` and `patched`, which put the
functions in the place of PyG's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphns.adapters.pyg.batched import batched_negative_sampling
from graphns.adapters.pyg.functions import (
    negative_sampling,
    structured_negative_sampling,
    structured_negative_sampling_feasible,
)
from graphns.adapters.pyg.patch import install, patched, uninstall

if TYPE_CHECKING:
    from graphns.adapters.pyg.knn_graph import KNNGraph
    from graphns.adapters.pyg.loaders import LinkNeighborLoader, NeighborLoader
    from graphns.adapters.pyg.neighbor_sampler import NeighborSampler

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
    # classes of PyG's: PyG takes seconds to import, which the functions need not wait for
    if name == "NeighborSampler":
        from graphns.adapters.pyg.neighbor_sampler import NeighborSampler

        return NeighborSampler
    if name == "KNNGraph":
        from graphns.adapters.pyg.knn_graph import KNNGraph

        return KNNGraph
    if name in ("LinkNeighborLoader", "NeighborLoader"):
        from graphns.adapters.pyg import loaders

        return getattr(loaders, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
