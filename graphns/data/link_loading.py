"""One door to every data set of links: a name, a file, or a folder."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from graphns.data.loading import load, names, spelled
from graphns.data.named import DataNotFoundError, default_root

if TYPE_CHECKING:
    from torch import Tensor

    from graphns.data.link import LinkData
    from graphns.encoders.sparse import Sparse
    from graphns.graph.graph import Graph

HEART = {"heart-cora": ("Cora", 2708), "heart-citeseer": ("CiteSeer", 3327), "heart-pubmed": ("PubMed", 19717)}
"""HeaRT's splits of Planetoid: whose features they take, and how many nodes there are."""


def link_names() -> list[str]:
    """The names that `load_links` knows: HeaRT's, OGB's, and those of `names()`, whose edges are split at random."""
    from graphns.adapters.ogb.link import NAMES

    return [*HEART, *NAMES, *names()]


def load_links(name: str | Path, root: str | Path | None = None, *, setting: str | None = None,
               val: float | int = 0.05, test: float | int = 0.1, seed: int = 0, normalize: bool | None = None,
               features: bool = True) -> LinkData:
    """A link-prediction data set.

    Args:
        name: one of `link_names()`, in any case, with "_" or "-"; or a path: a folder in HeaRT's layout (`read_heart`),
            an `.npz` that `LinkData.save` wrote, nodes with features and edges as `graphns.data.load` reads them, or a
            list of edges as `graphns.data.edge_files.read` does.
        root: where the files of named data sets lie. None: the folder in the environment variable GRAPHNS_DATA, else
            ~/.cache/graphns/data. HeaRT's are looked for in root/heart/citeseer and its like, OGB's in
            root/ogb/ogbl_ddi and its like.
        setting: which negatives of HeaRT's data: "heart" (the default), 500 for each positive, or "existing", as many
            as positives, shared. Other data have one setting.
        val: of data without a split, the share of the edges (float) or their number (int); see `random_links`.
        test: likewise.
        seed: of the random split.
        normalize: whether features are divided by the sum of their row; see `graphns.data.load`.
        features: whether features are read, where they are files of their own.

    Raises:
        DataNotFoundError: the files of a named data set are not there; the message says how to get them.
        ValueError: an unknown name, a setting that the data do not have, or a file that is not what it should be.

    Example:
        >>> data = load_links("digits", val=0.1, test=0.2, seed=3)
        >>> data.setting, data.undirected, data.num_features
        ('random', True, 64)
    """
    wanted, plain = str(name), str(name).strip().lower().replace("_", "-")
    path = Path(wanted).expanduser()
    if plain in HEART and not path.exists():
        return _heart(plain, root, setting, normalize, features)
    if path.is_dir():
        return _folder(path, setting)
    if setting is not None:
        raise ValueError(f"setting={setting!r} is for HeaRT's data, {', '.join(HEART)} or a folder; {wanted!r} has one")
    if plain.startswith("ogbl-") and not path.exists():
        return _ogb(plain, root, features)
    graph, x, known = _edges(wanted, path, root, normalize)
    if graph is None:
        from graphns.data.link_files import read_links

        return read_links(path)
    from graphns.data.link_split import random_links

    return random_links(graph, name=known, val=val, test=test, seed=seed, x=x if features else None)


def _heart(name: str, root: str | Path | None, setting: str | None, normalize: bool | None, features: bool) -> LinkData:
    from graphns.data.link_files import is_heart, read_heart

    base = default_root() if root is None else Path(root).expanduser()
    planetoid, num_nodes = HEART[name]
    folder = base / "heart" / planetoid.lower()
    if not is_heart(folder):
        raise DataNotFoundError(
            f"no {name} in {base}: github.com/Juanhui28/HeaRT says where to download it; pass root=DIR or set "
            f"GRAPHNS_DATA=DIR, where DIR/heart/{planetoid.lower()} holds train_pos.txt and its like")
    x = load(planetoid, base, normalize=normalize).x if features else None
    return read_heart(folder, name, setting or "heart", num_nodes, x)


def _folder(path: Path, setting: str | None) -> LinkData:
    from graphns.data.link_files import is_heart, read_heart

    if not is_heart(path):
        raise ValueError(f"{path} is a folder without train_pos.txt, valid_pos.txt and test_pos.txt, HeaRT's layout; "
                         "name a file, or such a folder")
    return read_heart(path, path.name, setting or "heart")


def _ogb(name: str, root: str | Path | None, features: bool) -> LinkData:
    from graphns.adapters.ogb.link import read_link
    from graphns.data.link import LinkData, LinkPart

    try:
        found = read_link(name, default_root() if root is None else Path(root).expanduser())
    except FileNotFoundError as error:
        raise DataNotFoundError(str(error)) from error
    found |= {part: LinkPart(*found[part]) for part in ("valid", "test")}
    return LinkData(name, **(found if features else {**found, "x": None}), setting="ogb")


def _edges(wanted: str, path: Path, root: str | Path | None, normalize: bool | None
           ) -> tuple[Graph | None, Tensor | Sparse | None, str]:
    """The graph and the features of a name or a file, and its name; no graph where the file holds links."""
    from graphns.data.link_files import is_links

    if not path.is_file():
        known = {each.lower(): each for each in link_names()}
        if spelled(wanted) not in names():
            near = difflib.get_close_matches(wanted.strip().lower(), known, n=1, cutoff=0.5)
            hint = f"did you mean {known[near[0]]!r}" if near else f"there are: {', '.join(known.values())}"
            raise ValueError(f"no data set is called {wanted!r}; {hint}; or give the path of a file or folder")
        data = load(wanted, root, normalize=normalize)
        return data.graph, data.x, data.name
    if is_links(path):
        return None, None, path.stem
    from graphns.data.edge_files import read

    if path.suffix not in (".npz", ".pt", ".pth"):
        return read(path).graph, None, path.stem
    try:
        data = load(path, normalize=normalize)
    except ValueError as nodes:
        try:
            return read(path).graph, None, path.stem
        except ValueError as edges:
            raise ValueError(f"{path} holds neither nodes with features and edges ({nodes}) nor edges alone ({edges})"
                             ) from edges
    return data.graph, data.x, path.stem
