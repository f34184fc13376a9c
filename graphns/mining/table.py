"""A table of vectors, in memory or mapped from a file, read in pieces as numbers that a metric can compare."""

from __future__ import annotations

import zlib
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

Metric = Literal["cosine", "ip", "l2"]
"""What a score is: the cosine, the inner product, or minus the Euclidean distance. A zero row has cosine 0."""
_LARGEST = 1e15  # sums of squares of numbers up to here are finite in single precision
_PIECE = 1 << 22  # numbers that are read at once, where a whole table is gone through


class Table:
    """Vectors [N, d] under a metric. Nothing is read before it is asked for, and never all at once.

    Args:
        vectors: a tensor or array [N, d] of real numbers; a memory-mapped `.npy` stays where it is.
        metric: see `Metric`.
        name: what errors call it.

    Raises:
        ValueError: not two dimensions, no row, no column, or no real numbers; or an unknown metric.

    Example:
        >>> table = Table(np.array([[3, 4], [0, 0]]))
        >>> table.tile(0, 2)
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """

    def __init__(self, vectors: Any, metric: Metric = "cosine", name: str = "embeddings") -> None:
        if metric not in get_args(Metric):
            raise ValueError(f"metric must be one of {', '.join(get_args(Metric))}, got {metric!r}")
        array = vectors.detach().cpu().numpy() if isinstance(vectors, Tensor) else np.asanyarray(vectors)
        if array.ndim != 2 or 0 in array.shape:
            raise ValueError(f"{name} must be [N, d], a row for each item, got shape {array.shape}")
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}")
        self.vectors: np.ndarray[Any, Any] = array
        self.metric, self.name = metric, name
        # distances are differences of large numbers: single precision would lose those of near duplicates
        self.dtype = torch.float64 if metric == "l2" else torch.float32

    def __len__(self) -> int:
        """N, the number of rows."""
        return len(self.vectors)

    @property
    def width(self) -> int:
        """Numbers of a row, d."""
        return int(self.vectors.shape[1])

    def tile(self, start: int, stop: int) -> Tensor:
        """Rows start … stop-1 [n, d], of length 1 where the metric is the cosine."""
        return self._ready(self.vectors[start:stop])

    def rows(self, ids: Tensor) -> Tensor:
        """The rows `ids` [n] int64 as [n, d], of length 1 where the metric is the cosine."""
        return self._ready(self.vectors[ids.numpy()])

    def fingerprint(self) -> str:
        """Shape, dtype and a checksum of the contents; reads everything once, and finds numbers that are none.

        Raises:
            ValueError: a number is NaN or infinite, or so large that its products are; the message names the row.
        """
        checksum, step = 0, max(1, _PIECE // self.width)
        for start in range(0, len(self), step):
            piece = np.ascontiguousarray(self.vectors[start : start + step])
            checksum = zlib.crc32(piece.data, checksum)
            if not max(float(piece.max()), -float(piece.min())) <= _LARGEST:  # so NaN, too, is refused
                self._refuse(piece, start)
        return f"{self.vectors.shape} {self.vectors.dtype} {checksum:08x}"

    def _refuse(self, piece: np.ndarray[Any, Any], start: int) -> None:
        good = (piece <= _LARGEST) & (piece >= -_LARGEST)
        at = int(good.all(1).argmin())
        value = piece[at][~good[at]][0]
        raise ValueError(f"row {start + at} of {self.name} holds {value}, which gives no score to compare: leave the "
                         "row out or mend it")

    def _ready(self, rows: np.ndarray[Any, Any]) -> Tensor:
        numbers = torch.from_numpy(np.array(rows, dtype=np.float64 if self.metric == "l2" else np.float32))
        if self.metric == "cosine":
            numbers = torch.nn.functional.normalize(numbers, dim=1)
        return numbers


def pairwise(left: Tensor, right: Tensor, metric: Metric) -> Tensor:
    """Scores [n] float32 of rows of `left` with the same rows of `right`, both [n, d] from a `Table`."""
    if metric == "l2":
        distance: Tensor = torch.linalg.vector_norm(left - right, dim=1)
        return -distance.float()
    return (left * right).sum(1)


def products(left: Tensor, right: Tensor, metric: Metric) -> Tensor:
    """Scores [m, n] of every row of `left` [m, d] with every row of `right` [n, d], both from a `Table`."""
    scores: Tensor = left @ right.T
    if metric == "l2":
        scores.mul_(-2).add_(left.square().sum(1)[:, None]).add_(right.square().sum(1))
        scores = scores.clamp_(min=0).sqrt_().neg_()
    return scores
