"""Negatives in time: destinations of the anchor's past that are absent now, and random ones."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.graph.timed import TimedEdges
from graphns.kernels.complement import complement_uniform
from graphns.kernels.csr import build_csr
from graphns.kernels.membership import in_rows
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice, is_candidate, num_candidates, raise_if_short
from graphns.samplers.known_pairs import row_entries
from graphns.streams import bounded, unit, words_at


class Temporal(Sampler):
    r"""Draw from the anchor's own past, or uniformly, at the time of the query (DGB).

    .. math:: q(j \mid u, t) = h \frac{[j \in \mathcal{P}(u, t)]}{|\mathcal{P}(u, t)|}
              + (1 - h) \frac{1}{N - |\mathcal{E}(u, t)|}, \quad
              \mathcal{P}(u, t) = \{j : (u, j, t') \in D, t' < t\} \setminus \mathcal{E}(u, t)

    D are the events, h is `share`, and :math:`\mathcal{E}(u, t)` holds the anchor, its positive and, with
    ``exclude="neighbors"``, the destinations of u at t itself: an edge of the past is a negative as long as it is
    absent now. Modes: ``"random"`` (h = 0); ``"historical"``, where a pair without a past draws uniformly; and
    ``"inductive"``, as historical, of edges that training never showed: pairs whose first event is after `train_until`.

    Inductive negatives are made of test edges, so that mode is for evaluation alone: it refuses to draw until
    ``sampler.eval()`` says that this is one. What a draw costs grows with the anchor's events.

    Args:
        events: D; for training, those of the training period.
        graph: edges that are there at any time, and so excluded at any time; None: none.
        mode: ``"random"``, ``"historical"`` or ``"inductive"``.
        share: h, the probability that a slot is of the past.
        train_until: the last training time, for ``"inductive"``.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: an argument is out of range; the graph is an `EdgeSet`; the query has no time [B] though there are
            events; inductive draws are asked for in training mode.
        InfeasibleError: a row has no candidate, and ``infeasible="raise"``.

    Example:
        >>> from graphns.streams import Stream
        >>> edges, time = torch.tensor([[0, 0, 0], [1, 2, 3]]), torch.tensor([1, 2, 3])
        >>> sampler = Temporal(TimedEdges.from_events(edges, time, num_nodes=6), share=1.0)
        >>> query = Query(torch.tensor([0, 0]), torch.tensor([3, 2]), k=9, stream=Stream(0), time=torch.tensor([3, 2]))
        >>> sampler(query).ids.sort(1).values.unique(dim=1)  # at 3: 1 and 2 are past; at 2: only 1 is
        tensor([[1, 2],
                [1, 1]])

    References:
        Poursafaei, Huang, Pelrine, Rabbany: Towards Better Evaluation for Dynamic Link Prediction. NeurIPS 2022.
    """

    density: Density = "marginal"

    def __init__(
        self, events: TimedEdges, graph: Graph | None = None, *,
        mode: Literal["random", "historical", "inductive"] = "historical", share: float = 0.5,
        train_until: float | None = None, exclude: Exclude = "neighbors", infeasible: Infeasible = "mask",
    ) -> None:
        super().__init__()
        check_choice(mode, ("random", "historical", "inductive"), "mode")
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        if not 0 <= share <= 1:
            raise ValueError(f"share must be a probability in [0, 1], got {share}")
        if (mode == "inductive") != (train_until is not None):
            raise ValueError(f"mode={mode!r} and train_until={train_until} do not fit: inductive negatives need the "
                             "last training time, and no others do")
        if isinstance(graph, EdgeSet):
            raise ValueError("an EdgeSet has no times and wider anchors than events; pass the Graph of the nodes")
        if graph is not None and (graph.num_src, graph.num_dst) != (events.num_src, events.num_dst):
            raise ValueError(f"events of {events.num_src} sources and {events.num_dst} destinations do not fit a graph "
                             f"of {graph.num_src} and {graph.num_dst}")
        self.events = events
        self.graph = graph
        self.mode = mode
        self.share = 0.0 if mode == "random" else share
        self.train_until = train_until
        self.exclude = exclude
        self.infeasible = infeasible

    @classmethod
    def from_graph(cls, graph: Graph, **options: Any) -> Self:
        """Over edges without a time, which are always there: no past is absent, so that every draw is random."""
        none = torch.empty((2, 0), dtype=torch.int64, device=graph.device)
        size = (graph.num_src, graph.num_dst) if graph.bipartite else graph.num_src
        return cls(TimedEdges.from_events(none, none[0], size), graph, **options)

    def _rows(self, query: Query) -> tuple[Graph, Tensor, Tensor, Tensor]:
        """For each query as row b: what is excluded now, its further exclusions [B, 2], its past (indptr, ids)."""
        if self.mode == "inductive" and self.training:
            raise ValueError("inductive negatives are made of test edges, and training on them would show these to the "
                             "model: call sampler.eval() to evaluate, and train with mode='historical'")
        if query.time is None and len(self.events.target):
            raise ValueError("temporal negatives depend on when: make the query with Query(..., time=time), [B]")
        anchor = self.events.rows(query.anchor)
        size, num = max(query.batch_size, 1), self.events.num_dst
        own = torch.full_like(anchor, -1) if self.events.bipartite else anchor
        extra = torch.stack([own, query.positive], 1)
        none = (anchor[:0], anchor[:0])
        now, past = none, none
        if query.time is not None:
            now = self.events.during(anchor, query.time)
            past = self.events.before(anchor, query.time, self.train_until) if self.share else none
        taken = [now] if self.graph is None else [now, row_entries(self.graph.indptr, self.graph.indices, anchor)]
        if self.exclude == "self":
            taken = [none]
        line, ids = (torch.cat(each) for each in zip(*taken, strict=True))
        indptr, indices, _ = build_csr(line, ids, size, num)
        line, ids = past
        keep = ~in_rows(indptr, indices, line, ids[:, None])[:, 0]
        keep &= (ids[:, None] != extra[line]).all(1)
        return Graph(indptr, indices, num), extra, *build_csr(line[keep], ids[keep], size, num)[:2]

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        now, extra, indptr, past = self._rows(query)
        line = torch.arange(query.batch_size, device=query.device)
        keys = [query.child(tag).stream.row_keys(query.row) for tag in range(3)]
        ids, counts = complement_uniform(now.indptr, now.indices, line, extra, now.num_dst, keys[2], query.k)
        raise_if_short(counts, 1, query, self.infeasible)
        mask = (counts > 0)[:, None].expand_as(ids)
        number = indptr.diff()[: query.batch_size]
        if len(past):
            of_past = (unit(words_at(keys[0], query.k)) < self.share) & (number > 0)[:, None]
            at = indptr[line][:, None] + bounded(words_at(keys[1], query.k), number[:, None])
            ids = torch.where(of_past, past[at.clamp(max=len(past) - 1)].long(), ids)
        inside = in_rows(indptr, past, line, ids)
        log_prob = self._mixed(inside, number, -counts.clamp(min=1).double().log()[:, None])
        return Negatives(ids, torch.where(mask, log_prob, 0.0).float(), mask)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """log(h / |P| + (1 - h) / number of candidates) in the past, without the first term outside it."""
        now, extra, indptr, past = self._rows(query)
        line = torch.arange(query.batch_size, device=query.device)
        each = -num_candidates(now, line, extra).clamp(min=1).double().log()[:, None]
        easy = torch.where(is_candidate(now, line, extra, ids), each, -torch.inf)
        return self._mixed(in_rows(indptr, past, line, ids), indptr.diff()[: query.batch_size], easy).float()

    def _mixed(self, inside: Tensor, number: Tensor, easy: Tensor) -> Tensor:
        """The log of the mixture [B, m], given the uniform part's; rows without a past have that alone."""
        past = math.log(self.share) if self.share else -torch.inf
        rest = easy + (math.log1p(-self.share) if self.share < 1 else -torch.inf)
        hard = torch.where(inside, past - number.clamp(min=1).double().log()[:, None], -torch.inf)
        return torch.where((number > 0)[:, None], torch.logaddexp(hard, rest), easy)
