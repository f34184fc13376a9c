"""A table of vectors, read in blocks: an array, a tensor or a mapped file, checked once and never copied whole."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from graphns.graph.npy import open_npy

Metric: TypeAlias = Literal["cosine", "l2", "ip"]
Vectors: TypeAlias = "np.ndarray[Any, Any] | Tensor | str | PathLike[str]"
Array: TypeAlias = "np.ndarray[Any, Any]"

METRICS = ("cosine", "l2", "ip")
_CHECKED = 1 << 19  # numbers that are looked at together


class Table:
    """Rows of vectors [N, d] of any real dtype, from an array, a tensor or the path of an `.npy` file.

    A file is mapped; rows are read when they are asked for, in float64. The constructor reads everything once, in
    blocks, to look for what is no number, and keeps the largest magnitude and the mean.

    Args:
        x: [N, d] integers, booleans or floats of any width.
        name: what an error calls it.

    Raises:
        ValueError: it is no such table, it has no rows or no columns, a value is NaN or infinite (the message names
            the first such row), or the file is no `.npy` of plain numbers.

    Example:
        >>> table = Table(np.array([[3, 4], [0, 0]], dtype=np.uint8))
        >>> len(table), table.width, table.read(0, 1)
        (2, 2, array([[3., 4.]]))
    """

    def __init__(self, x: Vectors, name: str = "x") -> None:
        self.mapped = isinstance(x, str | PathLike)
        self.device = x.device if isinstance(x, Tensor) else torch.device("cpu")
        source = open_npy(Path(x).expanduser(), mapped=True) if isinstance(x, str | PathLike) else x
        if isinstance(source, Tensor):
            source = source.detach()
            plain = source.layout == torch.strided and not source.is_complex()
        elif isinstance(source, np.ndarray):
            plain = source.dtype.kind in "buif"
            self.mapped |= isinstance(source, np.memmap)
        else:
            raise ValueError(f"{name} must be an array, a tensor or the path of an .npy file [N, d], got "
                             f"{type(source).__name__}")
        if not plain:
            kind = source.dtype if not isinstance(source, Tensor) or source.is_complex() else source.layout
            raise ValueError(f"{name} must hold real numbers in rows, all of them stored, got {kind}")
        if source.ndim != 2 or 0 in source.shape:
            raise ValueError(f"{name} must be vectors [N, d] with at least one row and one column, got shape "
                             f"{tuple(source.shape)}")
        self.source = source
        self.width = int(source.shape[1])
        self.largest = 0.0
        sums: Array = np.zeros(self.width)
        for start, rows in self.blocks(max(1, _CHECKED // self.width)):
            finite = np.isfinite(rows).all(1)
            if not finite.all():
                bad = int(np.flatnonzero(~finite)[0])
                value = rows[bad][~np.isfinite(rows[bad])][0]
                raise ValueError(f"row {start + bad} of {name} holds {value}: nothing is near it; drop the row, or "
                                 "repair it")
            self.largest = max(self.largest, float(np.abs(rows).max()))
            with np.errstate(over="ignore"):
                sums += rows.sum(0)
        mean = sums / len(self)
        self.mean: Array = mean if np.isfinite(mean).all() else np.zeros(self.width)

    def __len__(self) -> int:
        return int(self.source.shape[0])

    @property
    def nbytes(self) -> int:
        """The bytes of a float32 copy."""
        return 4 * len(self) * self.width

    def read(self, start: int, stop: int) -> Array:
        """Rows start … stop-1 as float64, a copy."""
        return self._float64(self.source[start:stop])

    def take(self, ids: Array) -> Array:
        """The rows `ids` [n] as float64."""
        return self._float64(self.source[torch.from_numpy(ids) if isinstance(self.source, Tensor) else ids])

    def blocks(self, rows: int) -> Iterator[tuple[int, Array]]:
        """(first row, rows) of one block after another."""
        for start in range(0, len(self), rows):
            yield start, self.read(start, min(start + rows, len(self)))

    @staticmethod
    def _float64(part: Tensor | Array) -> Array:
        if isinstance(part, Tensor):
            return np.array(part.to("cpu", torch.float64).numpy(), order="C")
        return np.array(part, dtype=np.float64, order="C")


class Prepared:
    """Rows as a metric compares them: exact in float64, rough in float32.

    - cosine: each row divided by its largest magnitude, then by its norm, so that rows in exact proportion are equal;
      a row of zeros stays zero.
    - ip and l2: times a power of two, which is exact, so that no square overflows. The rough rows of l2 have `centre`
      taken away, which changes no distance and keeps digits that the squares of far-off points would lose.

    Args:
        rows: [n, d] float64, taken over.
        metric: which.
        scale: the power of two.
        centre: [d] float64, scaled, for l2.
    """

    def __init__(self, rows: Array, metric: Metric, scale: float, centre: Array) -> None:
        if metric == "cosine":
            rows /= np.maximum(np.abs(rows).max(1, keepdims=True), np.finfo(float).smallest_subnormal)
            norm = np.sqrt(np.square(rows).sum(1))
            rows /= np.where(norm > 0, norm, 1.0)[:, None]
            self.norm: Array = (norm > 0).astype(np.float64)
            near = rows
        else:
            rows *= scale
            near = rows - centre if metric == "l2" else rows
            self.norm = np.sqrt(np.square(near).sum(1))
        self.exact = rows
        self.rough: Array = near.astype(np.float32)


class Preparation:
    """How rows of two tables that are compared are prepared: one scale and one centre for both.

    Args:
        metric: which.
        corpus: gives the centre.
        queries: the other table, if there are two.
    """

    def __init__(self, metric: Metric, corpus: Table, queries: Table | None = None) -> None:
        largest = max(corpus.largest, 0.0 if queries is None else queries.largest)
        self.metric: Metric = metric
        # a power of two, and never so small or large that it overflows itself
        self.scale = 2.0 ** float(np.clip(-np.frexp(largest)[1], -1000, 1000)) if largest > 0 else 1.0
        self.centre: Array = corpus.mean * self.scale

    def __call__(self, rows: Array) -> Prepared:
        """Prepare rows [n, d]."""
        return Prepared(rows, self.metric, self.scale, self.centre)

    def finish(self, score: Array) -> Array:
        """Scores as users read them: the cosine in [-1, 1]; minus the distance; the inner product."""
        finished: Array
        if self.metric == "cosine":
            finished = np.clip(score, -1.0, 1.0)
        elif self.metric == "l2":
            finished = -np.sqrt(-2 * score) / self.scale + 0.0
        else:
            with np.errstate(over="ignore"):  # products of numbers beyond 1e154 are infinite in float64
                finished = score / self.scale / self.scale
        return finished
