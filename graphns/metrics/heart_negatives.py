"""HeaRT's negatives: for each positive those that heuristics take for likely, from both of its ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from graphns.encoders.sparse import Sparse
from graphns.graph.graph import Graph
from graphns.metrics.heart import best_rank
from graphns.scorers.overlap import CommonNeighbors, ResourceAllocation
from graphns.scorers.pagerank import PersonalizedPageRank
from graphns.streams import Stream, words_at

HEURISTICS = ("ra", "cn", "ppr", "cosine")
_SCORES = 1 << 21  # held at once, of each heuristic
Rows = Callable[[Tensor], Tensor]


@torch.no_grad()
def heart_negatives(graph: Graph, positive: Tensor, n: int = 500, *, x: Tensor | Sparse | None = None,
                    exclude: Graph | None = None, heuristics: Sequence[str] | None = None, restart: float = 0.15,
                    tolerance: float | None = None, seed: int = 0) -> Tensor:
    r"""The n hardest negatives of each positive, half with its source kept and half with its target kept.

    For a positive (a, b), every node c is a candidate for (a, c) unless it is a or b, or (a, c) is excluded. Each
    heuristic scores all candidates, and the best rank counts, ties at the middle (`best_rank`); so do the candidates of
    (c, b). Heuristics, and what is excluded, are read in both directions.

    What is known of a pair depends on nothing but the graph and the pair: asked twice, or among other pairs, or in
    another order, a positive has the same negatives. Random is the order of candidates of one best rank alone, keyed by
    the seed, the pair, its kept end and the candidate. No negative comes twice beside one kept end.

    Args:
        graph: the edges that heuristics read: the training edges, or for the test part those of validation too.
        positive: [2, P] int64.
        n: negatives of a positive, even, at least 2.
        x: [N, F] features, for "cosine".
        exclude: pairs that are no negatives. None: the edges of `graph`. HeaRT excludes the training edges, and for the
            test part those of validation; other positives of the same part may be among the negatives, as in its files.
        heuristics: of "ra" (resource allocation), "cn" (common neighbours), "ppr" (PageRank of the kept end) and
            "cosine" (of features). None: "ra", "ppr" and, with features, "cosine".
        restart: of PageRank.
        tolerance: of PageRank; None: what suits the graph. See `graphns.scorers.pagerank.PersonalizedPageRank`.
        seed: where the randomness comes from.

    Returns:
        [2, P, n] int64: (a, c) for the first half, (c, b) for the second, hardest first.

    Raises:
        ValueError: an argument is out of range, "cosine" has no features, or a node has fewer than n / 2 candidates.

    Example:
        >>> ring = torch.arange(8)
        >>> graph = Graph.from_edge_index(torch.stack([ring, (ring + 1) % 8]))
        >>> found = heart_negatives(graph, torch.tensor([[0], [3]]), 4)
        >>> found[:, 0, :2].tolist(), found[:, 0, 2:].sort().values.tolist()
        ([[0, 0], [2, 6]], [[1, 5], [3, 3]])

    References:
        Li et al.: Evaluating Graph Neural Networks for Link Prediction: Current Pitfalls and New Benchmarking. NeurIPS
        2023 (Datasets and Benchmarks).
    """
    if n < 2 or n % 2:
        raise ValueError(f"n must be even and at least 2, half of it for each end, got {n}")
    if positive.dim() != 2 or positive.shape[0] != 2 or positive.is_floating_point():
        raise ValueError(f"positive must be integer pairs [2, P], got {positive.dtype} {tuple(positive.shape)}")
    scorers = _scorers(graph, x, heuristics, restart, tolerance)
    known = both_ways(graph if exclude is None else exclude)
    if known.num_nodes != graph.num_nodes:
        raise ValueError(f"exclude has {known.num_nodes} nodes, the graph {graph.num_nodes}")
    pairs = torch.stack([graph.rows(each) for each in positive.to(graph.device).long()])
    halves = []
    for kept in (0, 1):
        parts = [_hardest(pairs[:, part], kept, n // 2, scorers, known, seed)
                 for part in torch.split(torch.arange(pairs.shape[1]), max(1, _SCORES // graph.num_nodes))]
        found = torch.cat(parts)
        own = pairs[kept][:, None].expand_as(found)
        halves.append(torch.stack([own, found] if kept == 0 else [found, own]))
    return torch.cat(halves, 2)


def both_ways(graph: Graph) -> Graph:
    """The graph with every edge in both directions."""
    return Graph.from_edge_index(torch.cat([graph.edge_index, graph.edge_index.flip(0)], 1), graph.num_nodes)


def _hardest(pairs: Tensor, kept: int, size: int, scorers: Sequence[Rows], known: Graph, seed: int) -> Tensor:
    """The hardest candidates [P, size] for the other end of pairs [2, P]."""
    own, other = pairs[kept], pairs[1 - kept]
    distinct, place = torch.unique(own, return_inverse=True)
    nodes = torch.arange(known.num_nodes, device=own.device)
    out = known.has_edge(own, nodes[None])
    out.scatter_(1, pairs.T, True)
    room = (~out).sum(1)
    if bool((room < size).any()):
        at = int(room.argmin())
        raise ValueError(f"of positive ({int(pairs[0, at])}, {int(pairs[1, at])}), node {int(own[at])} has "
                         f"{int(room[at])} candidates, and n={2 * size} needs {size}; lower n")
    scores = [rows(distinct)[place].masked_fill_(out, -torch.inf) for rows in scorers]
    rank = best_rank(scores).masked_fill_(out, torch.inf)
    # one key a pair and kept end, whatever else is asked for, and one word a candidate
    stream = Stream(seed).child(kept)
    keys = Stream(0).row_keys(stream.row_keys(own) ^ stream.at(1).row_keys(other))
    # the words are put in order first: a stable sort by rank leaves that order among equals
    order = words_at(keys, known.num_nodes).argsort(1)
    return order.gather(1, rank.gather(1, order).argsort(dim=1, stable=True)[:, :size])


def _scorers(graph: Graph, x: Tensor | Sparse | None, heuristics: Sequence[str] | None, restart: float,
             tolerance: float | None) -> list[Rows]:
    chosen = ["ra", "ppr", *(["cosine"] if x is not None else [])] if heuristics is None else list(heuristics)
    if not chosen or not set(chosen) <= set(HEURISTICS):
        raise ValueError(f"heuristics must be of {', '.join(HEURISTICS)}, got {', '.join(chosen) or 'none'}")
    found: list[Rows] = []
    for name in chosen:
        if name == "cosine":
            found.append(_cosine(graph, x))
        elif name == "ppr":
            found.append(PersonalizedPageRank(graph, restart, tolerance, symmetric=False).rows)
        else:
            found.append((ResourceAllocation if name == "ra" else CommonNeighbors)(graph).rows)
    return found


def _cosine(graph: Graph, x: Tensor | Sparse | None) -> Rows:
    if x is None or x.shape[0] != graph.num_nodes:
        raise ValueError(f"'cosine' needs features x [{graph.num_nodes}, F], got "
                         f"{None if x is None else tuple(x.shape)}; without them leave it out")
    if isinstance(x, Sparse):
        values = x.values.double()
        norm = torch.zeros(x.shape[0], dtype=torch.float64, device=x.device).index_add_(0, x.row, values**2).sqrt()
        values = _whole(values / norm.clamp(min=1e-12)[x.row])
        unit = Sparse.from_entries(x.row, x.matrix.col_indices(), values, x.shape)
        return lambda nodes: (unit @ unit.rows(nodes).to_dense().T).T
    table = _whole(normalize(x.double(), dim=1))
    return lambda nodes: table[nodes] @ table.T


def _whole(unit: Tensor) -> Tensor:
    """Entries of unit rows in whole 2^-25: no sum of their products reaches 2^53, so none depends on its order.

    Else a library's blocks would, and with them whether two candidates tie.
    """
    return (unit * 2.0**25).round()
