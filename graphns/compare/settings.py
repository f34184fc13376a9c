"""What a comparison is told, and which part of it decides a single result."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from graphns.compare import specs
from graphns.compare.surroundings import cores
from graphns.pipelines import methods

DEFAULT_SAMPLERS = "uniform,degree,random-walk,hardest,tempered,adversarial,in-batch,clustered,mixture,all"
"""At least one of every family, and the reference."""
REFERENCES = ("raw features", "untrained encoder")
GIVEN = {"model": None, "features": "features"}
"""What a comparison can give to samplers that need it, and the option that takes it."""
FREE = ("samplers", "seeds", "corrected", "root", "imports")
"""What decides no single result: which results are asked for, and where data and samplers lie."""


@dataclass(frozen=True)
class Settings:
    """One comparison; `Settings.make` checks and fills what the user left out.

    Args:
        data: name or file of the data set.
        root: folder of the data sets; None: the usual one.
        samplers: what is compared, in order.
        seeds: runs of each sampler, seeds 0 … seeds - 1.
        epochs: of each training; None: what suits the data.
        k: negatives a node.
        exclude: "self" or "neighbors".
        corrected: whether samplers of marginal density are trained with the log-probability correction too, in rows
            of their own.
        split: "public", the data set's own; "random", one for each seed; None: public where there is one.
        threads: of each run.
        streams: independent draws behind bias and variance of a gradient.
        imports: modules that register further samplers.
        method: what is trained, by its name in `graphns.pipelines.methods`.
    """

    data: str
    samplers: tuple[specs.Spec, ...]
    root: str | None = None
    seeds: int = 3
    epochs: int | None = None
    k: int | None = None
    exclude: str = "self"
    corrected: bool = False
    split: str | None = None
    threads: int = 1
    streams: int = 16
    imports: tuple[str, ...] = field(default=())
    method: str = "grace"

    task: ClassVar[str] = "node"

    @classmethod
    def make(cls, data: str = "digits", *, samplers: str | None = None, root: str | Path | None = None,
             threads: int | None = None, imports: tuple[str, ...] = (), method: str = "grace",
             **rest: Any) -> Settings:
        """Settings from what a user writes.

        Raises:
            ValueError: an unknown sampler, option, module, method or choice; a method that draws no negatives.

        Example:
            >>> [spec.name for spec in Settings.make(samplers="uniform,dns").samplers]
            ['uniform', 'hardest']
        """
        for module in imports:
            import_module(module)
        found = methods.find(method)
        if not found.takes_sampler:
            raise ValueError(f"{found.config_class.title} draws no negatives: it has no samplers to compare")
        settings = cls(data, specs.parse_list(samplers or DEFAULT_SAMPLERS, GIVEN), None if root is None else str(root),
                       threads=threads or len(cores()), imports=imports, method=methods.name_of(found), **rest)
        if settings.corrected and "corrected" not in found.config_class().to_dict():
            raise ValueError(f"the loss of {found.config_class.title} has no correction: leave --corrected out")
        for name, choices in (("exclude", ("self", "neighbors")), ("split", (None, "public", "random"))):
            if getattr(settings, name) not in choices:
                known = ", ".join(str(choice) for choice in choices if choice)
                raise ValueError(f"{name} must be one of {known}, got {getattr(settings, name)!r}")
        check_counts(settings)
        if settings.streams < 2:
            raise ValueError(f"a variance needs at least 2 streams, got {settings.streams}")
        return settings

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for config.yaml."""
        return {**asdict(self), "samplers": [spec.text for spec in self.samplers], "imports": list(self.imports)}

    def deciding(self) -> dict[str, Any]:
        """What decides a single result; see `FREE`."""
        return {key: value for key, value in self.as_dict().items() if key not in FREE}


def check_counts(settings: Any) -> None:
    """Refuse less than one seed, epoch, negative or thread; None stands for a default.

    Raises:
        ValueError: the message names the first such value.
    """
    for name in ("seeds", "epochs", "k", "threads"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def import_module(name: str) -> None:
    """Import a user's module, from the working folder too.

    Raises:
        ValueError: there is none of that name.
    """
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # found, but something that it imports is missing
            raise
        raise ValueError(f"there is no module {name!r} to import, here or among the installed") from error


def file_name(text: str) -> str:
    """A name for a folder from a sampler's text; different texts stay different."""
    return re.sub(r"[^A-Za-z0-9._=-]", lambda found: f"~{ord(found.group()):x}~" if found.group() not in ": " else "_",
                  text)
