"""Negatives in proportion to a power of their degree, or to any weights."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph, check_weight
from graphns.kernels.guide import Guide, build_guide
from graphns.kernels.weighted import complement_weighted, cumulative_weights, fixed_point, weighted_keys
from graphns.kernels.weighted_distinct import complement_weighted_distinct
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice, excluded, is_candidate, raise_if_short


class Degree(Sampler):
    r"""Draw popular candidates more often: in proportion to a power of their degree (PNS).

    .. math:: q(j \mid u) = w_j \Big/ \sum_{i \notin \mathcal{E}(u)} w_i, \quad w_j = (d_j + s)^p, \quad
              j \notin \mathcal{E}(u)

    with :math:`d_j` the in-degree of candidate j (its degree where edges go both ways), p the power, s the smoothing,
    and :math:`\mathcal{E}(u)` the anchor, its positive and, with ``exclude="neighbors"``, the anchor's row. A candidate
    without edges has weight 0 and is never drawn, unless s > 0. Exact, with no rejection: weights are rounded to
    integers that sum below 2^62, and q is that of the rounded weights. Memory: 8 bytes an edge and 12 a candidate.

    Without replacement, each negative of a row is drawn in proportion to the weights not drawn yet. The marginal of a
    later slot then has no closed form, so the density is "none".

    Args:
        graph: known positives; its destinations are the candidates.
        power: p; 0.75 is word2vec's, 1 is popularity, 0 is uniform.
        weights: [num_dst], any numbers >= 0 in place of the degrees' powers; then power and smoothing are not used.
        smoothing: s >= 0, added to every degree.
        exclude: ``"neighbors"`` or ``"self"``.
        replace: whether a row may hold a negative twice.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without a candidate of positive weight, or with fewer than k
            where they are to be distinct.

    Returns:
        On call, ids, log_prob and mask, all [B, k]; without replacement, no log_prob.

    Raises:
        ValueError: weights are negative, not finite, or not one per candidate.
        InfeasibleError: a row is short, and ``infeasible="raise"``.

    Example:
        >>> from graphns.base import Query
        >>> from graphns.streams import Stream
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 1, 2, 3], [1, 2, 3, 2]]), num_nodes=4)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=4, stream=Stream(0))
        >>> Degree(graph, power=1).log_prob(query, torch.arange(4)[None]).exp()
        tensor([[0.0000, 0.0000, 0.6667, 0.3333]])

    References:
        Mikolov, Sutskever, Chen, Corrado, Dean: Distributed Representations of Words and Phrases and their
        Compositionality. NIPS 2013.
    """

    cumulative: Tensor
    keys: Tensor
    guide: Tensor

    def __init__(
        self, graph: Graph, power: float = 0.75, *, weights: Tensor | None = None, smoothing: float = 0.0,
        exclude: Exclude = "neighbors", replace: bool = True, infeasible: Infeasible = "mask",
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        if not smoothing >= 0:
            raise ValueError(f"smoothing must be at least 0, got {smoothing}")
        if weights is None:
            # on the CPU, where powers come out the same whatever device draws
            weights = (graph.in_degree.cpu().double() + smoothing) ** power
            if not bool(torch.isfinite(weights).all()):
                raise ValueError(f"power={power} gives candidates of low degree no finite weight; pass smoothing > 0")
        weights = check_weight(weights, graph.num_dst, "candidate").to(graph.device)
        self.graph = graph
        self.exclude = exclude
        self.replace = replace
        self.density: Density = "marginal" if replace else "none"
        self.infeasible = infeasible
        self.register_buffer("cumulative", cumulative_weights(fixed_point(weights)), persistent=False)
        keys = self.cumulative[:0]  # rows that are not excluded need none
        if exclude == "neighbors":
            keys = weighted_keys(graph.indptr, graph.indices, self.cumulative)
        self.register_buffer("keys", keys, persistent=False)
        guide, self.shift = build_guide(self.cumulative.cpu())
        self.register_buffer("guide", guide.to(graph.device), persistent=False)

    def _draw(self, query: Query, k: int, replace: bool = True) -> tuple[Tensor, Tensor]:
        rows, extra = excluded(self.graph, query, self.exclude)
        draw = complement_weighted if replace else complement_weighted_distinct
        return draw(
            self.graph.indptr, self.graph.indices, rows, extra, self.cumulative, query.stream.row_keys(query.row), k,
            self.keys, Guide(self.guide, self.shift),
        )

    def _log_weight(self, ids: Tensor) -> Tensor:
        return (self.cumulative[ids + 1] - self.cumulative[ids]).double().log()

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        if not self.replace:
            ids, found = self._draw(query, query.k, replace=False)
            raise_if_short(found, query.k, query, self.infeasible)
            return Negatives(ids, None, torch.arange(query.k, device=ids.device) < found[:, None])
        ids, left = self._draw(query, query.k)
        some = (left > 0)[:, None]
        raise_if_short(left.clamp(max=1), 1, query, self.infeasible)
        log_prob = torch.where(some, self._log_weight(ids) - left.clamp(min=1).double().log()[:, None], 0.0).float()
        return Negatives(ids, log_prob, some.expand_as(ids))

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Log of the weight over the weight left; -inf at excluded ids and at those without weight.

        Raises:
            TypeError: drawn without replacement.
        """
        if not self.replace:
            return super().log_prob(query, ids)
        rows, extra = excluded(self.graph, query, self.exclude)
        allowed = is_candidate(self.graph, rows, extra, ids)
        left = self._draw(query, 0)[1].clamp(min=1).double().log()
        inside = ids.clamp(0, self.graph.num_dst - 1)
        return torch.where(allowed, self._log_weight(inside) - left[:, None], -torch.inf).float()
