"""Negatives in proportion to a power of their degree, or to any weights."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph, check_weight
from graphns.kernels.alias import AliasTable, alias_complement_torch, build_alias, row_weights
from graphns.kernels.guide import Guide, build_guide
from graphns.kernels.proportional import Tables, weighted_negatives
from graphns.kernels.weighted import complement_weighted, cumulative_weights, fixed_point, weighted_keys
from graphns.kernels.weighted_distinct import complement_weighted_distinct
from graphns.samplers.exclusion import (
    Exclude,
    Infeasible,
    check_choice,
    check_positives,
    excluded,
    is_candidate,
    raise_if_short,
)


class Degree(Sampler):
    r"""Draw popular candidates more often: in proportion to a power of their degree (PNS).

    .. math:: q(j \mid u) = w_j \Big/ \sum_{i \notin \mathcal{E}(u)} w_i, \quad w_j = (d_j + s)^p, \quad
              j \notin \mathcal{E}(u)

    with :math:`d_j` the in-degree of candidate j (its degree where edges go both ways), p the power, s the smoothing,
    and :math:`\mathcal{E}(u)` the anchor, its positive and, with ``exclude="neighbors"``, the anchor's row. A candidate
    without edges has weight 0 and is never drawn, unless s > 0. Exact, without a loop: weights are rounded to
    integers that sum below 2^61, and q is that of the rounded weights. A negative takes one word of the stream, and a
    second where the first fell on an excluded id. Memory: 8 bytes an edge, 8 a source and 28 a candidate.

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
        positives: ``"check"``: the positive is looked up in the anchor's row, since it may be no edge of the graph.
            ``"known"``: a promise that every positive is one (training edges); it spares a search a pair.

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
    alias: Tensor
    row_weight: Tensor

    def __init__(
        self, graph: Graph, power: float = 0.75, *, weights: Tensor | None = None, smoothing: float = 0.0,
        exclude: Exclude = "neighbors", replace: bool = True, infeasible: Infeasible = "mask",
        positives: Literal["check", "known"] = "check",
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        check_positives(positives, exclude)
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
        self.positives = positives
        self.register_buffer("cumulative", cumulative_weights(fixed_point(weights)), persistent=False)
        keys = self.cumulative[:0]  # rows that are not excluded need none
        if exclude == "neighbors":
            keys = weighted_keys(graph.indptr, graph.indices, self.cumulative)
        self.register_buffer("keys", keys, persistent=False)
        guide, self.shift = build_guide(self.cumulative.cpu())
        self.register_buffer("guide", guide.to(graph.device), persistent=False)
        alias, self.bits = build_alias(self.cumulative)
        self.register_buffer("alias", alias, persistent=False)
        self.register_buffer("row_weight", row_weights(graph.indptr, graph.indices, keys, self.cumulative),
                             persistent=False)

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        graph = self.graph
        guide = Guide(self.guide, self.shift)
        if not self.replace:
            rows, extra = excluded(graph, query, self.exclude)
            ids, found = complement_weighted_distinct(
                graph.indptr, graph.indices, rows, extra, self.cumulative, query.stream.row_keys(query.row), query.k,
                self.keys, guide)
            raise_if_short(found, query.k, query, self.infeasible)
            return Negatives(ids, None, torch.arange(query.k, device=ids.device) < found[:, None])
        if graph.device.type != "cpu" or type(graph).rows is not Graph.rows:
            return self._sample_by_parts(query)
        if query.anchor.dim() != 1:
            graph.rows(query.anchor)  # raises: the kernel takes ids
        tables = Tables(self.cumulative, self.keys, guide, AliasTable(self.alias, self.bits), self.row_weight)
        drawn = weighted_negatives(
            graph.indptr, graph.indices, tables, query.anchor, query.positive, query.row, query.stream, query.k,
            exclude_row=self.exclude == "neighbors", exclude_anchor=not graph.bipartite,
            exclude_positive=self.positives == "check", self_loops=graph.mapped or graph.has_self_loops,
            edge_filter=graph.edge_filter)
        if drawn is None:
            graph.rows(query.anchor)  # raises, naming the anchor
            raise AssertionError
        return self._negatives(query, drawn.ids, drawn.left, drawn.log_prob)

    def _sample_by_parts(self, query: Query) -> Negatives:
        rows, extra = excluded(self.graph, query, self.exclude)
        ids, left = alias_complement_torch(
            self.graph.indptr, self.graph.indices, self.keys, rows, extra, self.cumulative,
            AliasTable(self.alias, self.bits), query.stream.row_keys(query.row), query.k)
        log_prob = self._log_weight(ids) - left.clamp(min=1).double().log()[:, None]
        return self._negatives(query, ids, left, torch.where((left > 0)[:, None], log_prob, 0.0).float())

    def _negatives(self, query: Query, ids: Tensor, left: Tensor, log_prob: Tensor) -> Negatives:
        raise_if_short(left.clamp(max=1), 1, query, self.infeasible)
        return Negatives(ids, log_prob, (left > 0)[:, None].expand_as(ids))

    def _log_weight(self, ids: Tensor) -> Tensor:
        return (self.cumulative[ids + 1] - self.cumulative[ids]).double().log()

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Log of the weight over the weight left; -inf at excluded ids and at those without weight.

        Raises:
            TypeError: drawn without replacement.
        """
        if not self.replace:
            return super().log_prob(query, ids)
        rows, extra = excluded(self.graph, query, self.exclude)
        allowed = is_candidate(self.graph, rows, extra, ids)
        _, left = complement_weighted(
            self.graph.indptr, self.graph.indices, rows, extra, self.cumulative, query.stream.row_keys(query.row), 0,
            self.keys, Guide(self.guide, self.shift))
        inside = ids.clamp(0, self.graph.num_dst - 1)
        return torch.where(allowed, self._log_weight(inside) - left.clamp(min=1).double().log()[:, None],
                           -torch.inf).float()
