"""Uniform negatives that are never known positives."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.kernels.complement import complement_uniform
from graphns.kernels.distinct import complement_distinct
from graphns.kernels.keys import row_keys
from graphns.kernels.uniform import uniform_negatives
from graphns.samplers.alike import log_alike
from graphns.samplers.exclusion import (
    Exclude,
    Infeasible,
    check_choice,
    check_positives,
    excluded,
    is_candidate,
    num_candidates,
    raise_if_short,
)


class Uniform(Sampler):
    r"""Draw every candidate with equal probability (RNS).

    .. math:: q(j \mid u) = 1 / (N - |\mathcal{E}(u)|), \quad j \notin \mathcal{E}(u)

    where :math:`\mathcal{E}(u)` holds the anchor, its positive and, with ``exclude="neighbors"``, the anchor's row.
    Exact, with no rejection: one word of the stream gives one negative. Without replacement the k negatives of a row
    are distinct, every ordered choice is equally likely, and q is each slot's marginal.

    Args:
        graph: known positives; its destinations are the candidates.
        exclude: ``"neighbors"`` or ``"self"``.
        replace: whether a row may hold a negative twice.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates, or with fewer than k where they are to be
            distinct.
        positives: ``"check"``: the positive is looked up in the anchor's row, since it may be no edge of the graph.
            ``"known"``: a promise that every positive is one (training edges); it spares a search a pair.

    Returns:
        On call, ids, log_prob and mask, all [B, k]. Without replacement, a row with fewer than k candidates gives each
        of them once, then masked slots.

    Raises:
        InfeasibleError: a row is short, and ``infeasible="raise"``.

    Example:
        >>> from graphns.base import Query
        >>> from graphns.streams import Stream
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 0, 1], [1, 2, 2]]), num_nodes=4)
        >>> Uniform(graph)(Query(torch.tensor([0]), torch.tensor([1]), k=3, stream=Stream(0))).ids
        tensor([[3, 3, 3]])

    References:
        Rendle, Freudenthaler, Gantner, Schmidt-Thieme: BPR: Bayesian Personalized Ranking from Implicit Feedback.
        UAI 2009.
    """

    density: Density = "marginal"

    def __init__(
        self, graph: Graph, *, exclude: Exclude = "neighbors", replace: bool = True, infeasible: Infeasible = "mask",
        positives: Literal["check", "known"] = "check",
    ) -> None:
        super().__init__()
        check_positives(positives, exclude)
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        self.graph = graph
        self.exclude = exclude
        self.replace = replace
        self.infeasible = infeasible
        self.positives = positives

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        if self.replace and self.graph.device.type == "cpu" and type(self.graph).rows is Graph.rows:
            return self._sample_at_once(query)
        rows, extra = excluded(self.graph, query, self.exclude)
        if self.positives == "known":
            extra = extra[:, :1].contiguous()  # the row has the positive already
        graph = self.graph
        arguments = (graph.indptr, graph.indices, rows, extra, graph.num_dst, row_keys(query.stream, query.row),
                     query.k)
        if self.replace:
            ids, counts = complement_uniform(*arguments, graph.edge_filter)
            available = (counts > 0)[:, None]
        else:
            ids, counts = complement_distinct(*arguments)
            available = torch.arange(query.k, device=ids.device) < counts[:, None]
        raise_if_short(counts, 1 if self.replace else query.k, query, self.infeasible)
        log_prob = log_alike(counts)
        # with replacement a row's slots are alike: one number a row, seen k times
        log_prob = torch.where(available, log_prob[:, None], 0.0)
        return Negatives(ids, log_prob.expand_as(ids), available.expand_as(ids))

    def _sample_at_once(self, query: Query) -> Negatives:
        graph = self.graph
        if query.anchor.dim() != 1:
            graph.rows(query.anchor)  # raises: the kernel takes ids
        drawn = uniform_negatives(
            graph.indptr, graph.indices, query.anchor, query.positive, query.row, query.stream, graph.num_dst, query.k,
            exclude_row=self.exclude == "neighbors", exclude_anchor=not graph.bipartite,
            exclude_positive=self.positives == "check", self_loops=graph.mapped or graph.has_self_loops,
            edge_filter=graph.edge_filter,
        )
        if drawn is None:
            graph.rows(query.anchor)  # raises, naming the anchor
            raise AssertionError
        raise_if_short(drawn.counts, 1, query, self.infeasible)
        return Negatives(drawn.ids, drawn.log_prob[:, None].expand_as(drawn.ids),
                         drawn.some[:, None].expand_as(drawn.ids))

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the number of candidates; -inf at excluded ids."""
        rows, extra = excluded(self.graph, query, self.exclude)
        allowed = is_candidate(self.graph, rows, extra, ids)
        each = log_alike(num_candidates(self.graph, rows, extra))
        return torch.where(allowed, each[:, None], -torch.inf)
