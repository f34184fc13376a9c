"""A table on the disk that grows by a row a finished training, so that a long benchmark can be cut off and go on."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Rows:
    """A CSV that grows by a row a finished training, and is read again by the next run."""

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        self.path, self.fields = path, list(fields)
        self.rows: list[dict[str, str]] = []
        if path.exists():
            text = path.read_bytes().decode()
            whole = text[: text.rfind("\n") + 1]  # a row that was cut off is made again
            if whole != text:
                path.write_bytes(whole.encode())
            reader = csv.DictReader(io.StringIO(whole, newline=""))
            self.rows = list(reader)
            if whole and reader.fieldnames != self.fields:
                raise ValueError(f"{path} has the columns {', '.join(reader.fieldnames or ())}, not "
                                 f"{', '.join(self.fields)}: name another --out, or delete the file")

    def find(self, **key: Any) -> dict[str, str] | None:
        """The row of a key, if it is there."""
        return next((row for row in self.rows if all(row[name] == str(value) for name, value in key.items())), None)

    def add(self, **row: Any) -> dict[str, str]:
        """Keep a row; it is on the disk when this returns."""
        fresh = not self.path.exists()
        kept = {name: str(row[name]) for name in self.fields}
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, self.fields)
            if fresh:
                writer.writeheader()
            writer.writerow(kept)
        self.rows.append(kept)
        return kept
