"""Another sampler's draws with known positives masked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude, check_choice
from graphns.samplers.known_pairs import row_entries
from graphns.samplers.static.uniform import Uniform

_CHUNK = 1 << 22  # numbers of a [chunk, N] tensor


class Filtered(Sampler):
    r"""Mask the draws of another sampler that are known positives, the query's positive or the anchor itself.

    .. math:: q(j \mid u) = q_0(j \mid u) \Big/ \Big(1 - \sum_{i \in \mathcal{E}(u)} q_0(i \mid u)\Big), \quad
        j \notin \mathcal{E}(u)

    Nothing is drawn again, so a pair may have fewer than k usable negatives. Use it around samplers that cannot avoid
    known positives themselves; *inside* those that choose, ``Hardest(Filtered(base, known))``, since the other way
    round the hardest are mostly known positives, and masked away; and *outside* mixtures,
    ``Filtered(Mixture(...), known)``, which keeps a marginal density.

    The density is "marginal" if that of the base is: that of a usable draw, renormalised exactly. A draw therefore asks
    for the base's density at every known positive of every anchor, a cost as the sum of the rows' lengths; where known
    positives hold more than half of the base's mass, at every candidate, because the difference from 1 would lose its
    digits. With another base it is "none": what the mask takes away from a pool's softmax is not known.

    Args:
        base: draws ids; it may draw known positives.
        known: a `Graph`, or an `EdgeSet` for anchors of several columns; its destinations are the candidates.

    Returns:
        On call, what the base gives, with a smaller mask and, if marginal, log_prob [B, k].

    Raises:
        ValueError: the base draws pairs or vectors.

    Example:
        >>> from graphns import Stream
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 0], [1, 2]]), num_nodes=5)
        >>> sampler = Filtered(Uniform(Graph.empty(5)), graph)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=2, stream=Stream(0))
        >>> sampler.log_prob(query, torch.arange(5)[None]).exp()
        tensor([[0.0000, 0.0000, 0.0000, 0.5000, 0.5000]])
    """

    thins: ClassVar[bool] = True
    """That single draws are masked by chance, and the density is of those that are left."""

    def __init__(self, base: Sampler, known: Graph) -> None:
        super().__init__()
        self.base = base
        self.known = known
        self.density: Density = "marginal" if base.density == "marginal" else "none"

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """Uniform draws that may hit neighbours, with these masked; with ``exclude="self"`` nothing is left to mask.

        Further options are those of `Uniform`.
        """
        check_choice(exclude, ("neighbors", "self"), "exclude")
        size = (graph.num_src, graph.num_dst) if graph.bipartite else graph.num_src
        known = graph if exclude == "neighbors" else Graph.empty(size, graph.device)
        return cls(Uniform(graph, exclude="self", **options), known)

    def sample(self, query: Query) -> Negatives:
        """Draw from the base, and mask."""
        drawn: Negatives = self.base(query)
        if drawn.anchor is not None or drawn.vectors is not None:
            raise ValueError(f"{type(self.base).__name__} draws pairs or vectors; a filter needs ids for the query's "
                             "anchors")
        mask = drawn.mask & ~self._excluded(query, drawn.ids)
        if self.density != "marginal" or drawn.log_prob is None:
            return drawn._replace(mask=mask, log_prob=None)
        log_prob = drawn.log_prob.double() - self._log_kept(query)[:, None]
        some = mask.any(1, keepdim=True)
        return drawn._replace(mask=mask, log_prob=torch.where(some, log_prob, 0.0).float())

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """The base's, renormalised to what the filter keeps; -inf at known positives."""
        if self.density != "marginal":
            return super().log_prob(query, ids)
        log_prob = self.base.log_prob(query, ids).double() - self._log_kept(query)[:, None]
        return log_prob.masked_fill(self._excluded(query, ids), -torch.inf).float()

    def _excluded(self, query: Query, ids: Tensor) -> Tensor:
        """Where ids [B|1, m] are masked: [B, m] bool."""
        out = self.known.has_edge(query.anchor, ids) | (ids == query.positive[:, None])
        return out if self.known.bipartite else out | (ids == query.anchor[:, None])

    def _log_kept(self, query: Query) -> Tensor:
        """Log of the base's mass outside the excluded ids [B] float64; 0 where there is none."""
        rows = self.known.rows(query.anchor)
        pair, ids = row_entries(self.known.indptr, self.known.indices, rows)
        each = torch.arange(query.batch_size, device=query.device)
        extra = [query.positive] if self.known.bipartite else [query.positive, query.anchor]
        for i, column in enumerate(extra):
            fresh = ~self.known.has_edge(query.anchor, column)
            if i:
                fresh &= column != query.positive
            pair, ids = torch.cat([pair, each[fresh]]), torch.cat([ids, column[fresh]])
        mass = self.base.log_prob(_part(query, pair), ids[:, None])[:, 0].double().exp()
        lost = torch.zeros(query.batch_size, dtype=torch.float64, device=query.device).index_add_(0, pair, mass)
        kept = 1 - lost
        heavy, size = (lost > 0.5).nonzero()[:, 0], max(1, _CHUNK // self.known.num_dst)
        for first in range(0, len(heavy), size):
            at = heavy[first : first + size]
            part = _part(query, at)
            every = torch.arange(self.known.num_dst, device=query.device)[None]
            mass = self.base.log_prob(part, every).double().exp()
            kept[at] = mass.masked_fill(self._excluded(part, every), 0.0).sum(1)
        return torch.where(kept > 0, kept, 1.0).log()


def _part(query: Query, at: Tensor) -> Query:
    """The question for some of the pairs, or for pairs several times over."""
    time = None if query.time is None else query.time[at]
    return replace(query, anchor=query.anchor[at], positive=query.positive[at], row=query.row[at], time=time)
