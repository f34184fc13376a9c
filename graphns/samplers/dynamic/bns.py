"""BNS: the negative of least Bayesian risk, informative and probably true."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph, check_weight
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, draw_pool, usable_scores
from graphns.samplers.slots import lowest, positive_scores
from graphns.samplers.static.uniform import Uniform


def unbiasedness(cdf: Tensor, prior: Tensor) -> Tensor:
    r"""The posterior probability that a candidate is a true negative.

    .. math:: \mathrm{unbias}(l) = \frac{(1 - F)(1 - P)}{1 - F - P + 2 F P}

    Args:
        cdf: F, the share of scores up to the candidate's, in [0, 1]; any shape.
        prior: P, the prior probability that it is a false negative, in [0, 1]; the same shape.

    Example:
        >>> unbiasedness(torch.tensor([0.2, 0.5, 0.9]), torch.tensor([0.1, 0.1, 0.1]))
        tensor([0.9730, 0.9000, 0.5000])
    """
    below = (1 - cdf) * (1 - prior)
    # the denominator is that sum of two products; both are 0 only where F and P are at opposite ends
    return below / (below + cdf * prior).clamp(min=torch.finfo(below.dtype).tiny)


class BNS(Sampler):
    r"""Take from a pool the candidates of least risk, given how high they score and how popular they are.

    .. math:: y = \arg\min_l\ \mathrm{info}(l)\, \big[1 - (1 + \lambda)\, \mathrm{unbias}(l)\big], \quad
        \mathrm{info}(l) = 1 - \sigma(s(u, y^+) - s(u, l)), \quad
        \mathrm{unbias}(l) = \frac{(1 - F)(1 - P)}{1 - F - P + 2 F P}

    info is the size of BPR's gradient. unbias is the posterior that l is a true negative: false ones score higher, so
    that F, the share of the anchor's candidates that score up to l, speaks against it, as does the prior P. F is
    estimated from a reference draw: (number up to l) / (size + 1), so that it stays below 1. P is `prior`; with a prior
    of 0 every candidate is a true negative, and with a weight above 0 the sampler is `Hardest`, up to scores whose
    sigmoids are equal. With a weight of 0 all risks are 0 then.

    For k > 1 it is the k of least risk, least first, of one pool. The density is "none": the chance of an id depends on
    which other ids were in its pool, over all pools.

    Args:
        base: draws pool and reference; put exclusions there.
        prior: [num_candidates], P of each candidate, in [0, 1].
        pool: candidates per pair, at least k. This default and the next two are ours.
        weight: lambda >= 0, how much a true negative is worth.
        reference: candidates per pair by which F is estimated, at least 1; ``All`` as the base gives all there are.

    Returns:
        On call, ids and mask [B, k], no log_prob. Of equal risks, the earlier pool slot is taken.

    Raises:
        ValueError: the query has no model; an argument is out of range; k is above the pool; a score is NaN or
            infinite.

    Example:
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1) / 100
        >>> prior = torch.linspace(0, 0.5, 1000)  # and those are often false negatives
        >>> sampler = BNS(Uniform(Graph.empty(1000)), prior, pool=100, weight=1.0)
        >>> query = Query(torch.tensor([0]), torch.tensor([999]), k=1, model=Larger(), stream=Stream(0))
        >>> 500 < int(sampler(query).ids) < 900
        True

    References:
        Liu, Wang: Bayesian Negative Sampling for Recommendation. ICDE 2023.
    """

    needs_model = True
    density: Density = "none"
    prior: Tensor

    def __init__(
        self, base: Sampler, prior: Tensor, *, pool: int = 10, weight: float = 5.0, reference: int = 256
    ) -> None:
        super().__init__()
        if not 0 <= weight < float("inf"):
            raise ValueError(f"weight must be a number >= 0, got {weight}")
        if reference < 1:
            raise ValueError(f"reference must be at least 1, got {reference}")
        prior = check_weight(prior, len(prior), "candidate").double()
        if prior.numel() and float(prior.max()) > 1:
            raise ValueError(f"prior must hold probabilities in [0, 1], got {float(prior.max())}")
        self.base = base
        self.pool = check_pool(pool)
        self.weight = weight
        self.reference = reference
        self.register_buffer("prior", prior, persistent=False)

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 10, weight: float = 5.0,
        reference: int = 256, **options: Any,
    ) -> Self:
        """Over uniform candidates; P is a candidate's in-degree over the number of sources.

        Further options are those of `Uniform`.
        """
        prior = graph.in_degree.double() / max(graph.num_src, 1)
        return cls(Uniform(graph, exclude=exclude, **options), prior.clamp(max=1), pool=pool, weight=weight,
                   reference=reference)

    def sample(self, query: Query) -> Negatives:
        """Draw pool and reference, score both, take the least risk."""
        pool = draw_pool(self.base, query, self.pool)
        scores = usable_scores(pool, query.score(pool.ids)).double()
        if pool.ids.numel() and int(pool.ids.max()) >= len(self.prior):
            raise ValueError(f"a prior of {len(self.prior)} candidates does not reach candidate {int(pool.ids.max())}; "
                             "give one number per candidate")
        prior = self.prior[pool.ids].expand_as(scores)
        unbias = unbiasedness(self._cdf(query, scores), prior)
        info = torch.sigmoid(scores - positive_scores(query))
        return lowest(pool, (info * (1 - (1 + self.weight) * unbias)).masked_fill(~pool.mask, 0.0), query.k)

    def _cdf(self, query: Query, scores: Tensor) -> Tensor:
        """F at scores [B, m]: how many of the reference are no higher, over its size and one."""
        reference = draw_pool(self.base, query.child(2), self.reference)
        others = usable_scores(reference, query.score(reference.ids)).double()
        masked = (~reference.mask).sum(1, keepdim=True)  # they stand first
        below = torch.searchsorted(others.sort(1).values, scores.contiguous(), right=True) - masked
        return below.clamp(min=0) / (reference.mask.sum(1, keepdim=True) + 1).double()
