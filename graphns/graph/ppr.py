"""Personalised PageRank, approximately, with a bound on the error."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.kernels.push import push
from graphns.kernels.threads import run

_BLOCK = 1 << 22  # estimates held at once while the sources are worked off in blocks


def personalized_pagerank(
    graph: Graph, sources: Tensor, *, restart: float = 0.15, tolerance: float = 1e-4, weighted: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Where a random walk with restart from each source is found, from below.

    The exact vector solves :math:`\pi_s = \alpha e_s + (1 - \alpha) P^\top \pi_s`, with :math:`\alpha` = ``restart``
    and P the walk's steps; a node without neighbours stays. Forward push stops when no node's residual r(u) reaches
    ``tolerance`` * max(deg(u), 1). Then, for the estimate p and every node v,

    .. math:: 0 \le \pi_s(v) - p(v), \qquad \sum_v (\pi_s(v) - p(v)) = \sum_u r(u) = 1 - \sum_v p(v)

    and in an undirected graph without weights :math:`\pi_s(v) - p(v) < \text{tolerance} \cdot \max(\deg(v), 1)`. The
    work is at most 1 / (restart * tolerance) edges per source. Nothing is random. Runs on the CPU; a graph elsewhere
    is copied there.

    Args:
        graph: homogeneous; a bipartite graph as `joined(graph)`.
        sources: [B] integer nodes.
        restart: in (0, 1].
        tolerance: residual left per edge, above 0.
        weighted: steps in proportion to `graph.weight`.

    Returns:
        indptr [B + 1] int64, ids [n] int64 rising within a source, values [n] float64 above 0.

    Raises:
        ValueError: an argument is out of range, the graph is bipartite, or it has no weights.

    Example:
        >>> pair = Graph.from_edge_index(torch.tensor([[0, 1], [1, 0]]))
        >>> _, ids, values = personalized_pagerank(pair, torch.tensor([0]), restart=0.5, tolerance=1e-9)
        >>> ids.tolist(), [round(value, 6) for value in values.tolist()]
        ([0, 1], [0.666667, 0.333333])

    References:
        Andersen, Chung, Lang: Local Graph Partitioning using PageRank Vectors. FOCS 2006.
    """
    if graph.bipartite:
        raise ValueError("PageRank needs one kind of node; take joined(graph) of graphns.graph.build, where candidate "
                         "j is node num_src + j")
    if not 0 < restart <= 1:
        raise ValueError(f"restart must be in (0, 1], got {restart}")
    if not (math.isfinite(tolerance) and tolerance > 0):
        raise ValueError(f"tolerance must be a finite number above 0, got {tolerance}")
    if weighted and graph.weight is None:
        raise ValueError("weighted=True needs a graph with weights: Graph.from_edge_index(..., weight=...)")
    device = graph.device
    start = graph.rows(sources.long()).cpu().contiguous()
    indptr, indices = graph.indptr.cpu().numpy(), graph.indices.cpu().numpy()
    share = _shares(graph) if weighted else torch.empty(0, dtype=torch.float64)
    # every node of positive estimate keeps at least restart * tolerance of the one unit of mass
    room = int(min(graph.num_nodes, math.ceil(1 / (restart * tolerance)) + 1))
    block = max(1, _BLOCK // room)
    sizes, ids, values = [], [start[:0]], [torch.empty(0, dtype=torch.float64)]
    for part in torch.split(start, block) if len(start) else ():
        size = torch.zeros(len(part), dtype=torch.int64)
        found = torch.empty((len(part), room), dtype=torch.int64)
        value = torch.empty((len(part), room), dtype=torch.float64)
        run(push, len(part), indptr, indices, share.numpy(), part.numpy(), float(restart), float(tolerance),
            size.numpy(), found.numpy(), value.numpy(), cost=room)
        kept = torch.arange(room) < size[:, None]
        sizes.append(size)
        ids.append(found[kept])
        values.append(value[kept])
    starts = torch.zeros(len(start) + 1, dtype=torch.int64)
    starts[1:] = torch.cat([start[:0], *sizes]).cumsum(0)
    return starts.to(device), torch.cat(ids).to(device), torch.cat(values).to(device)


def _shares(graph: Graph) -> Tensor:
    """Each edge's part of its source's weight [E] float64; -1 in rows without weight, which a walk cannot leave."""
    cumulative, indptr = graph.cumulative_weight.cpu(), graph.indptr.cpu()
    row = torch.repeat_interleave(torch.arange(graph.num_nodes), indptr.diff())
    at = torch.arange(len(cumulative))
    own = cumulative - torch.where(at > indptr[row], cumulative[(at - 1).clamp(min=0)], 0)
    total = cumulative[(indptr[row + 1] - 1).clamp(min=0)]
    return torch.where(total > 0, own / total.clamp(min=1), -1.0)
