"""Chunks of the batch that share negatives (PyTorch-BigGraph)."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.batch import chosen_positives, log_mixed
from graphns.samplers.exclusion import Exclude, check_choice, excluded, is_candidate
from graphns.samplers.popularity import Popularity, PopularityLike, popularity_of
from graphns.streams import bounded


class ChunkShared(Sampler):
    r"""Cut the batch into chunks of m pairs; each chunk shares its own m positives and k - m uniform ids (PBG).

    .. math:: \text{ids of a chunk} = (y^+_1, \dots, y^+_m, z_1, \dots, z_{k-m}), \quad z \sim U, \qquad
        q(j) = \frac{m}{k}\, \frac{c_j}{\sum_i c_i} + \Big(1 - \frac{m}{k}\Big) \frac{1}{N}

    with m the rounded ``share * k`` and c the popularity as in `InBatch`. The pairs of a chunk stand one after another
    in the batch and have equal ids, so that scores are one matrix product a chunk. Masked for each pair: its own
    positive wherever it stands, the anchor (same node type) and, with ``exclude="neighbors"``, the anchor's row; and in
    a last, shorter chunk of r pairs, the m - r in-chunk slots that it cannot fill, so that there q has r for m and
    r + k - m for k.

    The density is that of `Mixed`, "marginal" over batches and *unfiltered*. Random are the uniform ids, keyed by the
    lowest row id of the chunk; which pairs are a chunk follows from their order.

    Args:
        graph: known positives; its destinations are the candidates.
        share: the part of k that the chunk gives, in [0, 1]. PBG: k = 100, one half.
        exclude: ``"neighbors"`` or ``"self"``.
        popularity: c, as in `InBatch`.

    Returns:
        On call, ids, log_prob and mask, all [B, k]; the first m slots are the chunk's.

    Raises:
        ValueError: share is outside [0, 1]; popularity is wrong; a positive is no candidate.

    Example:
        >>> from graphns.streams import Stream
        >>> graph = Graph.empty((4, 9))
        >>> query = Query(torch.arange(4), torch.tensor([5, 6, 7, 8]), k=4, stream=Stream(0))
        >>> ChunkShared(graph)(query).ids[:, :2]
        tensor([[5, 6],
                [5, 6],
                [7, 8],
                [7, 8]])

    References:
        Lerer, Wu, Shen, Lacroix, Wehrstedt, Bose, Peysakhovich: PyTorch-BigGraph: A Large-scale Graph Embedding System.
        MLSys 2019.
    """

    density: Density = "marginal"
    unfiltered: ClassVar[bool] = True
    """That the density is of a slot before its mask."""

    def __init__(
        self, graph: Graph, share: float = 0.5, *, exclude: Exclude = "neighbors", popularity: PopularityLike = "edges"
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        if not 0 <= share <= 1:
            raise ValueError(f"share must be in [0, 1], got {share}")
        self.graph = graph
        self.share = share
        self.exclude = exclude
        self.popularity: Popularity = popularity_of(graph, popularity)

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """Half from the chunk, half uniform; `share` and `popularity` may be told."""
        return cls(graph, exclude=exclude, **options)

    def sample(self, query: Query) -> Negatives:
        """Cut, draw for each chunk, and mask."""
        size = round(self.share * query.k)
        batch, device = query.batch_size, query.device
        positives = chosen_positives(query, batch, self.graph.num_dst)[0]
        place = torch.arange(batch, device=device)
        chunk = place // max(size, 1)
        within = chunk[:, None] * size + torch.arange(size, device=device)
        filled = within < batch
        own = positives[within.clamp(max=max(batch - 1, 0))] if batch else within
        # the lowest row id of each chunk names its random sequence
        num_chunks = int(chunk[-1]) + 1 if batch else 0
        name = torch.full((num_chunks,), torch.iinfo(torch.int64).max, device=device)
        name = name.scatter_reduce(0, chunk, query.row, "amin")
        uniform = bounded(query.stream.child(0).words(name, query.k - size), self.graph.num_dst)[chunk]
        ids = torch.cat([torch.where(filled, own, 0), uniform], 1)
        rows, extra = excluded(self.graph, query, self.exclude)
        mask = is_candidate(self.graph, rows, extra, ids)
        mask[:, :size] &= filled
        log_prob = self.log_prob(query, ids)
        log_prob[:, :size].masked_fill_(~filled, 0.0)
        return Negatives(ids, log_prob, mask)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Log of the mixed density for this k, for every anchor alike: not filtered."""
        size, batch = round(self.share * query.k), query.batch_size
        place = torch.arange(batch, device=query.device)
        # the last chunk may be shorter, and its pairs have fewer usable slots of the chunk's
        filled = (batch - place // max(size, 1) * size).clamp(max=size)[:, None].double()
        mixed = log_mixed(self.popularity.log_share(ids), filled / (filled + query.k - size), self.graph.num_dst)
        return mixed.expand(query.batch_size, ids.shape[1])
