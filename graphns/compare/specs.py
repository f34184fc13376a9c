"""Samplers as a user writes them on the command line: `hardest:pool=64:top=5`."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass
from typing import Any

from graphns import registry
from graphns.base import Sampler
from graphns.graph.graph import Graph
from graphns.samplers.static.uniform import Uniform

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

        Raises:
            ValueError: the class refuses its options, or needs more than a graph.
        """
        cls = registry.Entry(self.name, "sampler", self.target, "", "").load()
        known = option_names(cls)
        options = {**{key: value for key, value in defaults.items() if key in known}, **self.options}
        try:
            sampler: Sampler = cls.from_graph(graph, **options)
        except TypeError as error:
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


def parse_list(text: str) -> tuple[Spec, ...]:
    """Read specs separated by commas.

    Raises:
        ValueError: none is given, one is wrong, or one comes twice.
    """
    specs = tuple(parse(part) for part in text.split(",") if part.strip())
    if not specs:
        raise ValueError("name at least one sampler; 'graphns list --kind sampler' shows them")
    texts = [spec.text for spec in specs]
    for each in texts:
        if texts.count(each) > 1:
            raise ValueError(f"the sampler {each!r} is named twice")
    return specs


def option_names(cls: type[Sampler]) -> tuple[str, ...]:
    """The options of `cls.from_graph` that can be written as text, those of the constructor included."""
    names: dict[str, None] = {}
    functions: list[Any] = [cls.from_graph]
    if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls.from_graph).parameters.values()):
        functions.append(cls)
        if cls.from_graph.__func__ is not Sampler.from_graph.__func__:  # type: ignore[attr-defined]  # bound methods
            functions.append(Uniform)  # a wrapper hands further options to the uniform sampler inside it
    for function in functions:
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                names.setdefault(parameter.name)
    return tuple(name for name in names if name not in ("self", "graph", "base"))


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
