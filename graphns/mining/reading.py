"""The files that a mining reads: embeddings, labels, texts and pairs. Nothing in them is executed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphns.graph.npy import open_npy

_TEXT_NAMES = ("text", "sentence", "passage", "document", "query", "question", "anchor")
_LABEL_NAMES = ("label", "labels", "category", "intent", "class", "target", "y")


def read_embeddings(path: Path) -> np.ndarray[Any, Any]:
    """The array of a `.npy`, mapped and not read.

    Raises:
        ValueError: no such file, no `.npy`, or one of Python objects.
    """
    return open_npy(path, mapped=True)


def read_labels(path: Path) -> np.ndarray[Any, Any]:
    """Labels [N] of a `.npy`, a text file with one a line, or a column of a CSV, TSV, JSONL or Parquet file.

    Raises:
        ValueError: no such file, or another format.
    """
    if path.suffix == ".npy":
        return open_npy(path, mapped=False)
    values = _column(path, _LABEL_NAMES, "labels")
    try:
        return np.array([int(each) for each in values])
    except (ValueError, TypeError):
        return np.array([str(each) for each in values])


def read_texts(path: Path) -> Sequence[str]:
    """Texts [N] of a text file with one a line, a JSON list, or a column of a CSV, TSV, JSONL or Parquet file.

    Raises:
        ValueError: no such file, another format, or something that is no text.
    """
    values = _column(path, _TEXT_NAMES, "texts")
    for at, each in enumerate(values):
        if not isinstance(each, str):
            raise ValueError(f"{path}: item {at} is {each!r}, no text")
    return values


def read_pairs(path: Path) -> np.ndarray[Any, Any]:
    """Pairs [P, 2] of a `.npy`, or of the first two columns of a CSV, TSV or Parquet file; a header is passed over.

    Raises:
        ValueError: no such file, another format, or something that is no integer.
    """
    if path.suffix == ".npy":
        return open_npy(path, mapped=False)
    if path.suffix == ".parquet":
        table = _parquet(path)
        if table.num_columns < 2:
            raise ValueError(f"{path} has {table.num_columns} columns; pairs need two, anchor and positive")
        try:
            return np.stack([np.asarray(table.column(at).to_pylist(), dtype=np.int64) for at in (0, 1)], 1)
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"{path}: the first two columns must be row numbers: {error}") from error
    rows = _rows(path, "pairs")
    if rows and not all(_is_integer(each) for each in rows[0][1][:2]):
        rows = rows[1:]
    for line, row in rows:
        if len(row) < 2 or not (_is_integer(row[0]) and _is_integer(row[1])):
            raise ValueError(f"{path}, line {line}: {row} is no pair of row numbers")
    return np.array([[int(row[0]), int(row[1])] for _, row in rows], dtype=np.int64).reshape(-1, 2)


def _is_integer(text: str) -> bool:
    return text.strip().removeprefix("-").isdigit()


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")


def _column(path: Path, names: Sequence[str], what: str) -> list[Any]:
    """One value a row: the lines, the items, or the column that has one of the names or is the only one."""
    _check_file(path)
    if path.suffix == ".parquet":
        table = _parquet(path)
        values: list[Any] = table.column(_choose(path, table.column_names, names, what)).to_pylist()
        return values
    if path.suffix in (".json", ".jsonl"):
        return _json(path, names, what)
    if path.suffix in (".csv", ".tsv"):
        rows = _rows(path, what)
        if not rows:
            return []
        at = _choose(path, rows[0][1], names, what)
        for line, row in rows[1:]:
            if len(row) <= at:
                raise ValueError(f"{path}, line {line}: there is no column {rows[0][1][at]}")
        return [row[at] for _, row in rows[1:]]
    if path.suffix != ".txt":
        raise ValueError(f"cannot read {what} from {path.name}: the name must end in .txt (one a line), .csv, .tsv, "
                         ".json, .jsonl or .parquet" + (", or .npy" if what == "labels" else ""))
    return _lines(path)


def _choose(path: Path, header: Sequence[str], names: Sequence[str], what: str) -> int:
    if len(header) == 1:
        return 0
    for name in names:
        for at, each in enumerate(header):
            if each.strip().lower() == name:
                return at
    raise ValueError(f"{path} has the columns {', '.join(header)}: name that of the {what} {names[0]}")


def _json(path: Path, names: Sequence[str], what: str) -> list[Any]:
    text = _text(path)
    try:
        items = json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in _lines(path) if line]
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(items, list):
        raise ValueError(f"{path} must hold a list, one item a row")
    return [each[list(each)[_choose(path, list(each), names, what)]] if isinstance(each, dict) and each else each
            for each in items]


def _rows(path: Path, what: str) -> list[tuple[int, list[str]]]:
    """The rows of a CSV or TSV file with the lines on which they end; empty ones left out."""
    _check_file(path)
    if path.suffix not in (".csv", ".tsv"):
        raise ValueError(f"cannot read {what} from {path.name}: the name must end in .npy, .csv, .tsv or .parquet")
    reader = csv.reader(io.StringIO(_text(path), newline=""), delimiter="\t" if path.suffix == ".tsv" else ",")
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from error


def _lines(path: Path) -> list[str]:
    """Lines as editors count them: texts may hold Unicode's own separators, at which `splitlines` would cut."""
    lines = _text(path).split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text: {error}") from error


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check_file(path)
    try:
        return pq.read_table(path)
    except pa.ArrowException as error:
        raise ValueError(f"{path} is no Parquet file: {error}") from error
