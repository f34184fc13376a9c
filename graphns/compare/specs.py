"""Samplers as a user writes them on the command line: `hardest:pool=64:top=5`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphns import registry
from graphns.base import Sampler
from graphns.compare.options import option_names
from graphns.graph.graph import Graph

ALL_FITTING = "all-fitting"
"""The word for every registered sampler whose needs are met."""
NEEDS = {
    "model": "a model's scores", "features": "a feature vector for each node", "relations": "triples with relations",
    "types": "a type for each node", "time": "a time for each edge", "clusters": "a cluster for each node",
    "candidates": "a list of candidates for each anchor", "labels": "a class for each node",
    "vectors": "training that scores vectors", "pairs": "training that takes pairs of its own",
}
"""What the registry's `needs` mean, in words."""
POOL_FACTOR = 4  # a sampler that chooses from a pool has this many times k candidates, unless told otherwise
_WORDS: dict[str, Any] = {"true": True, "yes": True, "false": False, "no": False, "none": None}


@dataclass(frozen=True)
class Spec:
    """One sampler with its options.

    Args:
        text: as the user wrote it; the name of its rows in every table.
        name: its name in the registry.
        options: what goes to `from_graph`.
        target: `module:Class`, so that another process finds the class without this process's registry.
    """

    text: str
    name: str
    options: dict[str, Any]
    target: str

    def build(self, graph: Graph, **defaults: Any) -> Sampler:
        """The sampler over a graph. Defaults yield to the spec's options, and to classes that do not know them.

        A default may be a function without arguments, called only where the class knows the option.

        Raises:
            ValueError: the class refuses its options, or needs more than a graph.
        """
        cls = registry.Entry(self.name, "sampler", self.target, "", "").load()
        known = option_names(cls)
        options = dict(self.options)
        for key, value in defaults.items():
            if key in known and key not in options:
                options[key] = value() if callable(value) else value
        try:
            sampler: Sampler = cls.from_graph(graph, **options)
        except (TypeError, AttributeError, RuntimeError) as error:
            if not self.options and not isinstance(error, TypeError):
                raise  # no value of the user's can be what is wrong
            raise ValueError(f"{self.text} cannot be built from a graph and options alone: {error}") from error
        return sampler


def parse(text: str) -> Spec:
    """Read `name` or `name:option=value:option=value`.

    Values are integers, numbers, true, false, none or words.

    Raises:
        ValueError: no such sampler or option; the message gives the nearest one.

    Example:
        >>> parse("hardest:pool=64").options
        {'pool': 64}
    """
    name, *pairs = text.strip().split(":")
    entry = registry.find(name)
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise ValueError(f"{text!r}: write options as name:option=value, not {pair!r}")
        if key in options:
            raise ValueError(f"{text!r}: the option {key!r} is given twice")
        options[key] = _value(value.strip())
    if options:
        known = option_names(entry.load())
        for key in options:
            if key not in known:
                raise ValueError(f"{entry.name} has no option {key!r}; {_nearest(key, known)}")
    return Spec(":".join([entry.name, *(f"{key}={value}" for key, value in options.items())]), entry.name, options,
                entry.target)


def parse_list(text: str, given: Mapping[str, str | None] | None = None) -> tuple[Spec, ...]:
    """Read specs separated by commas; `all-fitting` stands for every sampler that is not named beside it and fits.

    Args:
        text: as the user wrote it.
        given: what there is to be had; see `unmet`. None: there is nothing to fit, and `all-fitting` is no name.

    Raises:
        ValueError: none is given, one is wrong, or one comes twice.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if given is not None and part.lower() != ALL_FITTING and difflib.get_close_matches(part, [ALL_FITTING], 1, 0.8):
            raise registry.UnknownNameError(f"no sampler is called {part!r}; did you mean {ALL_FITTING!r}?")
    specs = [parse(part) for part in parts if given is None or part.lower() != ALL_FITTING]
    if given is not None and len(specs) < len(parts):
        named = {spec.name for spec in specs}
        rows = [row for row in registry.entries("sampler") if row.name not in named and not unmet(row, given)]
        specs += [Spec(row.name, row.name, {}, row.target) for row in rows]
    if not specs:
        raise ValueError("name at least one sampler; 'graphns list --kind sampler' shows them")
    texts = [spec.text for spec in specs]
    for each in texts:
        if texts.count(each) > 1:
            raise ValueError(f"the sampler {each!r} is named twice")
    return tuple(specs)


def needs(spec: Spec) -> tuple[str, ...]:
    """What a sampler takes besides a graph; nothing is known of one that is not registered here.

    Example:
        >>> needs(parse("moco"))
        ('vectors',)
    """
    known = {entry.target: entry.needs for entry in registry.entries("sampler")}
    return known.get(spec.target, ())


def unmet(entry: registry.Entry, given: Mapping[str, str | None]) -> tuple[str, ...]:
    """The needs of a sampler that are not met, in words; empty if it fits.

    Args:
        entry: its row in the registry.
        given: each need that can be met, with the option of `from_graph` that takes it; None where the query brings it.

    Example:
        >>> unmet(registry.find("hardest"), {}), unmet(registry.find("hardest"), {"model": None})
        (("a model's scores",), ())
    """
    missing = []
    for need in entry.needs:
        option = given.get(need)
        if need not in given or (option is not None and option not in option_names(entry.load())):
            missing.append(NEEDS.get(need, need))
    return tuple(missing)


def misfits(specs: tuple[Spec, ...], given: Mapping[str, str | None], what: str) -> dict[str, str]:
    """Of each spec that does not fit, by its text, what it needs and `what` has not.

    Raises:
        ValueError: none of the specs fits.
    """
    found = {}
    for spec in specs:
        missing = unmet(registry.find(spec.name), given)
        if missing:
            found[spec.text] = f"needs {' and '.join(missing)}, which {what} has not"
    if len(found) == len(specs):
        each = "; ".join(f"{text} {reason}" for text, reason in found.items())
        raise ValueError(f"{each}; --samplers {ALL_FITTING} takes those that fit")
    return found


def _nearest(key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"it has {', '.join(known)}" if known else "it has none"


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
