"""WARP: draw until a candidate violates the margin, and count the tries."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.objectives.warp import estimated_rank
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import usable_scores
from graphns.samplers.slots import draw_handfuls, positive_scores
from graphns.samplers.static.uniform import Uniform

__all__ = ["WARP", "estimated_rank"]


class WARP(Sampler):
    r"""Try candidates one after another, and take the first that scores above the positive less a margin.

    .. math:: y = y_T, \qquad T = \min \{t \le M : s(u, y_t) > s(u, y^+) - \gamma\}, \qquad y_1, y_2, \dots \sim q

    M is `tries`. A slot that found no violation is masked: it has nothing to teach. Each of the k slots makes tries of
    its own. `search` gives T too, and `estimated_rank` makes of it the rank that the WARP loss weighs by::

        negatives, tries = sampler.search(query)
        rank = estimated_rank(tries, num_candidates)       # [B, k]

    All tries are drawn and scored at once, k M scores a pair, since one by one would cost M passes through the model.
    As the margin grows, the first try is taken: the base sampler.

    The density is "none": q restricted to the candidates that violate, whose number would take the scores of all.

    Args:
        base: draws the candidates, with exclusions; as many as it is asked for.
        tries: M, at least 1 (LightFM: 10).
        margin: gamma, in units of the score.

    Returns:
        On call, ids and mask [B, k], no log_prob.

    Raises:
        ValueError: the query has no model; tries is below 1; margin is NaN; the base gives another number than asked; a
            score is NaN or infinite.

    Example:
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that scores an id by its number
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = WARP(Uniform(Graph.empty(1000)), tries=50)
        >>> query = Query(torch.tensor([0]), torch.tensor([900]), k=4, model=Larger(), stream=Stream(0))
        >>> negatives, tries = sampler.search(query)
        >>> bool((negatives.ids >= 900).all()), bool((tries > 0).all())
        (True, True)

    References:
        Weston, Bengio, Usunier: WSABIE: Scaling Up To Large Vocabulary Image Annotation. IJCAI 2011.
    """

    needs_model = True
    density: Density = "none"

    def __init__(self, base: Sampler, *, tries: int = 10, margin: float = 1.0) -> None:
        super().__init__()
        if tries < 1:
            raise ValueError(f"tries must be at least 1, got {tries}")
        if margin != margin:
            raise ValueError(f"margin must be a number, got {margin}")
        self.base = base
        self.tries = tries
        self.margin = margin

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", tries: int = 10, margin: float = 1.0, **options: Any
    ) -> Self:
        """The first violation among uniform candidates; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), tries=tries, margin=margin)

    def sample(self, query: Query) -> Negatives:
        """Draw the tries, score them, take the first that violates."""
        return self.search(query)[0]

    def search(self, query: Query) -> tuple[Negatives, Tensor]:
        """What a call gives, and the tries [B, k] int64 that each slot took: 1 to M, 0 where masked.

        A candidate that the base masked is no try.
        """
        pool = draw_handfuls(self.base, query, self.tries)
        shape = (query.batch_size, query.k, self.tries)
        scores = usable_scores(pool, query.score(pool.ids)).double()
        usable = pool.mask.reshape(shape)
        violates = ((scores > positive_scores(query) - self.margin) & pool.mask).reshape(shape)
        found = violates.any(2)
        first = violates.int().argmax(2)  # of equal ones, the first
        ids = pool.ids.expand(pool.mask.shape).reshape(shape).gather(2, first[:, :, None])[:, :, 0]
        tries = usable.cumsum(2).gather(2, first[:, :, None])[:, :, 0]  # a masked candidate is no try
        return Negatives(ids, None, found), torch.where(found, tries, 0)
