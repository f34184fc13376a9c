"""Negatives from a ring of similarities, which closes in with the epochs (CNCE)."""

from __future__ import annotations

from typing import Any, Self

import torch

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, draw, draw_pool, usable_scores
from graphns.samplers.static.uniform import Uniform


class Ring(Sampler):
    r"""Draw from a pool, all alike, the candidates between two percentiles of similarity to the anchor.

    .. math:: y \sim U \{y_{(r)} : \lfloor w_i n \rfloor \le r < \lceil w_o n \rceil\}

    :math:`y_{(0)}, y_{(1)}, \dots, y_{(n-1)}` are the pool's usable slots, best-scored first, :math:`w_i` the `inner`
    and :math:`w_o` the `outer` edge of the ring as shares of the pool. Within the inner edge lie what may be false
    negatives, beyond the outer what is easy. The ring closes in: its outer edge goes from 1, the whole pool, to `outer`
    in equal steps over the first `ramp` epochs. The ring holds at least one slot, if any is usable. With ``inner=0,
    outer=1`` it is the base sampler; with ``outer=M / pool``, one draw is `Hardest` with ``top=M``.

    The density is "given-pool": log_prob is exact given the pool, an id with several slots in it having their summed
    probability. All k slots of a pair draw from one pool, with replacement.

    Args:
        base: draws the pool; put exclusions there.
        pool: candidates per pair.
        inner: share of the pool, from the best, that is left out; in [0, outer).
        outer: share of the pool at which the ring ends; at most 1.
        ramp: epochs until the ring is closed; 0: from the start.

    Returns:
        On call, ids, log_prob and mask, all [B, k]. Of equal scores, the earlier pool slot is the better.

    Raises:
        ValueError: the query has no model; an argument is out of range; a score is NaN or infinite.

    Example:
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = Ring(Uniform(Graph.empty(1000)), pool=500, inner=0.1, outer=0.2)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=8, model=Larger(), stream=Stream(0))
        >>> ids = sampler(query).ids
        >>> bool((ids > 700).all()), bool((ids < 950).all())
        (True, True)

    References:
        Wu, Mosse, Zhuang, Yamins, Goodman: Conditional Negative Sampling for Contrastive Learning of Visual
        Representations. ICLR 2021.
    """

    needs_model = True
    density: Density = "given-pool"

    def __init__(
        self, base: Sampler, *, pool: int = 64, inner: float = 0.0, outer: float = 0.25, ramp: int = 0
    ) -> None:
        super().__init__()
        if not 0 <= inner < outer <= 1:
            raise ValueError(f"need 0 <= inner < outer <= 1, got {inner} and {outer}")
        if ramp < 0:
            raise ValueError(f"ramp must be at least 0, got {ramp}")
        self.base = base
        self.pool = check_pool(pool)
        self.inner, self.outer = inner, outer
        self.ramp = ramp

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 64, inner: float = 0.0, outer: float = 0.25,
        ramp: int = 0, **options: Any,
    ) -> Self:
        """A ring of uniform candidates; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), pool=pool, inner=inner, outer=outer, ramp=ramp)

    def edge(self, epoch: int) -> float:
        """The outer edge in an epoch, counted from 0."""
        done = min(epoch / self.ramp, 1.0) if self.ramp else 1.0
        return (1.0 - done) + done * self.outer

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, rank it, draw from the ring."""
        pool = draw_pool(self.base, query, self.pool)
        scores = usable_scores(pool, query.score(pool.ids)).double()
        order = scores.argsort(dim=1, descending=True, stable=True)
        size = pool.mask.sum(1, keepdim=True).double()
        # percentiles such as 0.3 of 10 are meant exactly, and are not in floating point
        low = (self.inner * size + 1e-9).floor()
        high = (self.edge(query.epoch) * size - 1e-9).ceil().maximum(low + 1)
        rank = torch.empty_like(order)
        rank.scatter_(1, order, torch.arange(order.shape[1], device=order.device).expand_as(order).contiguous())
        inside = pool.mask & (rank >= low) & (rank < high)
        return draw(pool._replace(mask=inside), torch.zeros_like(scores), query)
