"""Short import of OGB's classes, whose files current torch loads: `from graphns.ogb import PygLinkPropPredDataset`.

In the place of OGB's, which torch >= 2.6 cannot load as they are::

    from graphns.ogb import PygLinkPropPredDataset, Evaluator      # was: from ogb.linkproppred import …
    from graphns.ogb import PygNodePropPredDataset, Evaluator      # was: from ogb.nodeproppred import …

They are OGB's own classes, with its arguments, files and objects. Nothing that a file says is executed, and what torch
may load elsewhere stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphns.adapters.ogb.datasets import Evaluator, dataset_class

if TYPE_CHECKING:
    from ogb.linkproppred import DglLinkPropPredDataset, PygLinkPropPredDataset
    from ogb.nodeproppred import DglNodePropPredDataset, PygNodePropPredDataset

__all__ = [
    "DglLinkPropPredDataset",
    "DglNodePropPredDataset",
    "Evaluator",
    "PygLinkPropPredDataset",
    "PygNodePropPredDataset",
]


def __getattr__(name: str) -> Any:
    if name in __all__:  # subclasses of OGB's: OGB, PyG and DGL are imported when one is asked for
        return dataset_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
