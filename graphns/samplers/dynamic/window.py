"""Windows of a pool: by rank, by a highest score, by a margin under the positive."""

from __future__ import annotations

from typing import Any, Literal, Self

import torch

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude, check_choice
from graphns.samplers.pool import check_pool, check_room, draw_pool, usable_scores
from graphns.samplers.slots import positive_scores
from graphns.samplers.static.uniform import Uniform


class Window(Sampler):
    r"""Rank a pool by score, and take from the part that is neither too easy nor suspiciously good.

    .. math:: y_1 \dots y_k \in \{y_{(r)} : a \le r < b,\ s_{(r)} \le c,\ s_{(r)} \le s^+ - m,\
        s_{(r)} \le s^+ - \rho |s^+|\}

    :math:`y_{(0)}, y_{(1)}, \dots` are the pool's usable slots, best first; a, b, c, m, :math:`\rho` are `range_min`,
    `range_max`, `max_score`, `absolute_margin`, `relative_margin`, each of which may be left out. Candidates above the
    bounds are taken for false negatives. A pair for which fewer than k are left has masked slots.

    ``relative_margin=0.05`` is TopK-PercPos of NV-Retriever (keep what scores below 95 % of the positive),
    ``absolute_margin=0.05`` its TopK-MarginPos. With no bound, it is `Hardest`: ``strategy="top"`` with ``top=1``,
    ``strategy="random"`` with ``top=range_max``.

    The density is "none": the chance of an id depends on which other ids were in its pool, over all pools.

    Args:
        base: draws the pool; put exclusions there.
        pool: candidates per pair, at least k.
        range_min: a, the first rank taken, from 0.
        range_max: b, the rank before which it ends; None: the whole pool.
        max_score: c, the highest score taken.
        absolute_margin: m, how far below the positive's score.
        relative_margin: rho, how far below it as a share of its size.
        strategy: ``"top"``: the best of the window, best first; ``"random"``: any of it, distinct slots.

    Returns:
        On call, ids and mask [B, k], no log_prob. Of equal scores, the earlier pool slot is the better.

    Raises:
        ValueError: the query has no model; a bound is out of range or not finite; k is above the pool; a score is NaN
            or infinite.

    Example:
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that scores an id by its number
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = Window(Uniform(Graph.empty(1000)), pool=500, relative_margin=0.05)
        >>> query = Query(torch.tensor([0]), torch.tensor([800]), k=3, model=Larger(), stream=Stream(0))
        >>> ids = sampler(query).ids
        >>> bool((ids > 700).all()), bool((ids <= 760).all())
        (True, True)

    References:
        Moreira, Osmulski, Xu, Ak, Schifferer, Oldridge: NV-Retriever: Improving Text Embedding Models with Effective
        Hard-Negative Mining. 2024.
    """

    needs_model = True
    density: Density = "none"

    def __init__(
        self, base: Sampler, *, pool: int = 64, range_min: int = 0, range_max: int | None = None,
        max_score: float | None = None, absolute_margin: float | None = None, relative_margin: float | None = None,
        strategy: Literal["top", "random"] = "top",
    ) -> None:
        super().__init__()
        high = check_pool(pool) if range_max is None else range_max
        if not 0 <= range_min < high <= pool:
            raise ValueError(f"need 0 <= range_min < range_max <= pool={pool}, got {range_min} and {high}")
        for name, value in (("absolute_margin", absolute_margin), ("relative_margin", relative_margin)):
            if value is not None and not 0 <= value < float("inf"):
                raise ValueError(f"{name} must be at least 0 and finite, got {value}; None leaves it out")
        if max_score is not None and not abs(max_score) < float("inf"):
            raise ValueError(f"max_score must be a number, got {max_score}; None leaves it out")
        check_choice(strategy, ("top", "random"), "strategy")
        self.base = base
        self.pool = pool
        self.range_min, self.range_max = range_min, range_max
        self.max_score = max_score
        self.absolute_margin, self.relative_margin = absolute_margin, relative_margin
        self.strategy = strategy

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 64, range_min: int = 0,
        range_max: int | None = None, max_score: float | None = None, absolute_margin: float | None = None,
        relative_margin: float | None = None, strategy: Literal["top", "random"] = "top", **options: Any,
    ) -> Self:
        """A window of uniform candidates; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), pool=pool, range_min=range_min, range_max=range_max,
                   max_score=max_score, absolute_margin=absolute_margin, relative_margin=relative_margin,
                   strategy=strategy)

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, rank it, choose within the window."""
        pool = draw_pool(self.base, query, self.pool)
        check_room(pool, query.k)
        scores = usable_scores(pool, query.score(pool.ids)).double()
        order = scores.argsort(dim=1, descending=True, stable=True)
        ranked = scores.gather(1, order)
        rank = torch.arange(ranked.shape[1], device=ranked.device)
        inside = (rank >= self.range_min) & (rank < pool.mask.sum(1, keepdim=True))
        if self.range_max is not None:
            inside &= rank < self.range_max
        if self.max_score is not None:
            inside &= ranked <= self.max_score
        if self.absolute_margin is not None or self.relative_margin is not None:
            positive = positive_scores(query)
            if self.absolute_margin is not None:
                inside &= ranked <= positive - self.absolute_margin
            if self.relative_margin is not None:
                inside &= ranked <= positive - self.relative_margin * positive.abs()
        # a random subset is the holders of the k lowest lots; those outside hold the highest
        random = self.strategy == "random"
        lots = query.stream.child(1).words(query.row, len(rank)) if random else rank.expand(inside.shape)
        chosen = lots.masked_fill(~inside, torch.iinfo(torch.int64).max).argsort(dim=1, stable=True)[:, : query.k]
        ids = pool.ids.expand_as(inside).gather(1, order.gather(1, chosen))
        return Negatives(ids, None, inside.gather(1, chosen))
