"""OGB's own classes, whose files torch >= 2.6 loads, and without executing what they hold."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from graphns.adapters.ogb.reading import Task, evaluator, import_ogb, safe_loading

_TASKS: dict[str, Task] = {"Link": "linkproppred", "Node": "nodeproppred"}
NAMES = tuple(f"{library}{kind}PropPredDataset" for library in ("Dgl", "Pyg") for kind in _TASKS)
"""The classes that `dataset_class` makes."""
# what calls torch.load; the constructor also reads what it has made
_LOADING = ("__init__", "get_edge_split", "get_idx_split")


class Evaluator:
    """OGB's evaluator of a data set, links or nodes: `ogb.linkproppred.Evaluator` or `ogb.nodeproppred.Evaluator`.

    Args:
        name: "ogbl-…" or "ogbn-…".

    Returns:
        An object of OGB's own class, new each time.

    Raises:
        ValueError: `ogb` is not installed, or has no such data set.

    Example:
        >>> Evaluator(name="ogbl-ddi").K
        20
    """

    def __new__(cls, name: str) -> Any:
        """OGB's object."""
        for kind, task in _TASKS.items():
            if name.startswith(f"ogb{kind[0].lower()}-"):
                evaluator(task, name)  # refuses an unknown name, without a word on stdout
                return import_ogb(task).Evaluator(name)
        raise ValueError(f"OGB's evaluators are of links, ogbl-…, and of nodes, ogbn-…; got {name!r}")


@cache
def dataset_class(name: str) -> type[Any]:
    """A subclass of OGB's class of that name, alike but for how it loads: `safe_loading`.

    Arguments, files and what comes back are OGB's. A file that would have to be executed is refused.

    Args:
        name: one of `NAMES`.

    Raises:
        ImportError: PyG or DGL, whichever the class is for, cannot be imported.
        ValueError: `ogb` is not installed; the class, later: a file cannot be read without executing it.
    """
    library, task = name[:3], _TASKS[name[3:7]]
    if library == "Dgl":
        from graphns.adapters.dgl.library import load_dgl

        load_dgl()
    ogb = import_ogb(task)
    if not hasattr(ogb, name):  # OGB leaves a class out without a word; its own file says why
        ogb = import_module(f"ogb.{task}.dataset_{library.lower()}")
    theirs: type[Any] = getattr(ogb, name)
    loads = {each: _safely(getattr(theirs, each)) for each in _LOADING if hasattr(theirs, each)}
    # under the name by which `graphns.ogb` hands it on, so that it pickles
    return type(name, (theirs,), {**loads, "__doc__": theirs.__doc__, "__module__": "graphns.ogb"})


def _safely(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        with safe_loading():
            try:
                return method(self, *args, **options)
            except pickle.UnpicklingError as error:
                raise ValueError(f"{getattr(self, 'root', 'the data set')} holds a file that cannot be read without "
                                 "executing it: delete its processed folder, or the data, which are then downloaded "
                                 "again") from error

    return call
