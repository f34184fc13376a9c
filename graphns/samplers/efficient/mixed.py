"""Mixed negatives: the batch's positives and uniform ids, with one density."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.batch import chosen_positives, log_mixed, shared_uniform
from graphns.samplers.exclusion import Exclude, check_choice, excluded, is_candidate
from graphns.samplers.popularity import Popularity, PopularityLike, popularity_of


class Mixed(Sampler):
    r"""Share k negatives: m positives of the batch, and k - m uniform ids (MNS).

    .. math:: q(j) = \frac{m}{k}\, \frac{c_j}{\sum_i c_i} + \Big(1 - \frac{m}{k}\Big) \frac{1}{N}

    with m the rounded ``share * k``, at most B, and c the popularity as in `InBatch`. In-batch negatives are popular;
    the uniform ones bring in what is never a positive, so q is above 0 everywhere. All are shared, ids [1, k], so that
    scoring them is one matrix product; the first m slots are the batch's. Masked for each pair: its positive, the
    anchor (same node type) and, with ``exclude="neighbors"``, the anchor's row.

    Every slot has the same q, that of a slot picked at random: so the k draws together estimate the sum over the
    candidates (the balance heuristic), as the paper corrects. The density is "marginal" over batches and *unfiltered*,
    as that of `InBatch`. Random are the uniform ids, and which m of the positives where B is larger; ids are keyed by
    the lowest row id of the batch, lots by the rows.

    `Mixture([InBatch(graph), Uniform(graph)])` has this density too, but draws each slot's part by chance and for each
    pair alone, [B, k].

    Args:
        graph: known positives; its destinations are the candidates.
        share: the part of k that the batch gives, in [0, 1]. The paper's B and B' are ``k = B + B'`` and
            ``share = B / k``.
        exclude: ``"neighbors"`` or ``"self"``.
        popularity: c, as in `InBatch`.

    Returns:
        On call, ids and log_prob [1, k], mask [B, k].

    Raises:
        ValueError: share is outside [0, 1]; popularity is wrong; a positive is no candidate.

    Example:
        >>> from graphns.streams import Stream
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 1], [3, 4]]), num_nodes=5)
        >>> negatives = Mixed(graph)(Query(torch.tensor([0, 1]), torch.tensor([3, 4]), k=4, stream=Stream(0)))
        >>> negatives.ids[:, :2], negatives.log_prob[:, :2].exp()
        (tensor([[3, 4]]), tensor([[0.3500, 0.3500]]))

    References:
        Yang, Yi, Cheng, Hong, Li, Wang, Xu, Chi: Mixed Negative Sampling for Learning Two-tower Neural Networks in
        Recommendations. WWW Companion 2020.
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
        """Half from the batch, half uniform; `share` and `popularity` may be told."""
        return cls(graph, exclude=exclude, **options)

    def _num_in_batch(self, query: Query) -> int:
        return min(round(self.share * query.k), query.batch_size)

    def sample(self, query: Query) -> Negatives:
        """Take from the batch, draw the rest, and mask."""
        in_batch = self._num_in_batch(query)
        positives = chosen_positives(query, in_batch, self.graph.num_dst)
        uniform = shared_uniform(query.child(0), query.k - in_batch, self.graph.num_dst)
        ids = torch.cat([positives, uniform], 1)
        rows, extra = excluded(self.graph, query, self.exclude)
        return Negatives(ids, self._log_mixed(query, ids), is_candidate(self.graph, rows, extra, ids))

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Log of the mixed density for this k and batch size, for every anchor alike: not filtered."""
        return self._log_mixed(query, ids).expand(query.batch_size, ids.shape[1])

    def _log_mixed(self, query: Query, ids: Tensor) -> Tensor:
        share = self._num_in_batch(query) / query.k
        return log_mixed(self.popularity.log_share(ids), share, self.graph.num_dst)
