"""What a comparison on links is told, and which part of it decides a single result."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from graphns.compare import specs
from graphns.compare.link_source import GIVEN, LinkSource
from graphns.compare.settings import FREE, check_counts, import_module
from graphns.compare.surroundings import cores
from graphns.pipelines.link_config import LinkConfig

DEFAULT_SAMPLERS = "uniform,degree,random-walk,hardest,tempered,adversarial,in-batch,clustered,mixture,global-edges"
"""At least one of every family; not all candidates, which a step of many edges cannot score."""


@dataclass(frozen=True)
class LinkSettings:
    """One comparison on links; `LinkSettings.make` checks and fills what the user left out.

    Args:
        data: name, file or folder of the links.
        samplers: what is compared, in order.
        root: folder of the data sets; None: the usual one.
        evaluation: "heart" or "existing", where the data have both.
        encoder: of `LinkConfig`; None: what suits the data.
        decoder: likewise.
        seeds: runs of each sampler, seeds 0 … seeds - 1.
        epochs: of each training, at most; None: what suits the data.
        k: negatives a positive.
        num_neighbors: mini-batches, with so many sampled neighbours a node in each layer of the encoder; None: a step
            embeds the whole graph.
        corrected: whether samplers of marginal density are trained with the log-probability correction too, in rows
            of their own.
        threads: of each run.
        imports: modules that register further samplers.
    """

    data: str
    samplers: tuple[specs.Spec, ...]
    root: str | None = None
    evaluation: str | None = None
    encoder: str | None = None
    decoder: str | None = None
    seeds: int = 3
    epochs: int | None = None
    k: int | None = None
    num_neighbors: tuple[int, ...] | None = None
    corrected: bool = False
    threads: int = 1
    imports: tuple[str, ...] = field(default=())

    task: ClassVar[str] = "link"

    @classmethod
    def make(cls, data: str = "digits", *, samplers: str | None = None, root: str | Path | None = None,
             threads: int | None = None, imports: tuple[str, ...] = (), **rest: Any) -> LinkSettings:
        """Settings from what a user writes.

        Raises:
            ValueError: an unknown sampler, option, module, encoder or decoder, a count below 1, or a correction of
                single negatives.

        Example:
            >>> LinkSettings.make(samplers="uniform,dns", decoder="dot").config().decoder
            'dot'
        """
        for module in imports:
            import_module(module)
        settings = cls(data, specs.parse_list(samplers or DEFAULT_SAMPLERS, GIVEN),
                       None if root is None else str(root), threads=threads or len(cores()), imports=imports, **rest)
        check_counts(settings)
        config = settings.config()  # it refuses what it does not know
        if settings.corrected and config.k == 1:
            raise ValueError("the correction weighs the negatives of a positive against one another, and k = 1 leaves "
                             "nothing to weigh: give --k 2 or more with --corrected")
        return settings

    def config(self) -> LinkConfig:
        """The training: the preset for the data, with what the user changed."""
        changes = {key: getattr(self, key) for key in ("encoder", "decoder", "epochs", "k", "num_neighbors")}
        return LinkConfig.preset(self.data, **{key: value for key, value in changes.items() if value is not None})

    def source(self) -> LinkSource:
        """The data; one split for all seeds."""
        return LinkSource(self.data, self.root, self.evaluation)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for config.yaml."""
        return {"task": self.task, **asdict(self), "samplers": [spec.text for spec in self.samplers],
                "imports": list(self.imports)}

    def deciding(self) -> dict[str, Any]:
        """What decides a single result; see `graphns.compare.settings.FREE`."""
        return {key: value for key, value in self.as_dict().items() if key not in FREE}


def fanouts(text: str | None) -> tuple[int, ...] | None:
    """Numbers of neighbours as a user writes them.

    Raises:
        ValueError: they are no numbers.

    Example:
        >>> fanouts("10, 5")
        (10, 5)
    """
    try:
        return None if text is None else tuple(int(each) for each in text.split(","))
    except ValueError as error:
        raise ValueError(f"write numbers of neighbours as 10,5, one for each layer, not {text!r}") from error
