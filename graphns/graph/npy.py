"""Files of one array of plain values; nothing in them is executed."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np


def open_npy(path: Path, *, mapped: bool) -> np.ndarray[Any, Any]:
    """The array of an `.npy` file.

    Args:
        path: the file.
        mapped: read what is asked for, when it is; else all of it, now.

    Raises:
        ValueError: there is no such file, it is none, or it needs a pickle; the message says which.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "x.npy"
        >>> np.save(path, np.eye(2))
        >>> open_npy(path, mapped=True).shape
        (2, 2)
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    if path.suffix == ".npz":
        raise ValueError(f"{path} holds several arrays: save the one with numpy.save as .npy")
    if path.suffix != ".npy":
        raise ValueError(f"{path} is no .npy: save the array with numpy.save")
    try:
        found = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, TypeError, OSError, EOFError, SyntaxError) as error:
        raise ValueError(f"{path} is no .npy file of plain numbers: {_why(path, error)}; save plain numbers with "
                         "numpy.save") from error
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{path} is no .npy file: it holds several arrays; write one with numpy.save")
    return found


def _why(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        head = file.read(256)
    begins = head.startswith(b"\x93NUMPY")
    if head[:1] == b"\x80" or (begins and _is_of_objects(head)):
        return "it needs a pickle: Python objects, which are never opened"
    return str(error) if begins else "it does not begin as one"


def _is_of_objects(head: bytes) -> bool:
    start, stop = head.find(b"{"), head.find(b"}")
    if start < 0 or stop < 0:
        return False
    try:
        return "O" in str(ast.literal_eval(head[start : stop + 1].decode("latin1")).get("descr"))
    except (ValueError, SyntaxError):
        return False
