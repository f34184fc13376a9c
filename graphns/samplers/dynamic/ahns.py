"""AHNS: the hardness asked for falls as the positive scores higher."""

from __future__ import annotations

from typing import Any, Self

from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, draw_pool, usable_scores
from graphns.samplers.slots import lowest, positive_scores
from graphns.samplers.static.uniform import Uniform

_SMALLEST = 1e-6


class AHNS(Sampler):
    r"""Take from a pool the candidates whose score is nearest to a target that the positive's score sets.

    .. math:: y = \arg\min_{y_i} \big| s(u, y_i) - \beta\, (s(u, y^+) + \alpha)^{p + 1} \big|

    With p below -1 the target falls as the positive's score rises: pairs that the model does not know yet get hard
    negatives, pairs that it knows get easy ones, against over-fitting both ways. With ``p=-1`` the target is
    :math:`\beta` for every pair; with :math:`p = 0, \alpha = 0, \beta = 1` it is the positive's own score, and so
    `SimANS` at its sharpest. :math:`s^+ + \alpha` below 1e-6 is raised to it, so that the power exists: for p < -1 such
    a pair gets the hardest of its pool.

    For k > 1 it is the k nearest, nearest first, of one pool. The density is "none": the chance of an id depends on
    which other ids were in its pool, over all pools.

    Args:
        base: draws the pool; put exclusions there.
        pool: M, candidates per pair, at least k. This default and the next two are those of the authors' code for one
            of its data sets (ml); they want tuning with the scale of the scores.
        alpha: smooths the positive's score, at least 0.
        beta: scale of the target, above 0.
        p: exponent; below -1 for negatives that are harder where the positive scores lower. The default is ours.

    Returns:
        On call, ids and mask [B, k], no log_prob. Of two slots equally near, the earlier is taken.

    Raises:
        ValueError: the query has no model; an argument is out of range; k is above the pool; a score is NaN or
            infinite.

    Example:
        >>> import torch
        >>> from graphns import Query, Stream
        >>> class Percent:  # a model that scores an id by its hundredth
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1) / 100
        >>> sampler = AHNS(Uniform(Graph.empty(100)), pool=50, alpha=0.0, beta=0.2, p=-2.0)
        >>> query = Query(torch.tensor([0, 0]), torch.tensor([25, 99]), k=1, model=Percent(), stream=Stream(0))
        >>> hard, easy = sampler(query).ids[:, 0].tolist()  # aims at 0.2 / 0.25 and 0.2 / 0.99
        >>> abs(hard - 80) < 10, abs(easy - 20) < 10
        (True, True)

    References:
        Lai, Chen et al.: Adaptive Hardness Negative Sampling for Collaborative Filtering. AAAI 2024.
    """

    needs_model = True
    density: Density = "none"

    def __init__(
        self, base: Sampler, *, pool: int = 16, alpha: float = 0.1, beta: float = 0.4, p: float = -2.0
    ) -> None:
        super().__init__()
        if not alpha >= 0:
            raise ValueError(f"alpha must be at least 0, got {alpha}")
        if not beta > 0:
            raise ValueError(f"beta must be above 0, got {beta}")
        if not abs(p) < float("inf"):
            raise ValueError(f"p must be a number, got {p}")
        self.base = base
        self.pool = check_pool(pool)
        self.alpha, self.beta, self.p = alpha, beta, p

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 16, alpha: float = 0.1, beta: float = 0.4,
        p: float = -2.0, **options: Any,
    ) -> Self:
        """The nearest to the target of uniform candidates; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), pool=pool, alpha=alpha, beta=beta, p=p)

    def target(self, positive: Tensor) -> Tensor:
        """The score that a negative should have, for positives with scores of any shape."""
        return self.beta * (positive.double() + self.alpha).clamp(min=_SMALLEST) ** (self.p + 1)

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, score it beside the positive, take the nearest to the target."""
        pool = draw_pool(self.base, query, self.pool)
        scores = usable_scores(pool, query.score(pool.ids)).double()
        # above the best score the order is the same for every target, and near it rounding does not swallow the scores
        target = self.target(positive_scores(query)).minimum(scores.amax(1, keepdim=True))
        return lowest(pool, (scores - target).abs(), query.k)
