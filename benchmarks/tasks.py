"""What is measured: each task once for graphns, with the cache lines that it has to touch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphns.base import Query
from graphns.graph.graph import Graph
from graphns.streams import Stream


class Task(NamedTuple):
    """One kind of work.

    Attributes:
        key: what peers refer to.
        title: a line of the table.
        limit: why `lines` is the least: which reads or writes cannot be in cache or in sequence.
    """

    key: str
    title: str
    limit: str


BUILD = "rows: edges read twice, written and read as 8-byte keys, written as rows; "
PAIRS = "a pair: its row start, a word of the row's bit table"
TASKS = {task.key: task for task in (
    Task("pairs-call", "negative_sampling, 1 pair an edge, index built in the call", BUILD + PAIRS),
    Task("pairs", "negative_sampling, 1 pair an edge, prepared graph", PAIRS),
    Task("edges-call", "structured_negative_sampling, index built in the call",
         BUILD + "their bit table, written; an edge, as given: its row start, a word of the table, its result"),
    Task("edges", "structured_negative_sampling, prepared graph",
         "rows and bit table read in order; edges and results written (a written line is read first)"),
    Task("batch", "exact negatives of a batch of 1,024 edges",
         "an anchor: row start, the bit table's words of its row (few lines where the row is short), its results"),
    Task("per-source", "verified negatives per source, {batch:,} x 5", "as above, 5 draws"),
    Task("weighted", "degree^0.75 negatives per source, verified, {batch:,} x 5",
         "as above, and an anchor reads its row's weight and its own, a draw a line of the alias table"),
    Task("walks", "random walks, {batch:,} of 10 steps", "a step: row start and neighbour"),
    Task("visits", "visit counts (PinSAGE), {starts:,} starts, 200 walks of 2 x 2 steps, top 10",
         "a step: row start and neighbour"),
)}
LINE = 64  # bytes


@dataclass
class Work:
    """A graph and the parameters of all tasks on it, the same for every library."""

    edge_index: Tensor
    num_nodes: int
    batch: int = 65_536
    starts: int = 1_024
    pairs: int = 1_000_000
    k: int = 5
    length: int = 10
    walks: int = 200
    traversals: int = 2
    top: int = 10
    seed: int = 0
    graph: Graph = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the graph, and choose which edges and nodes the tasks ask about."""
        self.graph = Graph.from_edge_index(self.edge_index, self.num_nodes)
        generator = torch.Generator().manual_seed(self.seed)
        self.batch = min(self.batch, self.edge_index.shape[1])
        self.starts = min(self.starts, self.num_nodes)
        self.pairs = min(self.pairs, self.edge_index.shape[1])
        self.chosen = torch.randperm(self.edge_index.shape[1], generator=generator)[: self.batch]
        self.nodes = torch.randint(self.num_nodes, (self.batch,), generator=generator)
        self.steps = count()

    @property
    def stream(self) -> Stream:
        """Another stream at each call: no library may learn its draws by heart."""
        return Stream(self.seed, next(self.steps))

    def title(self, task: Task) -> str:
        """The task with this work's sizes."""
        title = task.title.format(batch=self.batch, starts=self.starts)
        return title.replace("1 pair an edge", f"{self.pairs:,} pairs").replace("1,024", f"{min(1024, self.batch):,}")


Measured = tuple[str, Callable[[], Any], float]


def ours(work: Work) -> Iterator[Measured]:
    """Key, call, and lines that it must touch. What a call needs is freed before the next group is prepared."""
    for group in (_functions, _uniform, _weighted, _walks, _visits):
        yield from group(work)


def _functions(work: Work) -> Iterator[Measured]:
    from graphns.pyg import negative_sampling, structured_negative_sampling

    edges, graph, n = work.edge_index, work.graph, work.num_nodes
    num_edges = edges.shape[1]
    build = num_edges * (2 * 16 + 2 * 8 + 4) / LINE
    yield "pairs-call", lambda: negative_sampling(edges, n, work.pairs), build + 2 * work.pairs
    yield "pairs", lambda: negative_sampling(graph, num_neg_samples=work.pairs), 2 * work.pairs
    yield ("edges-call", lambda: structured_negative_sampling(edges, n),
           build + num_edges * (4 + 4) / LINE + num_edges * (2 + (8 + 8 + 8) / LINE))
    yield ("edges", lambda: structured_negative_sampling(graph), num_edges * (4 + 4 + 2 * 3 * 8) / LINE)


def row_lines(degree: Tensor, looks: int) -> float:
    """Different lines, in expectation, that `looks` random words of each row's bit table (4 bytes an edge) lie in."""
    lines = (degree.double() * 4 / LINE).clamp(min=1)
    return float((lines * (1 - (1 - 1 / lines) ** looks)).sum())


def _uniform(work: Work) -> Iterator[Measured]:
    from graphns.samplers.static.uniform import Uniform

    # DGL is asked for negatives of the graph's own edges; so are we, and say so
    uniform = Uniform(work.graph, positives="known")
    anchor, positive = (end.contiguous() for end in work.edge_index[:, work.chosen])
    few = min(1024, work.batch)
    for key, size, k in (("batch", few, 1), ("per-source", work.batch, work.k)):
        # an anchor looks for itself and its draws; it reads three numbers, and writes k ids, a count and a density
        lines = size + row_lines(work.graph.degree[anchor[:size]], k + 1) + size * (3 * 8 + 8 * k + 12) / LINE
        yield (key, lambda size=size, k=k: uniform(Query(anchor[:size], positive[:size], k=k, stream=work.stream)),
               lines)


def _weighted(work: Work) -> Iterator[Measured]:
    from graphns.samplers.static.degree import Degree

    degree = Degree(work.graph, positives="known")
    anchor, positive = (end.contiguous() for end in work.edge_index[:, work.chosen])
    lines = (3 * work.batch + row_lines(work.graph.degree[anchor], work.k + 1) + work.batch * work.k
             + work.batch * (3 * 8 + 12 * work.k + 8) / LINE)
    yield "weighted", lambda: degree(Query(anchor, positive, k=work.k, stream=work.stream)), lines


def _walks(work: Work) -> Iterator[Measured]:
    from graphns.graph.walks import random_walks

    yield ("walks", lambda: random_walks(work.graph, work.nodes, work.length, work.stream),
           2 * work.batch * work.length)


def _visits(work: Work) -> Iterator[Measured]:
    from graphns.graph.build import joined
    from graphns.graph.walks import visit_counts

    n = work.num_nodes
    both = joined(Graph.from_edge_index(work.edge_index, (n, n)))
    start = work.nodes[: work.starts] + n  # PinSAGE's items are the destinations, and only items are counted
    yield ("visits", lambda: visit_counts(both, start, work.stream, num_walks=work.walks, length=2 * work.traversals,
                                          top=work.top, first_counted=n, exclude_start=False),
           2 * work.starts * work.walks * 2 * work.traversals)
