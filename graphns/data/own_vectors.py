"""A user's own vectors, labels and pairs from files of plain numbers or text; nothing is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.data.vectors import VectorData
from graphns.graph.npy import open_npy
from graphns.graph.table import Table


def read_vectors(path: str | Path, labels: str | Path | None = None, pairs: str | Path | None = None) -> VectorData:
    r"""Vectors of an `.npy` file, with labels and known pairs where there are some.

    Args:
        path: `.npy` of [N, F] numbers.
        labels: N labels: `.npy` of numbers or words, or a text file with one a line. Classes are numbered in sorted
            order.
        pairs: P pairs of rows, counted from 0: `.npy` of [P, 2] whole numbers, or a text file with two a line,
            separated by a comma, a tab or blanks.

    Raises:
        ValueError: a file is not there, or not what it should be; the message says how.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "x.npy"
        >>> np.save(path, np.eye(3)); path.with_suffix(".txt").write_text("b\na\nb\n")
        6
        >>> data = read_vectors(path, path.with_suffix(".txt"))
        >>> data.x.shape, data.labels.tolist(), data.classes
        (torch.Size([3, 3]), [1, 0, 1], ('a', 'b'))
    """
    path = Path(path).expanduser()
    table = Table(path)
    with np.errstate(over="ignore"):  # what is beyond float32 is refused below
        x = torch.from_numpy(table.read(0, len(table)).astype(np.float32))
    if not bool(x.isfinite().all()):
        raise ValueError(f"{path} holds numbers beyond float32: divide them by a constant")
    found: dict[str, Any] = {}
    if labels is not None:
        found["labels"], found["classes"] = _labels(Path(labels).expanduser(), len(x))
    if pairs is not None:
        found["pairs"] = _pairs(Path(pairs).expanduser())
    return VectorData(path.stem, x, **found)


def _labels(path: Path, number: int) -> tuple[Tensor, tuple[str, ...]]:
    values: Any = open_npy(path, mapped=False) if path.suffix == ".npy" else np.array(_lines(path), dtype=str)
    if values.shape != (number,) or values.dtype.kind not in "iuUSb":
        raise ValueError(f"{path} must hold a label for each of {number} rows, got {values.dtype} of shape "
                         f"{values.shape}")
    classes, place = np.unique(values, return_inverse=True)
    return torch.from_numpy(place.astype(np.int64)), tuple(str(each) for each in classes)


def _pairs(path: Path) -> Tensor:
    if path.suffix == ".npy":
        values = open_npy(path, mapped=False)
        if values.ndim != 2 or values.shape[1] != 2 or values.dtype.kind not in "iu":
            raise ValueError(f"{path} must hold pairs of whole numbers [P, 2], got {values.dtype} of shape "
                             f"{values.shape}")
        return torch.from_numpy(values.astype(np.int64))
    rows: list[list[int]] = []
    for number, line in enumerate(_lines(path), 1):
        try:
            one, other = (int(word) for word in line.replace(",", " ").split())
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: write two row numbers, not {line[:60]!r}") from error
        rows.append([one, other])
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 2)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text file: name one, or an .npy file") from error
