"""SimANS: negatives that score about as high as the positive."""

from __future__ import annotations

from typing import Any, Self

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, draw, draw_pool, usable_scores
from graphns.samplers.slots import draw_distinct, positive_scores
from graphns.samplers.static.uniform import Uniform


class SimANS(Sampler):
    r"""Draw from a pool the candidates whose scores lie near the positive's: ambiguous ones.

    .. math:: p(y_i \mid \text{pool}) \propto e^{-a (s(u, y_i) - s(u, y^+) - b)^2}

    Candidates far below the positive teach little, and those far above are likely false negatives: both are rare. As
    a falls to 0 it tends to the base sampler, as a grows to the candidate nearest to :math:`s^+ + b`. All k slots of a
    pair draw from one pool.

    With replacement the density is "given-pool": log_prob is exact given the pool, an id with several slots in it
    having their summed probability. Without replacement (Gumbel-top-k) it is "none": a slot's marginal is a sum
    over all orders of the draws before it.

    Args:
        base: draws the pool; put exclusions there. The paper's pool is the best of all candidates:
            ``Hardest(All(graph), pool=1)``, of which this sampler then asks `pool`.
        pool: candidates per pair; at least k where draws are without replacement.
        sharpness: a >= 0, multiplies the squared difference; it has the unit of 1 / score squared. The paper sets a and
            b per data set; the defaults are ours.
        offset: b, in units of the score; below 0 aims under the positive.
        replace: whether one pool slot may be drawn twice.

    Returns:
        On call, ids and mask [B, k]; log_prob [B, k] with replacement. Candidates that the base masked are never drawn.

    Raises:
        ValueError: the query has no model; pool below 1, sharpness below 0, offset not finite; without replacement,
            k above the pool; a score is NaN or infinite.

    Example:
        >>> import torch
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that scores an id by its number
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = SimANS(Uniform(Graph.empty(1000)), pool=500, sharpness=0.01)
        >>> query = Query(torch.tensor([0]), torch.tensor([600]), k=8, model=Larger(), stream=Stream(0))
        >>> bool(((sampler(query).ids - 600).abs() < 60).all())
        True

    References:
        Zhou et al.: SimANS: Simple Ambiguous Negatives Sampling for Dense Text Retrieval. EMNLP (Industry) 2022.
    """

    needs_model = True

    def __init__(
        self, base: Sampler, *, pool: int = 64, sharpness: float = 1.0, offset: float = 0.0, replace: bool = True
    ) -> None:
        super().__init__()
        if not 0 <= sharpness < float("inf"):
            raise ValueError(f"sharpness must be a number >= 0, got {sharpness}")
        if not abs(offset) < float("inf"):
            raise ValueError(f"offset must be a finite number, got {offset}")
        self.base = base
        self.pool = check_pool(pool)
        self.sharpness = sharpness
        self.offset = offset
        self.replace = replace
        self.density: Density = "given-pool" if replace else "none"

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 64, sharpness: float = 1.0,
        offset: float = 0.0, replace: bool = True, **options: Any,
    ) -> Self:
        """Ambiguous ones of uniform candidates; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), pool=pool, sharpness=sharpness, offset=offset,
                   replace=replace)

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, score it beside the positive, draw from it."""
        pool = draw_pool(self.base, query, self.pool)
        scores = usable_scores(pool, query.score(pool.ids)).double()
        difference = (scores - positive_scores(query) - self.offset).masked_fill(~pool.mask, 0.0)
        # bounded, so that scores of -inf stay far away without an infinite square
        logits = -(self.sharpness * difference.clamp(-1e150, 1e150).square()).clamp(max=1e300)
        return draw(pool, logits, query) if self.replace else draw_distinct(pool, logits, query)
