"""What options a sampler takes by name: those of `from_graph`, and of whatever it hands `**options` on to."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Collection, Iterator
from typing import Any

from graphns.base import Sampler


def option_names(cls: type[Sampler]) -> tuple[str, ...]:
    """The options of `cls.from_graph`, and, where it takes `**options`, those of the calls that get them.

    What such a call gives itself is no option. So the names are all that building takes, and no others; for a class
    without source at hand, or that hands them on by another way than a call of a class, those of its constructor.

    Example:
        >>> from graphns.samplers.dynamic.hardest import Hardest
        >>> option_names(Hardest)  # the last three are those of the Uniform inside
        ('exclude', 'pool', 'top', 'replace', 'infeasible', 'positives')
    """
    return tuple(dict.fromkeys(_options(cls.from_graph, 1, (), [])))


def _options(call: Callable[..., Any], placed: int, named: Collection[str], above: list[Any]) -> Iterator[str]:
    """The keywords that a call can still be given beside `placed` arguments by place and others by name."""
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except ValueError:  # written in C, without a signature
        return
    by_place = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    taken = {*by_place[:placed], *named}
    yield from (p.name for p in parameters
                if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in taken)
    own = taken | {p.name for p in parameters}  # never among what is left to hand on
    for rest in (p.name for p in parameters if p.kind is p.VAR_KEYWORD):
        for target, places, names in _handed(call, rest):
            if target not in above:
                yield from (name for name in _options(target, places, names, [*above, target]) if name not in own)


def _handed(call: Callable[..., Any], rest: str) -> Iterator[tuple[Any, int, set[str]]]:
    """The calls in a function's source that get `**rest`: what is called, how much by place, what by name."""
    owner = getattr(call, "__self__", None)  # of a class method, the class
    made: Any = call.__init__ if inspect.isclass(call) else call
    function = getattr(made, "__func__", made)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError):
        tree = ast.Module([], [])
    scope = {**getattr(function, "__globals__", {}), "cls": owner}
    found = [(_named(node.func, scope), node) for node in ast.walk(tree) if isinstance(node, ast.Call)
             and any(word.arg is None and isinstance(word.value, ast.Name) and word.value.id == rest
                     for word in node.keywords)]
    known = [(target, node) for target, node in found if callable(target)]
    for target, node in known:
        yield target, len(node.args), {word.arg for word in node.keywords if word.arg is not None}
    if not known and inspect.isclass(owner):
        yield owner, 1, set()


def _named(node: ast.expr, scope: dict[str, Any]) -> Any:
    """What a name, or a name of a name, stands for; None where that is not known before the call."""
    if isinstance(node, ast.Name):
        return scope.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_named(node.value, scope), node.attr, None)
    return None
