"""A small cache of hard negatives for every anchor (NSCaching)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.kernels.distinct import complement_distinct
from graphns.samplers.alike import log_alike
from graphns.samplers.exclusion import Exclude, check_choice, excluded, is_candidate
from graphns.samplers.pool import usable_scores
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream, bounded, unit_open


class NSCaching(Sampler):
    r"""Draw uniformly from the anchor's cache of N1 candidates, which drifts to those that score high.

    .. math:: y \sim U(\mathcal{N}_u), \qquad
        \mathcal{N}_u \leftarrow N_1 \text{ of } \mathcal{N}_u \cup \mathcal{R}, \text{ without replacement, }
        p(y) \propto \exp s(u, y)

    with :math:`\mathcal{R}` N2 fresh uniform candidates. `update` renews the caches of the batch's anchors after each
    step, by the largest of s + Gumbel noise (so sampling without replacement needs one sort). Caches begin with
    uniform candidates, hold no id twice and never a known positive.

    An anchor is a row of the graph. With ``triples.known()`` that is the paper's pair of caches: the tails of
    (head, relation), and the heads of (tail, relation + R), where the query asks the inverse question. An anchor that
    an `EdgeSet` never saw has no cache, and gets uniform negatives. Where several pairs of a batch share an anchor, the
    first renews the cache.

    The density is "marginal" given the caches as they stand: uniform over the usable ones, -inf elsewhere. For one
    that is above 0 everywhere, mix it with `Uniform`. Random are the draws and, in `update`, fresh candidates and
    noise: all from the query's stream.

    Args:
        graph: known positives; its destinations are the candidates. Memory: 4 N1 bytes a row.
        size: N1, candidates in a cache.
        fresh: N2, uniform candidates that compete at each renewal.
        lazy: epochs between renewals that are left out; 0 renews in every epoch.
        exclude: ``"neighbors"`` or ``"self"``.
        seed: of the first caches.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: the query has no model, on drawing already; an option is out of range; a score is NaN or infinite.

    Example:
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = NSCaching(Graph.empty(1000), size=8, fresh=100)
        >>> for step in range(20):
        ...     query = Query(torch.tensor([0]), torch.tensor([1]), k=4, model=Larger(), stream=Stream(0, step))
        ...     sampler.update(query, sampler(query))
        >>> bool((sampler(query).ids > 900).all())
        True

    References:
        Zhang, Yao, Shao, Chen: NSCaching: Simple and Efficient Negative Sampling for Knowledge Graph Embedding.
        ICDE 2019.
    """

    density: Density = "marginal"
    needs_model = True
    cache: Tensor

    def __init__(
        self, graph: Graph, *, size: int = 30, fresh: int = 30, lazy: int = 0, exclude: Exclude = "neighbors",
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        for name, value, least in (("size", size, 1), ("fresh", fresh, 1), ("lazy", lazy, 0)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        self.graph = graph
        self.fresh = fresh
        self.lazy = lazy
        self.exclude = exclude
        # where an anchor has no cache; it takes part in nothing else
        self.unseen = Uniform(graph, exclude=exclude)
        rows = torch.arange(graph.num_src, device=graph.device)
        none = torch.full_like(rows, -1)
        extra = torch.stack([none if graph.bipartite else rows, none], 1)
        first = self._distinct(rows if exclude == "neighbors" else none, extra, Stream(seed).row_keys(rows), size)
        ids = torch.int32 if graph.num_dst < 2**31 else torch.int64
        self.register_buffer("cache", first.to(ids))  # [rows, N1]; -1 where there are fewer candidates

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """A cache for every row of the graph."""
        return cls(graph, exclude=exclude, **options)

    def sample(self, query: Query) -> Negatives:
        """Draw from the caches."""
        query.require_model()
        cache, usable = self._usable(query)
        count = usable.sum(1)
        rank = bounded(query.stream.words(query.row, query.k), count[:, None])
        # usable ones first, in their order
        slot = (~usable).long().argsort(dim=1, stable=True).gather(1, rank)
        mask = (count > 0)[:, None].expand_as(slot)
        ids = torch.where(mask, cache.gather(1, slot), 0)
        log_prob = log_alike(count)[:, None].expand_as(slot)
        seen = self._seen(query)
        if bool(seen.all()):
            return Negatives(ids, log_prob, mask)
        other: Negatives = self.unseen(query)
        assert other.log_prob is not None
        pick = seen[:, None]
        return Negatives(torch.where(pick, ids, other.ids), torch.where(pick, log_prob, other.log_prob),
                         torch.where(pick, mask, other.mask))

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the number of usable ids in the anchor's cache; -inf at all others."""
        cache, usable = self._usable(query)
        ordered = torch.where(usable, cache, self.graph.num_dst).sort(1).values
        wanted = ids.expand(query.batch_size, ids.shape[1]).contiguous()
        at = torch.searchsorted(ordered, wanted).clamp(max=ordered.shape[1] - 1)
        held = (ordered.gather(1, at) == wanted) & (wanted < self.graph.num_dst)
        each = log_alike(usable.sum(1))
        log_prob = torch.where(held, each[:, None], -torch.inf)
        seen = self._seen(query)
        return log_prob if bool(seen.all()) else torch.where(seen[:, None], log_prob, self.unseen.log_prob(query, ids))

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Renew the caches of the step's anchors, by the model as it stands."""
        if query.epoch % (self.lazy + 1):
            return
        own, pair = torch.unique(self.graph.rows(query.anchor), return_inverse=True)
        first = torch.full_like(own, query.batch_size).scatter_reduce(
            0, pair, torch.arange(query.batch_size, device=own.device), "amin")
        own, first = own[own >= 0], first[own >= 0]
        part = replace(query, anchor=query.anchor[first], positive=query.positive[first], row=query.row[first],
                       time=None if query.time is None else query.time[first])
        rows, extra = excluded(self.graph, part, self.exclude)
        old = self.cache[own].long()
        new = self._distinct(rows, extra, part.stream.child(2).row_keys(part.row), self.fresh)
        known = (new[:, :, None] == old[:, None, :]).any(2)
        ids = torch.cat([old, new.masked_fill(known, -1)], 1)
        union = Negatives(ids.clamp(min=0), None, ids >= 0)
        scores = usable_scores(union, part.score(union.ids)).double()
        noise = -(-unit_open(part.stream.child(3).words(part.row, ids.shape[1])).log()).log()
        keys = (scores + noise).masked_fill(~union.mask, -torch.inf)
        self.cache[own] = ids.gather(1, keys.topk(old.shape[1], 1).indices).to(self.cache.dtype)

    def _seen(self, query: Query) -> Tensor:
        return self.graph.rows(query.anchor) >= 0 if isinstance(self.graph, EdgeSet) else query.anchor >= 0

    def _usable(self, query: Query) -> tuple[Tensor, Tensor]:
        """The caches of the anchors [B, N1], and which of their ids may be drawn."""
        cache = self.cache[self.graph.rows(query.anchor).clamp(min=0)].long()
        rows, extra = excluded(self.graph, query, self.exclude)
        return cache, is_candidate(self.graph, rows, extra, cache)

    def _distinct(self, rows: Tensor, extra: Tensor, row_keys: Tensor, num: int) -> Tensor:
        """Distinct uniform candidates [n, num] of each row; -1 where there are no more."""
        ids, counts = complement_distinct(self.graph.indptr, self.graph.indices, rows, extra, self.graph.num_dst,
                                          row_keys, num)
        return ids.masked_fill(torch.arange(num, device=ids.device) >= counts[:, None], -1)
