"""Negatives from lists that the user gives: one list of candidates, with weights, for each anchor."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph, check_weight
from graphns.graph.hops import ring_graph
from graphns.graph.known import EdgeSet
from graphns.kernels.membership import count_torch, in_rows
from graphns.kernels.walks import cumulative_weights
from graphns.samplers.candidate_sets import anchors_of
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice, excluded, raise_if_short
from graphns.streams import bounded, words_at


class CandidateLists(Sampler):
    r"""Draw from the anchor's own list of candidates, in proportion to their weights.

    .. math:: q(j \mid u) = w_{uj} \Big/ \sum_{i \in \mathcal{L}(u) \setminus \mathcal{E}(u)} w_{ui}, \quad
              j \in \mathcal{L}(u) \setminus \mathcal{E}(u)

    For candidates that come from elsewhere: items that were shown and not clicked, the friends of a user's friends, a
    lexical search, another model's ranking. :math:`\mathcal{E}(u)` holds the anchor, its positive and, with
    ``exclude="neighbors"``, its known positives, which may stand in the lists all the same. Exact, with no rejection:
    the weights of a list are rounded to integers that add up to about 2^36, and q is that of the rounded weights; one
    word of the stream gives one negative. An anchor without a list, or whose list holds no candidate, gets masked
    slots. Memory: 12 bytes an entry.

    Args:
        known: known positives; its destinations are the candidates.
        lists: row u holds the list of anchor u: a `Graph`, from edges (anchor, candidate) or from CSR rows, or an
            `EdgeSet` for anchors of several columns.
        weights: [lists.num_edges] numbers >= 0 in the order of the lists' rows. None: the weights of `lists`, or 1.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: lists and known positives have not the same candidates or anchors; weights are negative, not finite
            or not one per entry.
        InfeasibleError: a row has no candidate, and ``infeasible="raise"``.

    Example:
        >>> from graphns.base import Query
        >>> from graphns.streams import Stream
        >>> clicked = Graph.from_edge_index(torch.tensor([[0, 1], [1, 2]]), num_nodes=(2, 5))
        >>> shown = Graph.from_edge_index(torch.tensor([[0, 0, 0, 1], [1, 3, 4, 2]]), num_nodes=(2, 5),
        ...                               weight=torch.tensor([1.0, 1.0, 3.0, 1.0]))
        >>> sampler = CandidateLists(clicked, shown)
        >>> query = Query(torch.tensor([0, 1]), torch.tensor([1, 2]), k=1, stream=Stream(0))
        >>> sampler.log_prob(query, torch.arange(5)[None]).exp()  # what was clicked is left out
        tensor([[0.0000, 0.0000, 0.0000, 0.2500, 0.7500],
                [0.0000, 0.0000, 0.0000, 0.0000, 0.0000]])

    References:
        Ding, Quan, He, Li, Jin: Reinforced Negative Sampling for Recommendation with Exposure Data. IJCAI 2019.
    """

    density: Density = "marginal"
    indptr: Tensor
    ids: Tensor
    cumulative: Tensor  # [n] the weights of each list, added up

    def __init__(
        self, known: Graph, lists: Graph, weights: Tensor | None = None, *, exclude: Exclude = "neighbors",
        infeasible: Infeasible = "mask",
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        if lists.num_dst != known.num_dst:
            raise ValueError(f"the lists hold ids below {lists.num_dst}, the known positives ids below "
                             f"{known.num_dst}; give both the same number of candidates")
        if not isinstance(lists, EdgeSet) and not isinstance(known, EdgeSet) and lists.num_src != known.num_src:
            raise ValueError(f"there are {lists.num_src} lists for {known.num_src} anchors; give an empty list where "
                             "there is none")
        self.known = known
        self.lists = lists
        self.exclude = exclude
        self.infeasible = infeasible
        if weights is None:
            weights = torch.ones(lists.num_edges) if lists.weight is None else lists.weight
        weights = check_weight(weights, lists.num_edges, "entry of the lists").to(lists.device)
        # all but the positive is known beforehand: it is taken out of the lists once
        line = torch.repeat_interleave(torch.arange(lists.num_src, device=lists.device), lists.degree)
        ids, anchors = lists.indices.long(), anchors_of(lists)
        keep = weights > 0
        if exclude == "neighbors" and known.num_edges:
            rows = known.rows(_narrow(anchors, known))[line]
            keep &= ~in_rows(known.indptr, known.indices, rows, ids[:, None])[:, 0]
        if not known.bipartite and lists.num_src:
            keep &= ids != _narrow(anchors, known)[line]
        indptr = torch.zeros(max(lists.num_src, 1) + 1, dtype=torch.int64, device=lists.device)
        indptr[1:] = torch.bincount(line[keep], minlength=len(indptr) - 1).cumsum(0)
        self.register_buffer("indptr", indptr, persistent=False)
        self.register_buffer("ids", lists.indices[keep], persistent=False)
        self.register_buffer("cumulative", cumulative_weights(indptr, weights[keep]), persistent=False)

    @classmethod
    def from_graph(
        cls, graph: Graph, *, lists: Graph | None = None, weights: Tensor | None = None, **options: Any
    ) -> Self:
        """The lists given; without any, the nodes two or three steps away, weighted by 1 + in-degree."""
        if lists is None:
            lists = ring_graph(graph, 2, 3)
            weights = 1.0 + graph.in_degree[lists.indices.long()]
        return cls(graph, lists, weights, **options)

    def _left(self, query: Query) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Each query's list [B] (-1: none), the weight before its positive, the positive's, and the weight left."""
        _, extra = excluded(self.known, query, self.exclude)
        rows = self.lists.rows(query.anchor)
        positive = extra[:, 1:]
        at = rows.clamp(min=0)
        last = self.indptr[at + 1] - 1
        total = torch.where((rows >= 0) & (last >= self.indptr[at]), self._upto(last), 0)
        held = in_rows(self.indptr, self.ids, rows, positive)[:, 0]
        place = count_torch(self.indptr, self.ids, rows, positive)[:, 0]
        before = torch.where(held & (place > 0), self._upto(self.indptr[at] + place - 1), 0)
        own = torch.where(held, self._upto(self.indptr[at] + place), 0) - before
        return rows, before, own, total - own

    def _upto(self, at: Tensor) -> Tensor:
        """The weight of a list up to and with the entry at each place [B]."""
        if len(self.cumulative) == 0:
            return torch.zeros_like(at)
        return self.cumulative[at.clamp(0, len(self.cumulative) - 1)]

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        rows, before, own, left = self._left(query)
        raise_if_short(left.clamp(max=1), 1, query, self.infeasible)
        some = (left > 0)[:, None]
        number = bounded(words_at(query.stream.row_keys(query.row), query.k), left[:, None])
        number = number + torch.where(number >= before[:, None], own[:, None], 0)  # pass over the positive
        place = count_torch(self.indptr, self.cumulative, rows, number + 1)
        if len(self.ids) == 0:
            return Negatives(place, torch.zeros_like(place, dtype=torch.float32), some.expand_as(place))
        at = torch.where(some, self.indptr[rows.clamp(min=0)][:, None] + place, 0)
        log_prob = self._log_weight(at, place) - left.clamp(min=1).double().log()[:, None]
        return Negatives(torch.where(some, self.ids[at].long(), 0), torch.where(some, log_prob, 0.0).float(),
                         some.expand_as(place))

    def _log_weight(self, at: Tensor, place: Tensor) -> Tensor:
        """Log of the weight of the entries at `at`, which stand at `place` in their lists."""
        return (self._upto(at) - torch.where(place > 0, self._upto(at - 1), 0)).double().log()

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Log of the weight over the weight left; -inf outside the list and at excluded ids."""
        rows, _, _, left = self._left(query)
        allowed = in_rows(self.indptr, self.ids, rows, ids) & (ids != query.positive[:, None])
        place = count_torch(self.indptr, self.ids, rows, ids)
        at = torch.where(allowed, self.indptr[rows.clamp(min=0)][:, None] + place, 0)
        log_prob = self._log_weight(at, torch.where(allowed, place, 0)) - left.clamp(min=1).double().log()[:, None]
        return torch.where(allowed, log_prob, -torch.inf).float()


def _narrow(anchors: Tensor, known: Graph) -> Tensor:
    """Anchors as `known` takes them: a graph takes one id each."""
    return anchors[:, 0] if anchors.dim() == 2 and not isinstance(known, EdgeSet) else anchors
