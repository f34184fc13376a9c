"""Negatives as a Parquet, JSONL or CSV file, whole or absent."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from graphns.data.replacing import replacing
from graphns.mining.formats import Columns, Format, columns
from graphns.mining.mine import Mined

ENDINGS = (".parquet", ".jsonl", ".csv")


def check_ending(path: Path) -> None:
    """Raise a `ValueError` unless negatives can be written to a file of that name."""
    if path.suffix not in ENDINGS:
        raise ValueError(f"cannot write {path.name}: the name must end in {', '.join(ENDINGS)}")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} to write {path.name} into")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file")


def write(mined: Mined, path: Path, form: Format = "triplet", scores: bool = False) -> int:
    """Write the rows of a format; how many.

    Lists (scores, documents, labels) are lists in Parquet and JSONL, and JSON in the cells of a CSV.

    Args:
        mined: the result.
        path: its ending, one of `ENDINGS`, is the kind of file.
        form: see `graphns.mining.formats.Format`.
        scores: whether to write scores.

    Raises:
        ValueError: another ending, or no such folder.
        OSError: it cannot be written; then nothing is there, or what was there before.
    """
    check_ending(path)
    put = {".parquet": _parquet, ".jsonl": _jsonl, ".csv": _csv}[path.suffix]
    with replacing(path) as temporary:
        return put(temporary, columns(mined, form, scores), mined.texts is not None)


def _parquet(path: Path, pieces: Iterator[Columns], texts: bool) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    item = pa.string() if texts else pa.int64()
    types = {"score": pa.float32(), "label": pa.int64(), "scores": pa.list_(pa.float32()), "labels":
             pa.list_(pa.int64()), "documents": pa.list_(item)}
    first = next(pieces)
    schema = pa.schema([(name, types.get(name, item)) for name in first])
    rows = 0
    # a file of Python's, whose errors are the system's
    with path.open("wb") as file, pq.ParquetWriter(file, schema) as writer:
        for piece in _chain(first, pieces):
            writer.write_table(pa.table(piece, schema=schema))
            rows += len(piece["anchor"])
    return rows


def _jsonl(path: Path, pieces: Iterator[Columns], texts: bool) -> int:
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        for piece in pieces:
            for row in zip(*piece.values(), strict=True):
                file.write(json.dumps(dict(zip(piece, row, strict=True)), ensure_ascii=False) + "\n")
                rows += 1
    return rows


def _csv(path: Path, pieces: Iterator[Columns], texts: bool) -> int:
    rows = 0
    first = next(pieces)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(first)
        for piece in _chain(first, pieces):
            for row in zip(*piece.values(), strict=True):
                writer.writerow([json.dumps(each, ensure_ascii=False) if isinstance(each, list) else each
                                 for each in row])
                rows += 1
    return rows


def _chain(first: Columns, rest: Iterator[Columns]) -> Iterator[Columns]:
    yield first
    yield from rest
