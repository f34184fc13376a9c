"""From a sampler's output into the batch that PyG's loader makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from graphns.base import Negatives

Hook = Callable[[Any], Any]


class Drawn(NamedTuple):
    """What was drawn beside PyG's own fields; the last of an output's metadata.

    Attributes:
        negatives: with ids as places among the nodes of the batch.
        store: the kind of node or edge whose store holds it; None where there is one kind.
        with_ids: whether the batch gets the ids too; for edges, PyG's own fields hold them.
    """

    negatives: Negatives
    store: Any
    with_ids: bool


class Carrier:
    """Takes what was drawn from a sampler's output, and gives it to the batch: the loader makes it of that output.

    Args:
        transform: called with each batch after that.
        transform_sampler_output: called with each output before that.
    """

    def __init__(self, transform: Hook | None = None, transform_sampler_output: Hook | None = None) -> None:
        self.transform = transform
        self.transform_sampler_output = transform_sampler_output
        self.drawn: Drawn | None = None

    def take(self, out: Any) -> Any:
        """The loader's `transform_sampler_output`."""
        last = out.metadata[-1] if out.metadata else None
        self.drawn = last if isinstance(last, Drawn) else None
        return out if self.transform_sampler_output is None else self.transform_sampler_output(out)

    def give(self, batch: Any) -> Any:
        """The loader's `transform`."""
        if self.drawn is not None:
            (ids, log_prob, mask, *_), kind, with_ids = self.drawn
            store = batch if kind is None else batch[kind]
            if with_ids:
                store.negative_id = ids
            store.negative_mask = mask
            if log_prob is not None:
                store.negative_log_prob = log_prob
            self.drawn = None
        return batch if self.transform is None else self.transform(batch)
