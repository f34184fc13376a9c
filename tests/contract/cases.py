"""What the contract suite asks: graphs with extreme rows, a toy model, and one way to build any sampler by name."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.registry import entries, load
from graphns.streams import Stream

NAMES = [entry.name for entry in entries("sampler") if entry.family != "third party"]
# documented exceptions, each with its reason
SHARES_BATCH = {  # the batch, not the row, is what they draw for
    "in-batch",
    "global-edges",
    "global-perm",  # one draw for the batch, permuted across it
    "shared",
    "chunk-shared",  # a chunk follows from the order of the batch
    "mixed",
    "frequency",  # as in-batch
    "moco",  # which of the stored vectors
    "xbm",
    "cbns",
    "prebatch",
}
DRAWS_PAIRS = {  # the density is that of the pair: it sums to 1 over all sources, not given one
    "global-edges",
    "global-perm",
}
UNFILTERED = {  # the density is that of a slot before the mask, as the logQ correction wants it
    "in-batch",
    "chunk-shared",
    "mixed",
    "frequency",
    "cbns",
}
STARTS_EMPTY = {  # nothing is stored before the first step, so the suite takes one first
    "moco",
    "memory-bank",
    "xbm",
    "cbns",
    "prebatch",
}
GIVES_EVERYTHING = {"all"}  # no draw, so no seed and no k
FREE_VECTORS = {  # vectors that are nobody's: ids mean nothing, so nothing is known or excluded
    "adco",
}
OPTIONS: dict[str, dict[str, Any]] = {  # what a sampler must be told to fit the toy model
    "adco": {"dim": 4},
}
NUM_NODES = 20


def hub_graph() -> Graph:
    """20 nodes; rows of N-2, N-1, 0 and 1 neighbours come first, then rows that lean on the hubs. Directed."""
    rows = {0: [*range(1, 19)], 1: [i for i in range(NUM_NODES) if i != 1], 2: [], 3: [0]}
    for node in range(4, NUM_NODES):
        rows[node] = sorted({0, 1, (node + 1) % NUM_NODES, node * 7 % NUM_NODES} - {node})
    edges = [(source, target) for source, row in rows.items() for target in row]
    return Graph.from_edge_index(torch.tensor(edges).T, num_nodes=NUM_NODES)


def complete_graph(size: int = 6) -> Graph:
    """Every node a neighbour of every other: no candidate is left."""
    source, target = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    off = source != target
    return Graph.from_edge_index(torch.stack([source[off], target[off]]), num_nodes=size)


def bipartite_graph() -> Graph:
    """6 sources, 9 candidates; source 0 knows all but one, source 1 none."""
    edges = [(0, i) for i in range(8)] + [(s, c) for s in range(2, 6) for c in (0, s, s + 2)]
    return Graph.from_edge_index(torch.tensor(edges).T, num_nodes=(6, 9))


def large_graph(size: int = 3000) -> Graph:
    """Enough rows that kernels cut them among threads; no generator needed: the ids are hashed."""
    row = torch.arange(size * 6) // 6
    col = (row * 2654435761 + torch.arange(size * 6) % 6 * 40503) % size
    keep = row != col
    return Graph.from_edge_index(torch.stack([row[keep], col[keep]]), num_nodes=size)


class Table:
    """A model that is a table of vectors, scored by dot product.

    The entries are multiples of 1/64, so every score is exact whatever order a machine sums in.
    """

    def __init__(self, num_rows: int, width: int = 4, seed: int = 5) -> None:
        words = Stream(seed).words(torch.arange(num_rows), width)
        self.vectors = ((words >> 40) % 128 - 64).float() / 64
        self.vectors.requires_grad_()

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        return self.score_vectors(anchor, self.vectors[ids])

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        return (self.vectors[anchor][:, None] * vectors).sum(-1)

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        rows = self.vectors[ids]
        return rows[..., None, :] if layers else rows

    def to(self, device: str) -> Table:
        self.vectors = self.vectors.detach().to(device).requires_grad_()
        return self


def build(name: str, graph: Graph, seed: int = 0, **options: Any) -> Sampler:
    """A sampler in its usual form; parameters, where it has some, from a seed of their own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = load(name).from_graph(graph, **(OPTIONS.get(name, {}) | options))
    assert isinstance(made, Sampler)
    if name in STARTS_EMPTY:
        step(made, query_of(graph))
    return made


def takes(name: str, option: str) -> bool:
    """Whether `from_graph` of a sampler names an option; unnamed **options reach the constructor."""
    cls = load(name)
    parameters = inspect.signature(cls.from_graph).parameters
    if option in parameters:
        return True
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    return open_ended and option in inspect.signature(cls.__init__).parameters


def positive_of(graph: Graph, anchor: Tensor) -> Tensor:
    """Each anchor's last neighbour; for anchors without one, the next node."""
    known = [graph.neighbors(int(a)) for a in anchor]
    return torch.tensor([
        int(row[-1]) if len(row) else (int(a) + 1) % graph.num_dst for row, a in zip(known, anchor, strict=True)
    ])


def query_of(graph: Graph, k: int = 5, seed: int = 0, times: int = 2, **options: Any) -> Query:
    """Every source as anchor, `times` times over, each pair with a row id of its own."""
    anchor = torch.arange(graph.num_src).repeat(times)
    model = Table(max(graph.num_src, graph.num_dst))
    asked: dict[str, Any] = {"model": model, "stream": Stream(seed), "row": torch.arange(len(anchor)) + 100}
    return Query(anchor, positive_of(graph, anchor), k, **(asked | options))


def part_of(query: Query, at: Tensor) -> Query:
    """The same question for some of the pairs."""
    return Query(query.anchor[at], query.positive[at], query.k, query.model, query.stream, query.row[at], query.epoch)


def feedback_of(query: Query, negatives: Negatives) -> Feedback:
    """What a training step would know, every field filled."""
    model = query.model
    assert isinstance(model, Table)
    positive = model.score(query.anchor, query.positive[:, None])[:, 0]
    vectors = negatives.vectors
    by_id = vectors is None or vectors.shape[2] == 0
    negative = model.score(query.anchor, negatives.ids) if by_id else model.score_vectors(query.anchor, vectors)
    loss = torch.nn.functional.softplus(negative - positive[:, None]).mean()
    return Feedback(positive, negative, loss, model.embed(query.anchor), model.embed(query.positive))


def step(sampler: Sampler, query: Query) -> None:
    """One training step as the sampler sees it; its parameters, if any, move as an optimiser would move them."""
    negatives = sampler(query)
    sampler.update(query, negatives, feedback_of(query, negatives))
    with torch.no_grad():
        for parameter in sampler.parameters():
            parameter.add_(0.125)


def state_of(sampler: Sampler) -> dict[str, Tensor]:
    """Everything a sampler could write: parameters and buffers, also those derived from the data."""
    return {name: value.detach().clone() for name, value in [*sampler.named_parameters(), *sampler.named_buffers()]}


def same(first: Negatives, second: Negatives) -> bool:
    """Whether two answers are the same, bit for bit."""
    for one, other in zip(first, second, strict=True):
        if (one is None) != (other is None) or (one is not None and other is not None and not torch.equal(one, other)):
            return False
    return True
