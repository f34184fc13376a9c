"""What drawn pairs are in a graph: how far apart, how high they rank, and how widely they spread."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.graph.hops import hop_rings
from graphns.kernels.membership import in_rows

_IDS = 1 << 24  # of the largest rings that are held at once


def hop_distances(graph: Graph, source: Tensor, drawn: Tensor, most: int = 3) -> Tensor:
    """The number of edges on the shortest path from each source to its drawn id, along the edges.

    In a bipartite graph edges count in both directions, so the distances of candidates are odd.

    Args:
        graph: any graph.
        source: [n] int64.
        drawn: [n] int64, candidates.
        most: the greatest distance that is told.

    Returns:
        [n] int64, 0 … most; most + 1 where the path is longer, or there is none.

    Raises:
        ValueError: most is below 0, or a source is no row of the graph.

    Example:
        >>> path = Graph.from_edge_index(torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]]))
        >>> hop_distances(path, torch.tensor([0, 0, 0, 1, 4]), torch.tensor([0, 2, 4, 2, 0])).tolist()
        [0, 2, 4, 1, 4]
    """
    if most < 0:
        raise ValueError(f"most must be at least 0, got {most}")
    found = torch.full_like(drawn, most + 1)
    anchors, row = torch.unique(source, return_inverse=True)
    step = max(1, _IDS // max(graph.num_src, graph.num_dst))
    for first in range(0, len(anchors), step):
        at = ((row >= first) & (row < first + step)).nonzero()[:, 0]
        for distance in range(most + 1):
            indptr, ids = hop_rings(graph, anchors[first : first + step], distance, distance)
            there = in_rows(indptr, ids, row[at] - first, drawn[at][:, None])[:, 0]
            found[at[there]] = distance
    return found


def rank_share(scores: Tensor, ids: Tensor, competitors: Tensor) -> Tensor:
    r"""The share of its competitors that each drawn id outscores; ties count half.

    .. math:: \frac{\#\{j \in C_b : s_{bj} < s_{bi}\} + \frac12 \#\{j \in C_b : s_{bj} = s_{bi}\}}{|C_b|}

    An id that is drawn uniformly from its competitors has 0.5 on average, whatever the scores are.

    Args:
        scores: [B, N], finite.
        ids: [B, m] int64.
        competitors: [B, N] bool, the sets C.

    Returns:
        [B, m] float64; 0 in a row without competitors.

    Example:
        >>> scores = torch.tensor([[0.0, 1.0, 1.0, 5.0]])
        >>> rank_share(scores, torch.tensor([[0, 1, 3]]), torch.tensor([[True, True, True, False]])).tolist()
        [[0.16666666666666666, 0.6666666666666666, 1.0]]
    """
    ordered = scores.masked_fill(~competitors, -torch.inf).sort(1).values
    drawn = scores.gather(1, ids)
    below = torch.searchsorted(ordered, drawn) + torch.searchsorted(ordered, drawn, right=True)
    size = competitors.sum(1, keepdim=True)
    # who does not compete is sorted to the front, and counted away
    return (below.double() / 2 - (scores.shape[1] - size)) / size.clamp(min=1) * (size > 0)


def coverage(counts: Tensor) -> tuple[float, float]:
    r"""How widely draws spread over the N candidates: the share that was ever drawn, and the entropy.

    .. math:: \frac{\#\{j : c_j > 0\}}{N}, \qquad -\sum_j \hat q_j \ln \hat q_j \Big/ \ln N, \quad
        \hat q_j = c_j / \sum_i c_i

    The entropy is 1 for equal counts and 0 where one candidate has them all. Both are of the draws as they are: with
    few draws a candidate, uniform ones too stay below 1.

    Args:
        counts: [N] >= 0, how often each candidate was drawn.

    Returns:
        Two numbers in [0, 1]; NaN where nothing was drawn, and for the entropy of one candidate.

    Example:
        >>> coverage(torch.tensor([3, 3, 0, 0]))
        (0.5, 0.5)
    """
    total = counts.sum()
    if not bool(total > 0):
        return math.nan, math.nan
    share = counts[counts > 0].double() / total
    entropy = -float((share * share.log()).sum()) / math.log(len(counts)) if len(counts) > 1 else math.nan
    return float((counts > 0).double().mean()), abs(entropy)
