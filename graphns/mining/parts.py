"""What a mining has finished, kept in a folder, so that a killed one goes on where it was."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_ABOUT = "mining.json"
_FORMAT = 1


class Parts:
    """The finished blocks of one mining.

    Args:
        folder: made with the first block; None keeps nothing.
        identity: what decides the result, as plain text by name.

    Raises:
        ValueError: the folder holds another mining, or something else.
    """

    def __init__(self, folder: str | Path | None, identity: Mapping[str, str]) -> None:
        self.folder = None if folder is None else Path(folder)
        self.identity = {"format": str(_FORMAT), **identity}
        if self.folder is not None and self.folder.exists():
            self._check(self.folder)

    def load(self, block: int) -> dict[str, Tensor] | None:
        """The arrays of a finished block; None where it is not finished."""
        path = None if self.folder is None else self.folder / f"block-{block:06d}.npz"
        if path is None or not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as file:
            return {name: torch.from_numpy(file[name]) for name in file.files}

    def save(self, block: int, arrays: Mapping[str, Tensor]) -> None:
        """Keep a block: whole, or not at all."""
        if self.folder is None:
            return
        fresh = not self.folder.exists()
        try:
            if fresh:
                self.folder.mkdir(parents=True)
                self._write(self.folder / _ABOUT, json.dumps(self.identity, indent=1).encode())
            buffer = io.BytesIO()
            np.savez(buffer, allow_pickle=False, **{name: array.numpy() for name, array in arrays.items()})
            self._write(self.folder / f"block-{block:06d}.npz", buffer.getvalue())
        except OSError:
            if fresh:
                self.remove()
            raise

    def remove(self) -> None:
        """Forget everything: the result is written."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            fresh.write_bytes(content)
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)

    def _check(self, folder: Path) -> None:
        try:
            theirs = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
            other = {key: theirs.get(key) for key in {**theirs, **self.identity} if theirs.get(key)
                     != self.identity.get(key)}
        except (OSError, ValueError, AttributeError) as error:
            raise ValueError(f"{folder} is no folder of a mining that can go on; delete it, or write elsewhere") \
                from error
        for key, value in other.items():
            raise ValueError(f"{folder} holds a mining with {key} = {value}, now it is {self.identity.get(key)}; "
                             "delete it to begin anew, or write elsewhere")
