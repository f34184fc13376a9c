"""Adaptive hinge: each negative is the best of a handful."""

from __future__ import annotations

from typing import Any, Self

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, usable_scores
from graphns.samplers.slots import draw_handfuls
from graphns.samplers.static.uniform import Uniform


class AdaptiveHinge(Sampler):
    r"""Draw a handful for each slot, and take its best-scored candidate.

    .. math:: y = \arg\max_{i \le n} s(u, y_i), \qquad y_1 \dots y_n \sim q

    n is `pool`. With a hinge loss this is Spotlight's adaptive hinge, a cheap approximation of WARP: no loop, and no
    comparison with the positive. For k = 1 it is `Hardest` with ``top=1``; for more, the k slots are independent
    where `Hardest` takes the k best of one pool, so a draw costs k n scores. ``pool=1`` is the base sampler.

    The density is "none": the chance of an id depends on which other ids were in its handful, over all handfuls.

    Args:
        base: draws the candidates, with exclusions; as many as it is asked for.
        pool: n, candidates per slot (Spotlight: 5).

    Returns:
        On call, ids and mask [B, k], no log_prob. Of equal scores, the earlier draw is the better.

    Raises:
        ValueError: the query has no model; pool is below 1; the base gives another number than asked; a score is NaN
            or infinite.

    Example:
        >>> import torch
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = AdaptiveHinge(Uniform(Graph.empty(1000)), pool=50)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=3, model=Larger(), stream=Stream(0))
        >>> bool((sampler(query).ids > 800).all())
        True

    References:
        Kula: Spotlight, https://github.com/maciejkula/spotlight. 2017.
    """

    needs_model = True
    density: Density = "none"

    def __init__(self, base: Sampler, *, pool: int = 5) -> None:
        super().__init__()
        self.base = base
        self.pool = check_pool(pool)

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 5, **options: Any
    ) -> Self:
        """The best of a few uniform candidates; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), pool=pool)

    def sample(self, query: Query) -> Negatives:
        """Draw the handfuls, score them, take the best of each."""
        pool = draw_handfuls(self.base, query, self.pool)
        shape = (query.batch_size, query.k, self.pool)
        scores = usable_scores(pool, query.score(pool.ids)).reshape(shape)
        best = scores.argmax(2, keepdim=True)  # of equal ones, the first
        ids = pool.ids.expand(pool.mask.shape).reshape(shape).gather(2, best)[:, :, 0]
        return Negatives(ids, None, pool.mask.reshape(shape).any(2))
