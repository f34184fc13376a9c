"""A user's graph cut into what samplers may know and what they may not: training, validation and test edges."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from graphns.data import edge_files, loading
from graphns.graph.graph import Graph
from graphns.graph.split import split_edges

PARTS = ("train", "val", "test")
Shares = tuple[float | int, float | int]
Files = tuple[Path, Path]


@dataclass(frozen=True)
class Source:
    """A graph as the user named it.

    Args:
        name: the file's name without its ending, or the data set's.
        graph: all its edges; the training edges only, where the others come from files.
        undirected: whether every edge has its reverse, so that both are one edge.
    """

    name: str
    graph: Graph
    undirected: bool


@dataclass(frozen=True)
class HeldOut:
    """Edges in three parts that leak nothing into one another.

    Args:
        parts: the graph of each of `PARTS`; of an undirected graph with both directions.
        sizes: how many edges each part has; of an undirected graph each once.
    """

    parts: dict[str, Graph]
    sizes: dict[str, int]

    @property
    def train(self) -> Graph:
        """What samplers see."""
        return self.parts["train"]


def read_source(name: str, root: str | None = None, num_nodes: int | None = None, undirected: bool = False) -> Source:
    """The graph of an edge list in a file, or of a named data set.

    Args:
        name: a path (see `edge_files.read`), or a name that `graphns.data.load` knows.
        root: where named data sets lie.
        num_nodes: nodes of the graph in a file, if some have no edge.
        undirected: whether each edge of a file counts in both directions.

    Raises:
        ValueError: there is no such file or data set, or the file is not what it should be.
    """
    known = {each.lower(): each for each in loading.names()}
    plain = name.strip().lower().replace("-", "_")
    if plain in known and not Path(name).is_file():
        graph = loading.load(name, root).graph
        return Source(known[plain], graph, undirected=True)
    path = Path(name).expanduser()
    if not path.exists() and not path.suffix:
        near = difflib.get_close_matches(plain, known, n=1, cutoff=0.5)
        hint = f"did you mean {known[near[0]]!r}?" if near else f"data sets are {', '.join(known.values())}"
        raise ValueError(f"there is no file and no data set {name!r}; {hint}")
    graph = edge_files.read(path, num_nodes, undirected).graph
    first, second = graph.edge_index
    return Source(path.stem, graph, not graph.bipartite and bool(graph.has_edge(second, first).all()))


def read_held_out(text: str) -> Shares | Files:
    """What follows --held-out: VAL,TEST as shares or numbers of edges, or as two files.

    Raises:
        ValueError: it is something else, or holds nothing out.

    Example:
        >>> read_held_out("0.05,0.1"), read_held_out("100,200")
        ((0.05, 0.1), (100, 200))
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(parts):
        raise ValueError(f"--held-out takes validation and test as VAL,TEST: shares (0.05,0.1), numbers of edges "
                         f"(100,200) or files (val.csv,test.csv); got {text!r}")
    numbers = [_number(part) for part in parts]
    if numbers[0] is None and numbers[1] is None:
        return Path(parts[0]).expanduser(), Path(parts[1]).expanduser()
    if numbers[0] is None or numbers[1] is None:
        raise ValueError(f"--held-out takes two shares, two numbers or two files, got {text!r}")
    if numbers == [0, 0]:
        raise ValueError("--held-out 0,0 holds nothing out; an audit counts draws among held-out edges")
    return numbers[0], numbers[1]


def hold_out(source: Source, held_out: Shares | Files, seed: int) -> HeldOut:
    """Cut a graph at random, by the seed, or read the held-out edges from their files, whatever the seed.

    Raises:
        ValueError: shares leave nothing to train on; an edge of the files is a training edge too, or is in both, or
            joins nodes that the graph has not.
    """
    if isinstance(held_out[0], Path) and isinstance(held_out[1], Path):
        found = [_read_part(source, path) for path in held_out]
        _check_apart(source.graph, found, [str(path) for path in held_out])
        parts = dict(zip(PARTS, (source.graph, *found), strict=True))
        once = {name: _num_edges(graph, source.undirected) for name, graph in parts.items()}
        return HeldOut(parts, once)
    split = split_edges(source.graph, *held_out, seed=seed, undirected=source.undirected)
    parts = {"train": split.train, "val": _part(source, split.val_edges), "test": _part(source, split.test_edges)}
    edges = (split.train_edges, split.val_edges, split.test_edges)
    return HeldOut(parts, {name: each.shape[1] for name, each in zip(PARTS, edges, strict=True)})


def _number(text: str) -> float | int | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _size(graph: Graph) -> int | tuple[int, int]:
    return (graph.num_src, graph.num_dst) if graph.bipartite else graph.num_src


def _part(source: Source, edges: Tensor) -> Graph:
    if source.undirected:
        edges = torch.cat([edges, edges.flip(0)], 1)
    return Graph.from_edge_index(edges, _size(source.graph))


def _read_part(source: Source, path: Path) -> Graph:
    edges = edge_files.read(path).graph.edge_index
    most, sizes = edges.amax(1).tolist(), (source.graph.num_src, source.graph.num_dst)
    if not source.graph.bipartite:
        most = [max(most)] * 2
    for found, size in zip(most, sizes, strict=True):
        if found >= size:
            raise ValueError(f"{path} has node {found}, but the graph has {size}; pass --num-nodes {found + 1} or more")
    return _part(source, edges)


def _check_apart(train: Graph, held_out: list[Graph], names: list[str]) -> None:
    val, test = held_out
    for name, graph, other, part in ((names[0], val, train, "training"), (names[1], test, train, "training"),
                                     (names[1], test, val, "validation")):
        source, target = graph.edge_index
        both = other.has_edge(source, target).nonzero()[:, 0]
        if len(both):
            raise ValueError(f"{name}: the edge {int(source[both[0]])}, {int(target[both[0]])} is a {part} edge too; "
                             "the parts must be apart")


def _num_edges(graph: Graph, undirected: bool) -> int:
    source, target = graph.edge_index
    return int((source <= target).sum()) if undirected else graph.num_edges
