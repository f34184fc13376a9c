"""One door to every data set: a name, or a file."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphns.data.node import NodeData


def names() -> list[str]:
    """The names that `load` knows; 'digits' needs no files."""
    from graphns.data.named import SOURCES

    return ["digits", *SOURCES]


def load(name: str | Path, root: str | Path | None = None) -> NodeData:
    """A node-classification data set.

    Args:
        name: one of `names()`, in any case; or the path of an `.npz` or `.pt` file (see `from_file`).
        root: where the files of named data sets lie, laid out as PyG does. None: the folder in the environment
            variable GRAPHNS_DATA, else ~/.cache/graphns/data.

    Raises:
        DataNotFoundError: a named data set is not there and cannot be downloaded.
        ValueError: an unknown name (the message gives the nearest), or a file that is not what it should be.

    Example:
        >>> load("digits").x.shape
        torch.Size([1797, 64])
    """
    wanted = str(name)
    known = {each.lower(): each for each in names()}
    plain = wanted.strip().lower().replace("-", "_")
    if plain == "digits":
        from graphns.data.digits import digits

        return digits()
    if plain in known:
        from graphns.data.named import named

        return named(known[plain], root)
    if Path(wanted).suffix in (".npz", ".pt", ".pth") or Path(wanted).expanduser().is_file():
        from graphns.data.files import from_file

        return from_file(wanted)
    near = difflib.get_close_matches(plain, known, n=1, cutoff=0.5)
    hint = f"did you mean {known[near[0]]!r}?" if near else f"there are: {', '.join(names())}"
    raise ValueError(f"no data set is called {wanted!r}; {hint} Or give the path of an .npz or .pt file")
