"""Dynamic negative sampling: the best-scored of a pool."""

from __future__ import annotations

from typing import Any, Self

import torch

from graphns.base import Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, check_room, draw_pool, usable_scores
from graphns.samplers.static.uniform import Uniform


class Hardest(Sampler):
    r"""Draw a pool, score it once, keep from the best (DNS, DNS(M,N)).

    .. math:: y_1 \dots y_k \sim \text{distinct slots, uniformly, of the}\ \max(M, k)\ \text{best of a pool of}\ N

    N is `pool` and M is `top`. All k slots of a pair choose from one pool, so a draw costs N scores whatever k is. With
    ``top=1`` (DNS) and k = 1 it is the best of the pool; with k > top there is no choice left: the k best, best first.
    With ``top=pool`` it is the base sampler's own distribution. M steers the objective from the mean over negatives
    to a one-way partial AUC of the hardest M/N.

    The density is "none": the chance of an id depends on which other ids were in its pool, over all pools.

    Args:
        base: draws the pool; put exclusions there. Its log_prob is not used.
        pool: N, candidates per pair; at least k and `top`. An id drawn twice into it counts as two.
        top: M, how many of the best are alike.

    Returns:
        On call, ids and mask [B, k], no log_prob. Candidates that the base masked are never chosen; a pair with fewer
        than k of the others is filled up with masked slots. Of equal scores, the earlier pool slot is the better.

    Raises:
        ValueError: the query has no model; pool or top is below 1; top or k is above the pool; a score is NaN or
            infinite.

    Example:
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = Hardest(Uniform(Graph.empty(1000)), pool=500)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=3, model=Larger(), stream=Stream(0))
        >>> bool((sampler(query).ids > 950).all())
        True

    References:
        Zhang, Chen, Wang, Yu: Optimizing Top-N Collaborative Filtering via Dynamic Negative Item Sampling. SIGIR 2013.
        Shi, Chen, Feng, Zhang, Wu, Gao, He: On the Theories Behind Hard Negative Sampling for Recommendation. WWW 2023.
    """

    needs_model = True

    def __init__(self, base: Sampler, *, pool: int = 64, top: int = 1) -> None:
        super().__init__()
        if not 1 <= top <= check_pool(pool):
            raise ValueError(f"top must be between 1 and pool={pool}, got {top}")
        self.base = base
        self.pool = pool
        self.top = top

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 64, top: int = 1, **options: Any
    ) -> Self:
        """The hardest of uniform candidates; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), pool=pool, top=top)

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, score it, choose."""
        pool = draw_pool(self.base, query, self.pool)
        check_room(pool, query.k)
        window = min(max(self.top, query.k), pool.ids.shape[1])
        scores = usable_scores(pool, query.score(pool.ids))
        best = scores.argsort(dim=1, descending=True, stable=True)[:, :window]
        rank = torch.arange(window, device=best.device)
        usable = rank < pool.mask.sum(1, keepdim=True)
        if window > query.k:
            # a random subset is the holders of the k lowest lots; the masked hold the highest
            lots = query.stream.child(1).words(query.row, window).masked_fill(~usable, torch.iinfo(torch.int64).max)
            chosen = lots.argsort(dim=1, stable=True)[:, : query.k]
            best, usable = best.gather(1, chosen), usable.gather(1, chosen)
        return Negatives(pool.ids.expand_as(pool.mask).gather(1, best), None, usable)
