"""Names of everything a user can ask for: samplers, objectives, mixers, batchers; with family, paper and needs.

The rows themselves are in `graphns.catalogue`. Nothing is imported until it is asked for. Third parties add rows by the
entry-point group `graphns.samplers`, each entry point naming a `Sampler` class, or by `register`.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from graphns.catalogue import adversarial, batchers, compose, dynamic, efficient, mixers, objectives, static
from graphns.catalogue.entry import Entry, Kind

__all__ = ["ENTRY_POINTS", "Entry", "Kind", "UnknownNameError", "entries", "find", "load", "register"]
ENTRY_POINTS = "graphns.samplers"
_BUILT_IN: tuple[Entry, ...] = (
    *static.ROWS, *dynamic.ROWS, *adversarial.ROWS, *efficient.ROWS, *compose.ROWS, *objectives.ROWS, *mixers.ROWS,
    *batchers.ROWS,
)


class UnknownNameError(ValueError):
    """No entry of that name; the message gives the nearest ones."""


_registered: dict[tuple[str, str], Entry] = {}


@cache
def _third_party() -> tuple[Entry, ...]:
    found = []
    for point in entry_points(group=ENTRY_POINTS):
        package = point.dist.name if point.dist is not None else "unknown package"
        found.append(Entry(point.name, "sampler", point.value, "third party", f"from {package}"))
    return tuple(found)


def entries(kind: Kind | None = None) -> list[Entry]:
    """All rows, or those of one kind: built-in, by entry point, by `register`."""
    rows = [*_BUILT_IN, *_third_party(), *_registered.values()]
    return [row for row in rows if kind is None or row.kind == kind]


def find(name: str, kind: Kind = "sampler") -> Entry:
    """The row of a name or alias.

    Raises:
        UnknownNameError: with what the name is among other kinds, or the nearest right names.

    Example:
        >>> find("dns").target
        'graphns.samplers.dynamic.hardest:Hardest'
    """
    wanted = name.strip().lower().replace("_", "-")
    names: dict[str, Entry] = {}
    for row in entries(kind):
        for each in (row.name, *row.aliases):
            names.setdefault(each, row)
    if wanted in names:
        return names[wanted]
    others = [row for row in entries() if wanted in (row.name, *row.aliases)]
    if others:  # the right name, asked for as the wrong kind
        known = "; ".join(f"{wanted} is {_article(row.kind)}: {row.target.replace(':', '.')}" for row in others)
        raise UnknownNameError(f"no {kind} is called {name!r}; {known}")
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(row.name for row in entries(kind))}"
    raise UnknownNameError(f"no {kind} is called {name!r}; {hint}")


def _article(kind: Kind) -> str:
    return f"an {kind}" if kind == "objective" else f"a {kind}"


def load(name: str, kind: Kind = "sampler") -> Any:
    """The class or function of a name or alias."""
    return find(name, kind).load()


def register(entry: Entry) -> None:
    """Add a row.

    Raises:
        ValueError: the name or an alias is taken.
    """
    taken = {each for row in entries(entry.kind) for each in (row.name, *row.aliases)}
    for name in (entry.name, *entry.aliases):
        if name in taken:
            raise ValueError(f"the {entry.kind} name {name!r} is taken; choose another")
    _registered[(entry.kind, entry.name)] = entry
