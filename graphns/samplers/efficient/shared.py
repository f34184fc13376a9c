"""One set of negatives for the whole batch."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.batch import batch_row
from graphns.samplers.exclusion import Exclude, check_choice, excluded, is_candidate
from graphns.samplers.known_pairs import row_entries
from graphns.samplers.static.degree import Degree
from graphns.samplers.static.uniform import Uniform

_CHUNK = 1 << 22  # numbers of a [chunk, N] tensor


class Shared(Sampler):
    r"""Draw k negatives once, for all pairs of the batch: scoring them is one matrix product.

    .. math:: y_1 \dots y_k \sim q_0, \qquad
        q(j \mid u) = q_0(j) \Big/ \Big(1 - \sum_{i \in \mathcal{E}(u)} q_0(i)\Big), \quad j \notin \mathcal{E}(u)

    :math:`q_0` is the base sampler's distribution for no anchor in particular; :math:`\mathcal{E}(u)` holds the anchor
    (same node type), the pair's positive and, with ``exclude="neighbors"``, the anchor's row: shared draws that fall
    there are masked for that pair alone, so a pair may have fewer than k. The density is "marginal" if the base's is,
    exactly: that of a usable slot. The slots of different pairs are not independent: they are the same. Random is
    what the base draws, keyed by the lowest row id of the batch.

    Args:
        base: draws for the anchor 0 without a positive (-1); so give one over a graph with one source and no edges,
            ``Uniform(Graph.empty((1, N)))``.
        known: known positives; its destinations are the candidates.
        exclude: ``"neighbors"`` or ``"self"``.

    Returns:
        On call, ids [1, k], mask [B, k], and log_prob [B, k] if marginal.

    Raises:
        ValueError: the base draws pairs or vectors, or an id that is no candidate of the graph.

    Example:
        >>> from graphns.streams import Stream
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 0], [1, 2]]), num_nodes=5)
        >>> sampler = Shared(Uniform(Graph.empty((1, 5))), graph)
        >>> negatives = sampler(Query(torch.tensor([0, 3]), torch.tensor([1, 4]), k=8, stream=Stream(0)))
        >>> negatives.ids.shape, negatives.mask.shape, negatives.log_prob.exp()[:, 0]
        (torch.Size([1, 8]), torch.Size([2, 8]), tensor([0.5000, 0.3333]))

    References:
        Ying, He, Chen, Eksombatchai, Hamilton, Leskovec: Graph Convolutional Neural Networks for Web-Scale Recommender
        Systems. KDD 2018.
        Zheng, Song, Ma, Tan, Ye, Dong, Xiong, Zhang, Karypis: DGL-KE: Training Knowledge Graph Embeddings at Scale.
        SIGIR 2020.
    """

    thins: ClassVar[bool] = True
    """That single draws are masked by chance, and the density is of those that are left."""

    def __init__(self, base: Sampler, known: Graph, *, exclude: Exclude = "neighbors") -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        self.base = base
        self.known = known
        self.exclude = exclude
        self.density: Density = "marginal" if base.density == "marginal" else "none"

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", power: float = 0.0, smoothing: float = 0.0, **options: Any
    ) -> Self:
        """Shared uniform draws; with `power`, in proportion to that power of the degree plus `smoothing`.

        Further options are those of `Uniform`, or of `Degree`.
        """
        nowhere = Graph.empty((1, graph.num_dst), graph.device)
        if power == 0:
            return cls(Uniform(nowhere, exclude="self", **options), graph, exclude=exclude)
        weights = (graph.in_degree.cpu().double() + smoothing) ** power
        return cls(Degree(nowhere, weights=weights, exclude="self", **options), graph, exclude=exclude)

    def sample(self, query: Query) -> Negatives:
        """Draw once, and mask for each pair."""
        drawn: Negatives = self.base(self._of_batch(query))
        if drawn.anchor is not None or drawn.vectors is not None:
            raise ValueError(f"{type(self.base).__name__} draws pairs or vectors; a shared set holds ids of one "
                             "candidate table")
        if drawn.ids.numel() and int(drawn.ids.max()) >= self.known.num_dst:
            raise ValueError(f"{type(self.base).__name__} drew {int(drawn.ids.max())}, outside the {self.known.num_dst}"
                             " candidates; give a base over the same candidates")
        rows, extra = excluded(self.known, query, self.exclude)
        mask = is_candidate(self.known, rows, extra, drawn.ids) & drawn.mask
        if self.density != "marginal" or drawn.log_prob is None:
            return Negatives(drawn.ids, None, mask)
        log_prob = drawn.log_prob.double() - self._log_kept(query, rows, extra)[:, None]
        return Negatives(drawn.ids, torch.where(mask.any(1, keepdim=True), log_prob, 0.0).float(), mask)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """The base's, renormalised to what is not excluded; -inf at excluded ids."""
        if self.density != "marginal":
            return super().log_prob(query, ids)
        rows, extra = excluded(self.known, query, self.exclude)
        allowed = is_candidate(self.known, rows, extra, ids)
        if ids.shape[0] == 1:
            shared = self.base.log_prob(self._of_batch(query), ids).double()
        else:
            shared = self.base.log_prob(self._of_batch(query), ids.flatten()[None]).double().view(ids.shape)
        log_prob = shared - self._log_kept(query, rows, extra)[:, None]
        return log_prob.masked_fill(~allowed, -torch.inf).float()

    def _of_batch(self, query: Query) -> Query:
        """The one question for all pairs: no anchor, no positive."""
        zero = torch.zeros(1, dtype=torch.int64, device=query.device)
        return Query(zero, zero - 1, query.k, query.model, query.stream, batch_row(query), query.epoch)

    def _log_kept(self, query: Query, rows: Tensor, extra: Tensor) -> Tensor:
        """Log of the base's mass outside the excluded ids [B] float64; 0 where there is none."""
        asked = self._of_batch(query)
        pair, ids = row_entries(self.known.indptr, self.known.indices, rows)
        # what is excluded besides the row, once each
        fresh = is_candidate(self.known, rows, torch.full_like(extra[:, :0], -1), extra)
        fresh[:, 1] &= extra[:, 0] != extra[:, 1]
        each, column = fresh.nonzero().T
        pair, ids = torch.cat([pair, each]), torch.cat([ids, extra[each, column]])
        mass = self.base.log_prob(asked, ids[None])[0].double().exp()
        kept = 1 - torch.zeros(query.batch_size, dtype=torch.float64, device=query.device).index_add_(0, pair, mass)
        # beyond a half the difference from 1 loses its digits: there the rest is added up instead
        heavy, size = (kept < 0.5).nonzero()[:, 0], max(1, _CHUNK // self.known.num_dst)
        if len(heavy):
            every = torch.arange(self.known.num_dst, device=query.device)[None]
            mass = self.base.log_prob(asked, every).double().exp()
            for first in range(0, len(heavy), size):
                at = heavy[first : first + size]
                allowed = is_candidate(self.known, rows[at], extra[at], every)
                kept[at] = torch.where(allowed, mass, 0.0).sum(1)
        return torch.where(kept > 0, kept, 1.0).log()
