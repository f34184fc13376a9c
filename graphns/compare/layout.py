"""What a comparison of one task shows: its columns, tables and figures, and the words around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphns.compare.columns import Column

BASELINE = "uniform"


@dataclass(frozen=True)
class Layout:
    """The words and columns of one task.

    Args:
        score: key of the figure that samplers are compared by, in each run's results; a share, higher is better.
        title: how that figure is called.
        columns: of all tables, in order.
        groups: heading of each table by its key.
        captions: title and text of each figure by its name, in order; see `graphns.compare.figures`.
        references: rows that no sampler had a part in.
        judges: those of them that a sampler's gain must be held against.
        mind: the warning where judges are better than uniform; {names} stands for them.
        false_negatives: what a false negative is, in words for an axis.
        subject: what was sampled for, for the heading.
        lead: a line about the data, from config.yaml's "data".
        averaged: further figures of each run, of which a row holds the mean over seeds.
    """

    score: str
    title: str
    columns: tuple[Column, ...]
    groups: dict[str, str]
    captions: dict[str, tuple[str, str]]
    references: tuple[str, ...]
    judges: tuple[str, ...]
    mind: str
    false_negatives: str
    subject: str
    lead: Callable[[dict[str, Any]], str]
    averaged: tuple[str, ...] = ()

    def show(self, key: str, value: Any) -> str:
        """A value as its column writes it.

        Raises:
            KeyError: there is no such column.
        """
        return {column.key: column for column in self.columns}[key].show(value)
