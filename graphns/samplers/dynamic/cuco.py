"""From easy to hard: of a pool in order of score, a share that grows epoch by epoch."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pacing import Pace, check_pace, paced
from graphns.samplers.pool import check_pool, draw, draw_pool, usable_scores
from graphns.samplers.static.uniform import Uniform


class CuCo(Sampler):
    r"""Draw from the easiest of a pool, and from more of it each epoch (CuCo).

    .. math:: q(y_i \mid \text{pool}) = 1/n_t, \quad \mathrm{rank}_i \le n_t = \max(1, \lceil c\, g(t)\, n \rceil),
        \qquad g(t) = \sqrt{\min(1, (t + 1) / T)}

    n usable candidates are ranked by the model's score from the lowest, t is the epoch, counted from 0, and T is
    ``ramp``. From epoch T - 1 on the whole pool is open, and the distribution is the base's. Other paces: linear x,
    quadratic :math:`x^2`, logarithm :math:`\log(1 + (e - 1) x)`, exponential :math:`(e^x - 1)/(e - 1)`.

    c is 1 until the loss stops falling: after ``patience`` epochs in a row whose mean ``Feedback.loss`` is no better
    than the best before, it is halved. `update` sees to that; without a loss it never happens.

    The density is "given-pool": exact given the pool and its scores, an id with several slots open having their sum.

    Args:
        base: draws the pool; put exclusions there.
        pool: candidates per pair.
        ramp: T, epochs until the pool is open; 0: from the start.
        pace: ``"root"`` (the paper's), ``"linear"``, ``"quadratic"``, ``"logarithm"`` or ``"exponential"``.
        patience: epochs without a better loss before c is halved; 0: never.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: the query has no model; an option is out of range; a score is NaN or infinite.

    Example:
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = CuCo(Uniform(Graph.empty(1000)), pool=500, ramp=100)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=50, model=Larger(), stream=Stream(0))
        >>> largest = [int(sampler(query.child(epoch=epoch)).ids.max()) for epoch in (0, 24, 99)]
        >>> largest[0] < 200 < largest[1] < 600 < largest[2]
        True

    References:
        Chu, Wang, Shi, Jiang: CuCo: Graph Representation with Curriculum Contrastive Learning. IJCAI 2021.
    """

    density: Density = "given-pool"
    needs_model = True
    share: Tensor  # c
    best_loss: Tensor
    waited: Tensor  # epochs since the best
    loss_sum: Tensor  # of the epoch under way
    num_losses: Tensor
    epoch: Tensor  # the epoch under way; -1: none

    def __init__(
        self, base: Sampler, *, pool: int = 64, ramp: int = 20, pace: Pace = "root", patience: int = 3
    ) -> None:
        super().__init__()
        check_pace(pace)
        for name, value in (("ramp", ramp), ("patience", patience)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
        self.base = base
        self.pool = check_pool(pool)
        self.ramp, self.pace, self.patience = ramp, pace, patience
        for name, start in (("share", 1.0), ("best_loss", float("inf")), ("loss_sum", 0.0)):
            self.register_buffer(name, torch.tensor(start, dtype=torch.float64))
        for name, first in (("waited", 0), ("num_losses", 0), ("epoch", -1)):
            self.register_buffer(name, torch.tensor(first))

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 64, ramp: int = 20, pace: Pace = "root",
        patience: int = 3, **options: Any,
    ) -> Self:
        """From easy to hard among uniform candidates; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), pool=pool, ramp=ramp, pace=pace, patience=patience)

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, rank it, draw from what is open."""
        pool = draw_pool(self.base, query, self.pool)
        scores = usable_scores(pool, query.score(pool.ids))
        order = scores.masked_fill(~pool.mask, torch.inf).argsort(dim=1, stable=True)
        rank = order.argsort(dim=1)
        share = float(self.share) * paced(query.epoch, self.ramp, self.pace)
        # shares such as 7 of 25 are meant exactly, and are not in floating point
        num_open = (share * pool.mask.sum(1, keepdim=True).double() - 1e-9).ceil().clamp(min=1)
        return draw(pool._replace(mask=pool.mask & (rank < num_open)), torch.zeros_like(scores), query)

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Add up the losses of an epoch; with the first of another one, judge the epoch that is over."""
        if feedback.loss is None or not self.patience:
            return
        if query.epoch != int(self.epoch):
            if int(self.num_losses):
                self._close_epoch(self.loss_sum / self.num_losses)
            self.loss_sum.zero_()
            self.num_losses.zero_()
            self.epoch.fill_(query.epoch)
        self.loss_sum.add_(feedback.loss.double().mean())
        self.num_losses.add_(1)

    def _close_epoch(self, loss: Tensor) -> None:
        if bool(loss < self.best_loss):
            self.best_loss.copy_(loss)
            self.waited.zero_()
            return
        self.waited.add_(1)
        if int(self.waited) >= self.patience:
            self.share.mul_(0.5)
            self.waited.zero_()
