"""One row of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

Kind = Literal["sampler", "objective", "mixer", "batcher"]


@dataclass(frozen=True)
class Entry:
    """One row of the registry.

    Args:
        name: what a user types: lower case, words joined by hyphens.
        kind: sampler, objective, mixer or batcher.
        target: `module:Name`, imported when asked for.
        family: static, dynamic, adversarial, efficient or compose; for other kinds, their purpose.
        summary: one line.
        paper: authors, title, venue, year; or "-" for what is folklore.
        aliases: further names, the papers' own.
        needs: what it takes besides a graph: "model", "features", "clusters", …
    """

    name: str
    kind: Kind
    target: str
    family: str
    summary: str
    paper: str = "-"
    aliases: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    def load(self) -> Any:
        """The class or function itself."""
        module, _, name = self.target.partition(":")
        return getattr(import_module(module), name)


def sampler(family: str, name: str, cls: str, summary: str, paper: str = "-", *aliases: str,
            needs: tuple[str, ...] = ()) -> Entry:
    """A sampler's row: its file bears its name, in the folder of its family."""
    module = f"graphns.samplers.{family}.{name.replace('-', '_')}"
    return Entry(name, "sampler", f"{module}:{cls}", family, summary, paper, aliases, needs)


def objective(name: str, target: str, summary: str, paper: str, *aliases: str) -> Entry:
    """An objective's row; `target` is `module:function` within `graphns.objectives`."""
    return Entry(name, "objective", f"graphns.objectives.{target}", "objective", summary, paper, aliases)


def mixer(name: str, cls: str, summary: str, paper: str, *aliases: str) -> Entry:
    """A mixer's row: its file bears its name."""
    return Entry(name, "mixer", f"graphns.mixers.{name.replace('-', '_')}:{cls}", "mixer", summary, paper, aliases)


def batcher(name: str, cls: str, summary: str, paper: str, *aliases: str) -> Entry:
    """A batcher's row: its file bears its name."""
    target = f"graphns.batchers.{name.replace('-', '_')}:{cls}"
    return Entry(name, "batcher", target, "batcher", summary, paper, aliases)
