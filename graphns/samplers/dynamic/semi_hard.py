"""Semi-hard negatives: below the positive, but within the margin."""

from __future__ import annotations

from typing import Any, Self

import torch

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, draw, draw_pool, usable_scores
from graphns.samplers.slots import positive_scores
from graphns.samplers.static.uniform import Uniform


class SemiHard(Sampler):
    r"""Draw from a pool, all alike, the candidates that violate the margin without beating the positive (FaceNet).

    .. math:: y \sim U \{y_i : s(u, y^+) - m < s(u, y_i) < s(u, y^+)\}

    With distances for scores, s = -d: those farther than the positive, and by less than m. Easier ones have no loss
    under a margin of m. A pair without a semi-hard candidate in its pool is masked. All k slots of a pair draw from one
    pool, with replacement.

    The density is "given-pool": log_prob is exact given the pool, an id with several slots in it having their summed
    probability.

    Args:
        base: draws the pool; put exclusions there.
        pool: candidates per pair.
        margin: m > 0, in units of the score; infinite: all below the positive.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: the query has no model; pool is below 1, margin not above 0; a score is NaN or infinite.

    Example:
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that scores an id by its number
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = SemiHard(Uniform(Graph.empty(1000)), pool=500, margin=50.0)
        >>> query = Query(torch.tensor([0]), torch.tensor([600]), k=8, model=Larger(), stream=Stream(0))
        >>> ids = sampler(query).ids
        >>> bool((ids > 550).all()), bool((ids < 600).all())
        (True, True)

    References:
        Schroff, Kalenichenko, Philbin: FaceNet: A Unified Embedding for Face Recognition and Clustering. CVPR 2015.
    """

    needs_model = True
    density: Density = "given-pool"

    def __init__(self, base: Sampler, *, pool: int = 64, margin: float = 0.2) -> None:
        super().__init__()
        if not margin > 0:
            raise ValueError(f"margin must be above 0, got {margin}")
        self.base = base
        self.pool = check_pool(pool)
        self.margin = margin

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 64, margin: float = 0.2, **options: Any
    ) -> Self:
        """The semi-hard of uniform candidates; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), pool=pool, margin=margin)

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, compare it with the positive, draw from what lies within."""
        pool = draw_pool(self.base, query, self.pool)
        scores = usable_scores(pool, query.score(pool.ids)).double()
        positive = positive_scores(query)
        inside = pool.mask & (scores < positive) & (scores > positive - self.margin)
        return draw(pool._replace(mask=inside), torch.zeros_like(scores), query)
