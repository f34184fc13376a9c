"""Softmax over a pool: harder candidates more often, none never."""

from __future__ import annotations

from typing import Any, Self

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, check_temperature, draw, draw_pool, usable_scores
from graphns.samplers.slots import draw_distinct
from graphns.samplers.static.uniform import Uniform


class Tempered(Sampler):
    r"""Draw from a pool by a softmax of the model's scores.

    .. math:: p(y_i \mid \text{pool}) = e^{s(u, y_i) / \tau} \Big/ \sum_{j\ \text{usable}} e^{s(u, y_j) / \tau}

    A low temperature tends to `Hardest`, a high one to the base sampler. All k slots of a pair draw from one pool.

    With replacement the density is "given-pool": log_prob is exact given the pool, an id with several slots in it
    having their summed probability. Without replacement (Gumbel-top-k) it is "none": a slot's marginal is a sum
    over all orders of the draws before it.

    Args:
        base: draws the pool; put exclusions there.
        pool: candidates per pair; at least k where draws are without replacement.
        temperature: divides the scores.
        replace: whether one pool slot may be drawn twice.

    Returns:
        On call, ids and mask [B, k]; log_prob [B, k] with replacement. Candidates that the base masked are never drawn.

    Raises:
        ValueError: the query has no model; pool below 1, temperature not above 0; without replacement, k above the
            pool; a score is NaN or infinite.

    Example:
        >>> import torch
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = Tempered(Uniform(Graph.empty(1000)), pool=500, temperature=10.0)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=3, model=Larger(), stream=Stream(0))
        >>> bool((sampler(query).ids > 900).all())
        True

    References:
        Shi, Chen, Feng, Zhang, Wu, Gao, He: On the Theories Behind Hard Negative Sampling for Recommendation. WWW 2023
        (Softmax over a pool).
        Kool, van Hoof, Welling: Stochastic Beams and Where to Find Them. ICML 2019 (Gumbel-top-k).
    """

    needs_model = True

    def __init__(self, base: Sampler, *, pool: int = 64, temperature: float = 1.0, replace: bool = True) -> None:
        super().__init__()
        self.base = base
        self.pool = check_pool(pool)
        self.temperature = check_temperature(temperature)
        self.replace = replace
        self.density: Density = "given-pool" if replace else "none"

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 64, temperature: float = 1.0,
        replace: bool = True, **options: Any,
    ) -> Self:
        """A softmax over uniform candidates; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), pool=pool, temperature=temperature, replace=replace)

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, score it, draw from it."""
        pool = draw_pool(self.base, query, self.pool)
        logits = usable_scores(pool, query.score(pool.ids)).double() / self.temperature
        return draw(pool, logits, query) if self.replace else draw_distinct(pool, logits, query)
