"""Negatives in proportion to the logarithm, or to a power, of their popularity."""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph, check_weight
from graphns.samplers.exclusion import Exclude, check_choice
from graphns.samplers.static.degree import Degree


class Popularity(Sampler):
    r"""Draw popular candidates more often, by the logarithm of their popularity or by a power of it (PRIS).

    .. math:: q(j \mid u) = w_j \Big/ \sum_{i \notin \mathcal{E}(u)} w_i, \quad
              w_j = \log(\text{pop}_j + 1) + f \;\text{ or }\; \text{pop}_j^{\,p} + f, \quad j \notin \mathcal{E}(u)

    with :math:`\text{pop}_j` how often j is a positive, f the floor, p the power, and :math:`\mathcal{E}(u)` the
    anchor, its positive and, with ``exclude="neighbors"``, the anchor's row. The logarithm is the flattest: a candidate
    a thousand times as popular is drawn about ten times as often. A candidate without popularity has the floor as its
    weight: with 0 it is never drawn. Drawn, exactly, by `Degree`, which this is around; with ``mode="power"`` it is
    `Degree` itself.

    Args:
        graph: known positives; its destinations are the candidates.
        mode: ``"log"`` or ``"power"``.
        power: p, used by ``"power"``; PRIS takes 0.75.
        floor: f >= 0, added to every weight; PRIS takes 0 or 1e-6 beside the logarithm.
        counts: [num_dst] numbers >= 0 in place of the in-degree: a popularity that the graph does not show.
        exclude: ``"neighbors"`` or ``"self"``.
        options: further options of `Degree`: replace, infeasible, positives.

    Returns:
        On call, ids, log_prob and mask, all [B, k]; without replacement, no log_prob.

    Raises:
        ValueError: the mode is unknown; the floor is negative; counts are negative, not finite, or not one per
            candidate; the power gives a candidate no finite weight.

    Example:
        >>> from graphns.base import Query
        >>> from graphns.streams import Stream
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=1, stream=Stream(0))
        >>> sampler = Popularity(Graph.empty(4), counts=torch.tensor([9, 9, 1, 3]))
        >>> sampler.log_prob(query, torch.arange(4)[None]).exp()
        tensor([[0.0000, 0.0000, 0.3333, 0.6667]])

    References:
        Lian, Liu, Chen: Personalized Ranking with Importance Sampling. WWW 2020.
    """

    def __init__(
        self, graph: Graph, mode: Literal["log", "power"] = "log", *, power: float = 0.75, floor: float = 0.0,
        counts: Tensor | None = None, exclude: Exclude = "neighbors", **options: Any,
    ) -> None:
        super().__init__()
        check_choice(mode, ("log", "power"), "mode")
        if not floor >= 0:
            raise ValueError(f"floor must be at least 0, got {floor}")
        given = graph.in_degree if counts is None else counts
        # on the CPU, where weights come out the same whatever device draws
        popularity = check_weight(given, graph.num_dst, "candidate").cpu()
        weights = torch.log1p(popularity) if mode == "log" else popularity**power
        if not bool(torch.isfinite(weights).all()):
            raise ValueError(f"power={power} gives candidates of low popularity no finite weight; take a power above 0")
        # said here, so that nobody tells Degree a smoothing, which it would not use beside weights
        self.degree = Degree(graph, weights=weights + floor, smoothing=0.0, exclude=exclude, **options)
        self.density: Density = self.degree.density

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """By the logarithm of the in-degree; further options are those of the constructor."""
        return cls(graph, exclude=exclude, **options)

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        return self.degree.sample(query)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Log of the weight over the weight left; -inf at excluded ids and at those without weight.

        Raises:
            TypeError: drawn without replacement.
        """
        return self.degree.log_prob(query, ids)
