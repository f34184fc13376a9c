"""Softmax over a pool whose temperature follows the spread of the scores."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, draw, draw_pool, usable_scores
from graphns.samplers.slots import draw_distinct
from graphns.samplers.static.uniform import Uniform


class SoftmaxRho(Sampler):
    r"""Draw from a pool by a softmax whose temperature is set by the variance of the pool's scores: Softmax-(rho, N).

    .. math:: p(y_i \mid \text{pool}) \propto e^{s(u, y_i) / \tau_u}, \qquad
        \tau_u = \sqrt{\mathrm{Var}_j\, s(u, y_j) \,/\, 2 \rho}

    N is `pool`; the variance is that of the pair's usable slots. :math:`\rho` is a hardness without a unit, the same
    for every scale of the scores: for normal scores it is the Kullback-Leibler divergence of the softmax from the pool.
    With ``rho=0``, and where all scores are equal, it is the base sampler; as rho grows it tends to `Hardest`.
    `Tempered` is the same with a temperature that is given.

    With replacement the density is "given-pool": log_prob is exact given the pool, an id with several slots in it
    having their summed probability. Without replacement (Gumbel-top-k) it is "none": a slot's marginal is a sum
    over all orders of the draws before it.

    Args:
        base: draws the pool; put exclusions there.
        pool: N, candidates per pair; at least k where draws are without replacement.
        rho: hardness, at least 0.
        replace: whether one pool slot may be drawn twice.

    Returns:
        On call, ids and mask [B, k]; log_prob [B, k] with replacement. Candidates that the base masked are never drawn.

    Raises:
        ValueError: the query has no model; pool below 1, rho below 0; without replacement, k above the pool; a score is
            NaN or infinite.

    Example:
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = SoftmaxRho(Uniform(Graph.empty(1000)), pool=500, rho=100.0)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=3, model=Larger(), stream=Stream(0))
        >>> bool((sampler(query).ids > 800).all())
        True

    References:
        Shi, Chen, Feng, Zhang, Wu, Gao, He: On the Theories Behind Hard Negative Sampling for Recommendation. WWW 2023.
    """

    needs_model = True

    def __init__(self, base: Sampler, *, pool: int = 64, rho: float = 1.0, replace: bool = True) -> None:
        super().__init__()
        if not 0 <= rho < float("inf"):
            raise ValueError(f"rho must be a number >= 0, got {rho}")
        self.base = base
        self.pool = check_pool(pool)
        self.rho = rho
        self.replace = replace
        self.density: Density = "given-pool" if replace else "none"

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 64, rho: float = 1.0, replace: bool = True,
        **options: Any,
    ) -> Self:
        """A softmax over uniform candidates; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), pool=pool, rho=rho, replace=replace)

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, score it, set the temperature, draw."""
        pool = draw_pool(self.base, query, self.pool)
        scores = usable_scores(pool, query.score(pool.ids)).double()
        logits = _standardised(scores, pool.mask) * (2 * self.rho) ** 0.5
        return draw(pool, logits, query) if self.replace else draw_distinct(pool, logits, query)


def _standardised(scores: Tensor, mask: Tensor) -> Tensor:
    """The scores less their mean, by their deviation, over the usable slots; 0 where they do not differ."""
    scores = scores.clamp(min=-1e150)  # -inf would have no square
    number = mask.sum(1, keepdim=True).clamp(min=1)
    mean = scores.masked_fill(~mask, 0.0).sum(1, keepdim=True) / number
    off = (scores - mean).masked_fill(~mask, 0.0)
    deviation = (off.square().sum(1, keepdim=True) / number).sqrt()
    return torch.where(deviation > 0, off / deviation.clamp(min=torch.finfo(off.dtype).tiny), 0.0)
