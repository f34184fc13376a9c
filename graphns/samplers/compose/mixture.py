"""Each negative from one of several samplers, with one density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.static.degree import Degree
from graphns.samplers.static.uniform import Uniform
from graphns.streams import bounded, unit


class Mixture(Sampler):
    r"""Draw each slot from part i with probability :math:`w_i`.

    .. math:: q(j \mid u) = \sum_i w_i\, q_i(j \mid u)

    Where a part has no candidate for a pair (an empty ring, a full row), the others share its weight, in the draw and
    in the density alike, so q sums to 1 wherever any part can draw.

    The density is "marginal" if that of every part is: exactly, for parts that mask whole rows or nothing. With
    `InBatch` it is, like that part's own, of a slot before its mask (the 1/B of that part's slots that are the pair's
    own are lost to it). With a part of another density it is "none", since the sum needs every part's q at every id;
    and with a `Filtered` part too, since there a part's share of the usable slots depends on how much its filter takes
    away: filter the mixture instead.

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
        Yang et al.: Mixed Negative Sampling for Learning Two-tower Neural Networks in Recommendations. WWW Companion
        2020.
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
        marginal = all(part.density == "marginal" and not _is(part, "thins") for part in parts)
        self.density: Density = "marginal" if marginal else "none"
        share = torch.tensor(weights, dtype=torch.float64)
        # a setting, so no part of the state
        self.register_buffer("weights", share / share.sum(), persistent=False)

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", weights: Sequence[float] = (0.5, 0.5), **options: Any
    ) -> Self:
        """Uniform and by degree, half and half; further options are those of `Degree`."""
        return cls([Uniform(graph, exclude=exclude), Degree(graph, exclude=exclude, **options)], weights)

    def sample(self, query: Query) -> Negatives:
        """Draw from every part, and choose a part for every slot."""
        drawn = [part(query.child(1 + i)) for i, part in enumerate(self.parts)]
        for part, negatives in zip(self.parts, drawn, strict=True):
            if negatives.anchor is not None or negatives.vectors is not None:
                raise ValueError(f"{type(part).__name__} draws pairs or vectors; a mixture is of ids of one table")
        able = torch.stack([_able(part, negatives) for part, negatives in zip(self.parts, drawn, strict=True)], 1)
        share = self.weights * able
        reached = share.cumsum(1)
        mark = unit(query.stream.child(0).words(query.row, query.k)) * reached[:, -1:]
        # strictly above the mark, so a part of weight 0 is passed over; rounding may not pass the last one
        last = (able * torch.arange(len(drawn), device=able.device)).amax(1, keepdim=True)
        chosen = torch.searchsorted(reached, mark, right=True).minimum(last)
        ids, mask = torch.zeros_like(chosen), torch.zeros_like(chosen, dtype=torch.bool)
        for i, (part, negatives) in enumerate(zip(self.parts, drawn, strict=True)):
            words = query.stream.child(1 + i, 0).words(query.row, query.k)
            column = _columns(negatives.mask, words, as_drawn=_is(part, "unfiltered"))
            here = chosen == i
            ids = torch.where(here, negatives.ids.expand(negatives.mask.shape).gather(1, column), ids)
            mask = torch.where(here, negatives.mask.gather(1, column), mask)
        log_prob = None
        if self.density == "marginal":
            log_prob = torch.where(able.any(1, keepdim=True), self._mixed(query, ids, share), 0.0).float()
        return Negatives(ids, log_prob, mask)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """The logarithm of the weighted sum of the parts' densities."""
        if self.density != "marginal":
            return super().log_prob(query, ids)
        able = [_able(part, part(query.child(1 + i))) for i, part in enumerate(self.parts)]
        return self._mixed(query, ids, self.weights * torch.stack(able, 1)).float()

    def _mixed(self, query: Query, ids: Tensor, share: Tensor) -> Tensor:
        log_share = (share / share.sum(1, keepdim=True).clamp(min=1e-300)).log()
        parts = [part.log_prob(query, ids).double() for part in self.parts]  # type: ignore[operator]  # torch: Module
        return torch.logsumexp(torch.stack(parts) + log_share.T[:, :, None], 0)


def _is(part: nn.Module, trait: str) -> bool:
    """Whether a part, or a sampler inside it, says so of itself."""
    return any(getattr(module, trait, False) for module in part.modules())


def _able(part: nn.Module, negatives: Negatives) -> Tensor:
    """Which rows [B] a part can draw for; a mask by chance says nothing about that."""
    return negatives.mask.any(1) | _is(part, "unfiltered")


def _columns(mask: Tensor, words: Tensor, as_drawn: bool) -> Tensor:
    """Which of a part's slots [B, m] each slot [B, k] takes: as drawn, or the usable ones only.

    A part of width k lends its slots in their order; one of another width any of them, each alike.
    """
    k = words.shape[1]
    count = torch.full_like(words[:, :1], mask.shape[1]) if as_drawn else mask.sum(1, keepdim=True).clamp(min=1)
    if mask.shape[1] != k:
        rank = bounded(words, count)
    else:
        rank = torch.arange(k, device=mask.device) % count
    if as_drawn or bool(mask.all()):
        return rank
    return (~mask).long().argsort(dim=1, stable=True).gather(1, rank)
