"""One door to every data set: a name, or a file."""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphns.data.node import NodeData


def names() -> list[str]:
    """The names that `load` knows; 'digits' needs no files."""
    from graphns.data.named import SOURCES

    return ["digits", *SOURCES]


def spelled(name: str) -> str:
    """A name as `names()` spells it; what is no name, such as a path, stays as it is.

    Example:
        >>> spelled("planetoid-CORA"), spelled("cora-ml"), spelled("mine.pt")
        ('Cora', 'Cora_ML', 'mine.pt')
    """
    from graphns.data.named import SOURCES

    families = {_plain(f"{source.family_folder}-{source.name}"): each for each, source in SOURCES.items()}
    return {**families, **{_plain(each): each for each in names()}}.get(_plain(name), name)


def load(name: str | Path, root: str | Path | None = None, split: int = 0,
         normalize: bool | None = None) -> NodeData:
    """A node-classification data set.

    Args:
        name: one of `names()`, in any case, with "_" or "-", and with its family before it if you like
            ("Planetoid-Cora"); or the path of an `.npz` or `.pt` file (see `from_file`).
        root: where the files of named data sets lie, laid out as PyG and OGB do. None: the folder in the environment
            variable GRAPHNS_DATA, else ~/.cache/graphns/data.
        split: which of its own splits becomes the masks, where a data set has several (`NodeData.num_splits`).
        normalize: whether features are divided by the sum of their row, as by PyG's `NormalizeFeatures`. None: those
            of Planetoid, Amazon, Coauthor and CitationFull are, others stay as they are.

    Raises:
        DataNotFoundError: a named data set is not there and cannot be downloaded.
        ValueError: an unknown name (the message gives the nearest), a data set of another kind, a split that is not
            there, or a file that is not what it should be.

    Example:
        >>> load("digits").x.shape
        torch.Size([1797, 64])
    """
    wanted = str(name)
    found, plain = spelled(wanted), _plain(wanted)
    if found == "digits":
        from graphns.data.digits import digits

        return _normalized(_only_split(digits(), split), normalize)
    from graphns.data.named import SOURCES, named

    if found in SOURCES:
        return named(found, root, split, normalize)
    if Path(wanted).suffix in (".npz", ".pt", ".pth") or Path(wanted).expanduser().is_file():
        from graphns.data.files import from_file

        return _normalized(from_file(wanted, split), normalize)
    if plain.startswith("ogbn_"):
        from graphns.adapters.ogb.node import LEFT_OUT

        for each, reason in LEFT_OUT.items():
            if plain == _plain(each):
                raise ValueError(f"{each} cannot be read: {reason}")
    known = {_plain(each): each for each in names()}
    near = difflib.get_close_matches(plain, known, n=1, cutoff=0.5)
    hint = f"did you mean {known[near[0]]!r}?" if near else f"there are: {', '.join(names())}"
    raise ValueError(f"no data set is called {wanted!r}; {hint} Or give the path of an .npz or .pt file")


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _normalized(data: NodeData, normalize: bool | None) -> NodeData:
    from graphns.data.features import normalize_rows

    return dataclasses.replace(data, x=normalize_rows(data.x)) if normalize else data


def _only_split(data: NodeData, split: int) -> NodeData:
    if split:
        raise ValueError(f"{data.name} has 1 split(s) of its own, numbered from 0; there is no split {split}")
    return data
