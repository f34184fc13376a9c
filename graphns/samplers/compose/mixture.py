"""Each negative from one of several samplers, with one density."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Self

import torch
from torch import Tensor, nn

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.static.uniform import Uniform
from graphns.streams import bounded, unit


class Mixture(Sampler):
    r"""Draw each slot from part i with probability :math:`w_i` (MNS).

    .. math:: q(j \mid u) = \sum_i w_i\, q_i(j \mid u)

    A slot takes a usable draw of its part. Where a part has none for a pair (an empty ring, a row without candidates),
    the others share its weight, in the draw and in the density alike, so q sums to 1 wherever any part can draw.

    The density is "marginal" if that of every part is. It is exact for parts that mask whole rows or nothing; with a
    part that masks single draws by chance (`Filtered`, `InBatch`) it is exact given that the part has a usable draw
    among its k. If a part is not marginal the density is "none": the sum needs every part's q at every id.

    Args:
        parts: the samplers. One that gives more or fewer than k negatives (`InBatch`, `All`) lends any of its usable
            ones, each alike.
        weights: one number above 0 per part, in any unit. None: all alike.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: no parts; weights do not fit or are not above 0; a part draws pairs or vectors.

    Example:
        >>> from graphns import Stream
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]]), num_nodes=4)
        >>> sampler = Mixture([Uniform(graph), Uniform(graph, exclude="self")], [3, 1])
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=2, stream=Stream(0))
        >>> sampler.log_prob(query, torch.arange(4)[None]).exp()
        tensor([[0.0000, 0.0000, 0.5000, 0.5000]])

    References:
        Yang et al.: Mixed Negative Sampling for Learning Two-tower Neural Networks in Recommendations. WWW 2020.
    """

    weights: Tensor

    def __init__(self, parts: Sequence[Sampler], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if not parts:
            raise ValueError("a mixture needs at least one part")
        weights = [1.0] * len(parts) if weights is None else [float(weight) for weight in weights]
        if len(weights) != len(parts) or not all(0 < weight < float("inf") for weight in weights):
            raise ValueError(f"need one finite weight above 0 for each of {len(parts)} parts, got {weights}")
        self.parts = nn.ModuleList(parts)
        self.density: Density = "marginal" if all(part.density == "marginal" for part in parts) else "none"
        share = torch.tensor(weights, dtype=torch.float64)
        # a setting, so no part of the state
        self.register_buffer("weights", share / share.sum(), persistent=False)

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", weights: Sequence[float] = (0.5, 0.5), **options: Any
    ) -> Self:
        """Uniform and by degree, half and half; further options are those of `Degree`."""
        # asked for by name, so that a mixture of other parts does not need it
        degree = import_module("graphns.samplers.static.degree").Degree
        return cls([Uniform(graph, exclude=exclude), degree(graph, exclude=exclude, **options)], weights)

    def sample(self, query: Query) -> Negatives:
        """Draw from every part, and choose a part for every slot."""
        drawn = [part(query.child(1 + i)) for i, part in enumerate(self.parts)]
        for part, negatives in zip(self.parts, drawn, strict=True):
            if negatives.anchor is not None or negatives.vectors is not None:
                raise ValueError(f"{type(part).__name__} draws pairs or vectors; a mixture is of ids of one table")
        able = torch.stack([negatives.mask.any(1) for negatives in drawn], 1)
        share = self.weights * able
        reached = share.cumsum(1)
        mark = unit(query.stream.child(0).words(query.row, query.k)) * reached[:, -1:]
        # strictly above the mark, so a part of weight 0 is passed over; rounding may not pass the last one
        last = (able * torch.arange(len(drawn), device=able.device)).amax(1, keepdim=True)
        chosen = torch.searchsorted(reached, mark, right=True).minimum(last)
        ids = torch.zeros_like(chosen)
        for i, negatives in enumerate(drawn):
            ids = torch.where(chosen == i, _fill(negatives, query, i), ids)
        some = able.any(1, keepdim=True)
        log_prob = None
        if self.density == "marginal":
            log_prob = torch.where(some, self._mixed(query, ids, share), 0.0).float()
        return Negatives(ids, log_prob, some.expand_as(ids))

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """The logarithm of the weighted sum of the parts' densities."""
        if self.density != "marginal":
            return super().log_prob(query, ids)
        able = [part(query.child(1 + i)).mask.any(1) for i, part in enumerate(self.parts)]
        return self._mixed(query, ids, self.weights * torch.stack(able, 1)).float()

    def _mixed(self, query: Query, ids: Tensor, share: Tensor) -> Tensor:
        log_share = (share / share.sum(1, keepdim=True).clamp(min=1e-300)).log()
        parts = [part.log_prob(query, ids).double() for part in self.parts]  # type: ignore[operator]  # torch: Module
        return torch.logsumexp(torch.stack(parts) + log_share.T[:, :, None], 0)


def _fill(negatives: Negatives, query: Query, part: int) -> Tensor:
    """Usable ids [B, k] of a part: its own slots where all are usable, else its usable ones in turn or at random."""
    mask, k = negatives.mask, query.k
    ids = negatives.ids.expand(mask.shape)
    count = mask.sum(1, keepdim=True).clamp(min=1)
    if mask.shape[1] == k:
        if bool(mask.all()):
            return ids
        rank = torch.arange(k, device=mask.device) % count
    else:
        rank = bounded(query.stream.child(1 + part, 0).words(query.row, k), count)
    usable_first = (~mask).long().argsort(dim=1, stable=True)
    return ids.gather(1, usable_first.gather(1, rank))
