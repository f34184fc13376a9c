"""Candidates that a registered sampler draws over the k-NN graph of the items."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from graphns.base import Query, Sampler
from graphns.graph.graph import Graph
from graphns.kernels.top_scores import Skips
from graphns.mining.search import search
from graphns.mining.table import Table, pairwise
from graphns.streams import Stream

MakeSampler = Callable[[Graph], Sampler]
"""A sampler over a graph: `RandomWalk`, or a function that gives it options."""
_NUMBERS = 1 << 24  # numbers of candidates' vectors that are gathered at once


class TableModel:
    """The fixed embeddings as a sampler's model.

    Args:
        anchors: the table of anchors.
        corpus: the table of candidates.
    """

    def __init__(self, anchors: Table, corpus: Table) -> None:
        self.anchors, self.corpus = anchors, corpus

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Scores [B, m] float32 of candidates [B|1, m]."""
        return self.score_vectors(anchor, self.corpus.rows(ids[0])[None]) if len(ids) == 1 else self._own(anchor, ids)

    def _own(self, anchor: Tensor, ids: Tensor) -> Tensor:
        scores = torch.empty(ids.shape)
        step = max(1, _NUMBERS // max(ids.shape[1] * self.corpus.width, 1))
        for start in range(0, len(ids), step):
            part = ids[start : start + step]
            left = self.anchors.rows(anchor[start : start + step]).repeat_interleave(ids.shape[1], 0)
            right = self.corpus.rows(part.reshape(-1))
            scores[start : start + step] = pairwise(left, right, self.corpus.metric).view(part.shape)
        return scores

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        """Scores [B, m] of vectors [B|1, m, d]."""
        left = self.anchors.rows(anchor)[:, None]
        if self.corpus.metric == "l2":
            return torch.cdist(left, vectors.to(left), compute_mode="donot_use_mm_for_euclid_dist")[:, 0].float().neg_()
        return (left * vectors).sum(2)

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        """Rows [..., d] of the corpus; with `layers`, the one layer [..., 1, d]."""
        found = self.corpus.rows(ids.reshape(-1)).float().view(*ids.shape, -1)
        return found[..., None, :] if layers else found


def neighbor_graph(
    anchors: Table, corpus: Table, neighbors: int, banned: Tensor, block: int = 1024, device: torch.device | str = "cpu"
) -> Graph:
    """The exact k-NN graph: of one table, undirected; or bipartite, from each anchor to its nearest in the corpus.

    Args:
        anchors: its table; the same object as `corpus` for one table.
        corpus: what is searched.
        neighbors: of each row.
        banned: [N] bool, rows of the corpus that are nobody's neighbours, or empty.
        block: rows that are searched for at once.
        device: where scores are made.

    Raises:
        ValueError: neighbors is below 1, or the corpus has no more rows than that.

    Example:
        >>> import numpy as np
        >>> line = Table(np.array([[0.0], [1.0], [3.0]]), "l2")
        >>> neighbor_graph(line, line, 1, torch.empty(0, dtype=torch.bool)).edge_index
        tensor([[0, 1, 1, 2],
                [1, 0, 2, 1]])
    """
    one_table = anchors is corpus
    if not 1 <= neighbors <= len(corpus) - one_table:
        raise ValueError(f"neighbors must be between 1 and {len(corpus) - one_table}, as there are {len(corpus)} rows, "
                         f"got {neighbors}")
    skips = Skips(banned, *torch.empty(2, 0, dtype=torch.int64))
    edges = []
    for start in range(0, len(anchors), block):
        rows = torch.arange(start, min(start + block, len(anchors)))
        ids, _ = search(anchors.tile(start, start + len(rows)), corpus, neighbors + one_table, skips, device)
        source = rows[:, None].expand(ids.shape)
        kept = ids >= 0
        if one_table:  # of copies, not itself must come first: the last of the others makes room
            kept &= ids != source
            kept &= kept.cumsum(1) <= neighbors
            if len(banned):
                kept &= ~banned[rows][:, None]
        edges.append(torch.stack([source[kept], ids[kept]]))
    edge_index = torch.cat(edges, 1)
    if not one_table:
        return Graph.from_edge_index(edge_index, (len(anchors), len(corpus)))
    return Graph.from_edge_index(torch.cat([edge_index, edge_index.flip(0)], 1), len(corpus))


def draw(
    sampler: Sampler, model: TableModel, anchor: Tensor, positive: Tensor, draws: int, stream: Stream
) -> Tensor:
    """Distinct candidates of each anchor in the order in which the sampler drew them.

    Args:
        sampler: over the graph.
        model: what it may read.
        anchor: [B] int64.
        positive: [B] int64, one for each.
        draws: slots of a draw.
        stream: keyed by the anchor, so blocks do not matter.

    Returns:
        ids [B, m] int64, -1 in slots that were masked or repeat an earlier one.
    """
    query = Query(anchor, positive, draws, model=model, stream=stream, row=anchor)
    with torch.no_grad():
        negatives = sampler(query)
    ids = torch.where(negatives.mask, negatives.ids.expand(negatives.mask.shape), -1)
    return without_copies(ids)


def without_copies(ids: Tensor) -> Tensor:
    """Ids [B, m] with -1 where a row has had the id before.

    Example:
        >>> without_copies(torch.tensor([[7, 3, 7, 3, 5]]))
        tensor([[ 7,  3, -1, -1,  5]])
    """
    ordered, place = ids.sort(dim=1, stable=True)
    copy = torch.zeros_like(ids, dtype=torch.bool)
    copy.scatter_(1, place[:, 1:], ordered[:, 1:] == ordered[:, :-1])
    return ids.masked_fill(copy, -1)
