"""Negatives that score high and whose score varies: a memory of candidates for each anchor, with their scores."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_temperature, draw_pool, usable_scores
from graphns.samplers.rows import latest, part_of
from graphns.samplers.slots import positive_scores
from graphns.samplers.static.uniform import Uniform
from graphns.samplers.turnover import turned_over
from graphns.streams import unit_open


class SRNS(Sampler):
    r"""Take from a memory what scores high and has varied over the last epochs (SRNS).

    .. math:: \text{the k largest of}\ P(j \mid u, i) + \alpha_t\, \mathrm{std}_{t - W \le e < t}\, P_e(j \mid u),
        \quad j \in M_u, \qquad P(j \mid u, i) = \sigma(s(u, j) - s(u, i)), \quad \alpha_t = \alpha \min(1, t / T)

    A false negative scores high epoch after epoch; a hard true one does so for a while. i is the positive, and
    :math:`P_e(j \mid u) = \sigma(s_e(u, j) - \bar s_e(u))` with the anchor's mean positive score of epoch e. Each
    anchor has C candidates, drawn by the base, and the scores of the last W epochs; its memory :math:`M_u` is
    ``memory`` of them. `update` scores the memory with ``fresh`` more candidates, chosen uniformly, writes the scores
    down, and keeps as the new memory as many as before, drawn without replacement by a softmax of s / temperature;
    an anchor that stands several times in a batch is updated once. In each new epoch a share of the candidates
    outside the memory is replaced. An anchor that was never observed draws from the base. The density is "none": the
    choice among the memory has no randomness left.

    Args:
        base: draws the candidates; put exclusions there, and draws without replacement.
        graph: its sources are the anchors that have a memory.
        memory: S1, the size of a memory; at least k.
        fresh: S2, candidates scored beside the memory at each update.
        candidates: C, at least S1 + S2; each takes 4 (W + 2) bytes for each anchor.
        temperature: divides the scores where the memory is drawn.
        weight: :math:`\alpha`, of the deviation.
        ramp: T, epochs until the weight is full; 0: from the start.
        epochs: W, over which the deviation is taken; an item of one or none has deviation 0.
        turnover: share of the candidates outside the memory that a new epoch replaces where the draw is none of them.

    Returns:
        On call, ids and mask [B, k], best first; no log_prob.

    Raises:
        ValueError: the query has no model; k is above ``memory``; an option is out of range; a score is not finite.

    Example:
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = SRNS.from_graph(Graph.empty(1000), temperature=1.0)
        >>> for step in range(50):
        ...     query = Query(torch.tensor([0]), torch.tensor([1]), k=1, model=Larger(), stream=Stream(0, step))
        ...     sampler.update(query, sampler(query))
        >>> bool((sampler(query).ids > 900).all())
        True

    References:
        Ding, Quan, Yao, Li, Jin: Simplify and Robustify Negative Sampling for Implicit Collaborative Filtering.
        NeurIPS 2020.
    """

    needs_model = True
    candidates: Tensor  # [R, C] ids, -1 where there is none
    memory: Tensor  # [R, S1] places among the candidates
    scores: Tensor  # [R, C, W + 1] of epoch e in column e mod (W + 1); -inf where not scored
    positive_sum: Tensor  # [R, W + 1] scores of the anchor's positives, of each epoch, added up
    positive_count: Tensor
    last_epoch: Tensor  # [R] in which the anchor was last observed; -1: never

    def __init__(
        self, base: Sampler, graph: Graph, *, memory: int = 8, fresh: int = 64, candidates: int = 128,
        temperature: float = 10.0, weight: float = 5.0, ramp: int = 50, epochs: int = 5, turnover: float = 0.1,
    ) -> None:
        super().__init__()
        for name, value, least in (("memory", memory, 1), ("fresh", fresh, 0), ("epochs", epochs, 1),
                                   ("ramp", ramp, 0), ("candidates", candidates, memory + fresh)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if not (0 <= weight < float("inf") and 0 <= turnover <= 1):
            raise ValueError(f"need a finite weight >= 0 and a turnover in [0, 1], got {weight} and {turnover}")
        self.base, self.graph, self.fresh, self.epochs = base, graph, fresh, epochs
        self.temperature, self.weight, self.ramp, self.turnover = check_temperature(temperature), weight, ramp, turnover
        num = max(graph.num_src, 1)  # an EdgeSet may be empty
        with graph.device:
            self.register_buffer("candidates", torch.full((num, candidates), -1, dtype=graph.indices.dtype))
            self.register_buffer("memory", torch.arange(memory).repeat(num, 1))
            self.register_buffer("scores", torch.full((num, candidates, epochs + 1), -torch.inf))
            self.register_buffer("positive_sum", torch.zeros(num, epochs + 1, dtype=torch.float64))
            self.register_buffer("positive_count", torch.zeros(num, epochs + 1, dtype=torch.int64))
            self.register_buffer("last_epoch", torch.full((num,), -1))

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """Uniform distinct candidates for every source; further options are those of the constructor."""
        return cls(Uniform(graph, exclude=exclude, replace=False), graph, **options)

    def deviation(self, rows: Tensor, places: Tensor, epoch: int) -> Tensor:
        """Standard deviation of P [B, m], float64, over the W epochs before `epoch`, of candidates at places [B, m]."""
        column = torch.arange(self.epochs + 1, device=rows.device)
        last = self.last_epoch[rows][:, None]
        when = last - (last - column) % (self.epochs + 1)  # [B, W + 1] the epoch that a column holds
        past = (when >= epoch - self.epochs) & (when < epoch)
        positive = self.positive_sum[rows] / self.positive_count[rows].clamp(min=1)
        scores = self.scores[rows[:, None], places].double()
        seen = past[:, None] & (scores > -torch.inf)
        chance = (scores - positive[:, None]).sigmoid()
        share = seen.double() / seen.sum(2, keepdim=True).clamp(min=1)
        return (share * (chance - (share * chance).sum(2, keepdim=True)) ** 2).sum(2).sqrt()

    def weight_at(self, epoch: int) -> float:
        """The weight of the deviation in an epoch, counted from 0."""
        return self.weight * min(1.0, epoch / self.ramp) if self.ramp else self.weight

    def sample(self, query: Query) -> Negatives:
        """Choose from the memories; from the base for anchors without one."""
        if query.k > self.memory.shape[1]:
            raise ValueError(f"a memory of {self.memory.shape[1]} cannot fill k={query.k}; make memory at least k")
        rows = self.graph.rows(query.anchor)
        at = rows.clamp(min=0)
        seen = ((rows >= 0) & (self.last_epoch[at] >= 0))[:, None]
        places = self.memory[at]
        ids = self.candidates[at[:, None], places].long()
        usable = seen & (ids >= 0) & (ids != query.positive[:, None])
        pool = Negatives(torch.cat([query.positive[:, None], ids.clamp(min=0)], 1), None,
                         torch.cat([torch.ones_like(seen), usable], 1))
        scores = usable_scores(pool, query.score(pool.ids)).double()
        bonus = self.weight_at(query.epoch) * self.deviation(at, places, query.epoch)
        value = (scores[:, 1:] - scores[:, :1]).sigmoid() + bonus
        best = value.masked_fill(~usable, -1.0).argsort(dim=1, descending=True, stable=True)[:, : query.k]
        first = draw_pool(self.base, query, query.k)
        return Negatives(torch.where(seen, ids.gather(1, best).clamp(min=0), first.ids), None,
                         torch.where(seen, usable.gather(1, best), first.mask))

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Score memory and fresh candidates of the batch's anchors, write the scores down, draw new memories."""
        rows = self.graph.rows(query.anchor)
        part = part_of(query, at := latest(rows))
        each, now = rows[at], query.epoch % (self.epochs + 1)
        opening = (self.last_epoch[each] < query.epoch).nonzero()[:, 0]
        first = each[opening]
        opened, new = turned_over(self.base, part_of(part, opening), self.candidates[first], self.memory[first],
                                  self.last_epoch[first] < 0, self.turnover)
        known, memory = self.candidates[each].index_copy(0, opening, opened).long(), self.memory[each]
        lots = part.stream.child(2).words(part.row, known.shape[1]) >> 1
        # where there is no candidate, and then the memory, comes last, and so no place comes twice
        lots = lots.masked_fill(known < 0, 1 << 62).scatter(1, memory, torch.iinfo(torch.int64).max)
        places = torch.cat([memory, lots.argsort(dim=1, stable=True)[:, : self.fresh]], 1)
        usable = known.gather(1, places) >= 0
        pool = Negatives(known.gather(1, places).clamp(min=0), None, usable)
        scores, positive = usable_scores(pool, part.score(pool.ids)), positive_scores(query)[:, 0]
        self._open_epoch(query.epoch, first, opened, new)  # only now that all scores are known to be good
        held = (rows >= 0).nonzero()[:, 0]
        place = rows[held] * (self.epochs + 1) + now
        self.positive_sum.view(-1).index_add_(0, place, positive[held])
        self.positive_count.view(-1).index_add_(0, place, torch.ones_like(place))
        self.scores[each[:, None], places, now] = scores.float().masked_fill(~usable, -torch.inf)
        gumbel = -(-unit_open(part.stream.child(3).words(part.row, places.shape[1])).log()).log()
        lot = (scores.double() / self.temperature + gumbel).masked_fill(~usable, -torch.inf)
        self.memory[each] = places.gather(1, lot.argsort(dim=1, descending=True, stable=True)[:, : memory.shape[1]])

    def _open_epoch(self, epoch: int, rows: Tensor, known: Tensor, new: Tensor) -> None:
        """Forget what is too old to count, and replace candidates, of anchors whose first step of an epoch this is."""
        last = self.last_epoch[rows][:, None]
        age = (epoch - torch.arange(self.epochs + 1, device=rows.device)) % (self.epochs + 1)
        old = (last < 0) | (age < epoch - last)
        self.positive_sum[rows] = self.positive_sum[rows].masked_fill(old, 0.0)
        self.positive_count[rows] = self.positive_count[rows].masked_fill(old, 0)
        self.candidates[rows], self.last_epoch[rows] = known, epoch
        self.scores[rows] = self.scores[rows].masked_fill(old[:, None] | new[..., None], -torch.inf)
