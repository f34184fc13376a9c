"""The methods on nodes by name, and where each is."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

METHODS = {
    "grace": "grace:Grace",
    "gca": "gca:Gca",
    "progcl": "progcl:ProGCL",
    "dgi": "dgi:Dgi",
    "bgrl": "bgrl:Bgrl",
    "cca-ssg": "cca_ssg:CcaSsg",
    "deepwalk": "deepwalk:DeepWalk",
    "node2vec": "deepwalk:Node2Vec",
    "line": "line:Line",
}
"""Name -> module in `graphns.pipelines` and class."""


def find(name: str) -> type[Any]:
    """The class of a method, a `NodeMethod`.

    Raises:
        ValueError: no method is so called; the message gives the nearest.

    Example:
        >>> find("grace").__name__
        'Grace'
    """
    known = {each.lower(): each for each in METHODS}
    plain = name.strip().lower().replace("_", "-")
    if plain not in known:
        near = difflib.get_close_matches(plain, known, n=1, cutoff=0.5)
        hint = f"did you mean {known[near[0]]!r}?" if near else f"there are: {', '.join(METHODS)}"
        raise ValueError(f"no method on nodes is called {name!r}; {hint}")
    module, _, cls = METHODS[known[plain]].partition(":")
    found: type[Any] = getattr(import_module(f"graphns.pipelines.{module}"), cls)
    return found


def name_of(method: type[Any]) -> str:
    """The first name of a method's class in the table.

    Raises:
        ValueError: it is not in the table.
    """
    for name, target in METHODS.items():
        if target.partition(":")[2] == method.__name__:
            return name
    raise ValueError(f"{method.__name__} is not in the table of methods")
