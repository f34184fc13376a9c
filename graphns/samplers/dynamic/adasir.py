"""AdaSIR: sampling importance resampling, a pool drawn from q and drawn again by the model's softmax over q."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, check_temperature, draw, draw_pool, usable_scores
from graphns.samplers.static.degree import Degree


class AdaSIR(Sampler):
    r"""Draw a pool from q, and draw from it by a softmax of the scores with q divided out.

    .. math:: p(y_i \mid \text{pool}) = w_i = \frac{e^{s(u, y_i) / \tau - \log q(y_i \mid u)}}
        {\sum_j e^{s(u, y_j) / \tau - \log q(y_j \mid u)}}, \qquad y_1 \dots y_m \sim q

    As the pool grows, the draws follow the softmax over all candidates, whatever q: what a softmax loss wants, at the
    cost of m scores. With a uniform q it is `Tempered`. `weigh` gives the pool and its weights w without the
    second draw: over them, a sum estimates an expectation under the softmax with less variance.

    The density is "given-pool": log_prob is exact given the pool, an id with several slots in it having their summed
    probability.

    Args:
        base: draws the pool, and must give its log_prob; put exclusions there.
        pool: m, candidates per pair (the paper's code: 200, of which k = 50 are drawn).
        temperature: divides the scores.

    Returns:
        On call, ids, log_prob and mask, all [B, k]. Candidates that the base masked are never drawn.

    Raises:
        ValueError: the query has no model; the base has no density; pool is below 1, temperature not above 0; a score
            is NaN or infinite.

    Example:
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = AdaSIR.from_graph(Graph.empty(1000), temperature=10.0)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=3, model=Larger(), stream=Stream(0))
        >>> bool((sampler(query).ids > 900).all())
        True

    References:
        Chen, Lian et al.: Learning Recommenders for Implicit Feedback with Importance Resampling. WWW 2022.
    """

    needs_model = True
    density: Density = "given-pool"

    def __init__(self, base: Sampler, *, pool: int = 200, temperature: float = 1.0) -> None:
        super().__init__()
        if base.density == "none":
            raise ValueError(f"{type(base).__name__} has density 'none', and the pool's density is to be divided out; "
                             "take a base with a log_prob, such as Uniform or Degree")
        self.base = base
        self.pool = check_pool(pool)
        self.temperature = check_temperature(temperature)

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 200, temperature: float = 1.0,
        power: float = 0.75, smoothing: float = 1.0, **options: Any,
    ) -> Self:
        """A pool by popularity, every candidate in its support; further options are those of `Degree`."""
        base = Degree(graph, power, smoothing=smoothing, exclude=exclude, **options)
        return cls(base, pool=pool, temperature=temperature)

    def weigh(self, query: Query) -> tuple[Negatives, Tensor]:
        """The pool [B, m] and its importance weights [B, m] float64: they sum to 1 over a row's usable slots."""
        pool, logits = self._weighed(query)
        weight = logits.masked_fill(~pool.mask, torch.finfo(logits.dtype).min).softmax(1).masked_fill(~pool.mask, 0.0)
        return pool, weight

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, weigh it, draw from it."""
        return draw(*self._weighed(query), query)

    def _weighed(self, query: Query) -> tuple[Negatives, Tensor]:
        pool = draw_pool(self.base, query, self.pool)
        if pool.log_prob is None:
            raise ValueError(f"{type(self.base).__name__} gave no log_prob, and the pool's density is to be divided "
                             "out; take a base with one, such as Uniform or Degree")
        scores = usable_scores(pool, query.score(pool.ids)).double() / self.temperature
        return pool, scores - pool.log_prob.detach().double()
