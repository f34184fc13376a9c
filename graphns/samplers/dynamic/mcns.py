"""Negatives along Markov chains, one for each anchor, towards a power of the model's own distribution."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.graph.depth_first import joined_order
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.kernels.weighted import cumulative_weights, fixed_point
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice, excluded, is_candidate
from graphns.samplers.pool import usable_scores
from graphns.samplers.rows import latest, part_of
from graphns.samplers.static.uniform import Uniform
from graphns.streams import bounded, unit, unit_open


class MCNS(Sampler):
    r"""Walk a Metropolis-Hastings chain whose stationary distribution is a power of the positives' (MCNS).

    .. math:: \pi(y \mid u) \propto p_d(y \mid u)^\alpha, \quad y \notin \mathcal{E}(u), \qquad
        A(x \to y) = \min\Big(1, \frac{p_d(y \mid u)^\alpha\, q(x \mid y)}{p_d(x \mid u)^\alpha\, q(y \mid x)}\Big)

    .. math:: q(y \mid x) = (1 - \lambda)\, \frac{(d_y + 1)^p}{\sum_i (d_i + 1)^p} +
        \lambda\, \frac{[y \in D(x)]}{|D(x)|}

    :math:`p_d` is the model's: :math:`\sigma(s(u, y))`, or with ``link="exp"`` the softmax of the scores.
    :math:`D(x)`: the ``near`` candidates whose places in depth-first order are nearest to x's, on a ring, so that y is
    near x where x is near y. :math:`\mathcal{E}(u)` holds the anchor, its positive and, with ``exclude="neighbors"``,
    the anchor's row; the chain never moves there. Each row and step has random numbers of its own.

    The state is where the chain of each anchor stands. A draw goes on from there, or, for an anchor without a chain,
    from where the anchor before it in depth-first order stands (`DFS` batches anchors in that order), or else from a
    uniform candidate after ``burn_in`` steps. Slot j is the state after (j + 1) ``steps``; each step scores one
    candidate per row. `update` moves the chain to the last slot, of an anchor that stands several times in a batch,
    that of its last pair. Inside another sampler the chain goes on from what that one gave.

    The density is "none": :math:`\pi` is known up to a constant only, and a chain tends to it without being there.

    Args:
        graph: known positives, and the depth-first order.
        alpha: exponent of :math:`p_d`; 0 is uniform in the limit.
        link: ``"sigmoid"`` or ``"exp"``.
        near: size of D, rounded down to an even number, less than N.
        near_share: :math:`\lambda`, in [0, 1).
        power: p, exponent of degrees.
        burn_in: steps of a chain that begins.
        steps: steps between two negatives, at least 1.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids and mask [B, k], no log_prob.

    Raises:
        ValueError: the query has no model; an option is out of range; the graph is an `EdgeSet`; a score is NaN or
            infinite.

    Example:
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = MCNS(Graph.empty(1000), alpha=1.0, link="exp", burn_in=500)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=3, model=Larger(), stream=Stream(0))
        >>> bool((sampler(query).ids > 900).all())
        True

    References:
        Yang, Ding, Zhou, Yang, Zhou, Tang: Understanding Negative Sampling in Graph Representation Learning. KDD 2020.
    """

    needs_model = True
    chain: Tensor  # [num_src] where each anchor's chain stands; -1: it has not begun
    before: Tensor  # [num_src] the anchor before each in depth-first order; the first has itself
    order: Tensor  # [num_dst] candidates in depth-first order
    place: Tensor  # [num_dst] where in `order` each stands
    cumulative: Tensor

    def __init__(
        self, graph: Graph, *, alpha: float = 0.25, link: Literal["sigmoid", "exp"] = "sigmoid", near: int = 100,
        near_share: float = 0.5, power: float = 0.75, burn_in: int = 10, steps: int = 1,
        exclude: Exclude = "neighbors", infeasible: Infeasible = "mask",
    ) -> None:
        super().__init__()
        if isinstance(graph, EdgeSet):
            raise ValueError("an EdgeSet has no depth-first order; pass the Graph of its nodes")
        check_choice(link, ("sigmoid", "exp"), "link")
        if not 0 <= alpha < float("inf"):
            raise ValueError(f"alpha must be a finite number >= 0, got {alpha}")
        if not 0 <= near_share < 1:
            raise ValueError(f"near_share must be in [0, 1), so that every candidate is proposed, got {near_share}")
        for name, value, least in (("near", near, 0), ("burn_in", burn_in, 0), ("steps", steps, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        self.graph = graph
        self.uniform = Uniform(graph, exclude=exclude, infeasible=infeasible)
        self.exclude: Exclude = exclude
        self.alpha, self.link, self.burn_in, self.steps = alpha, link, burn_in, steps
        self.reach = min(near // 2, (graph.num_dst - 1) // 2)  # places on either side: on a ring none comes twice
        self.near_share = near_share if self.reach else 0.0
        weights = (graph.in_degree.cpu().double() + 1) ** power
        sources, order = joined_order(graph)
        tables = {"cumulative": cumulative_weights(fixed_point(weights)).to(graph.device), "order": order,
                  "place": order.argsort(), "before": torch.empty_like(sources)}
        tables["before"][sources] = torch.cat([sources[:1], sources[:-1]])
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)
        self.register_buffer("chain", torch.full_like(sources, -1))

    def proposal(self, x: Tensor, y: Tensor) -> Tensor:
        """Log q(y | x), float64, of candidates of one shape."""
        share = (self.cumulative[y + 1] - self.cumulative[y]).double() / self.cumulative[-1].double()
        apart = (self.place[x] - self.place[y]).abs()
        apart = torch.minimum(apart, self.graph.num_dst - apart)
        close = (apart > 0) & (apart <= self.reach)
        return ((1 - self.near_share) * share + self.near_share * close / max(2 * self.reach, 1)).log()

    def log_target(self, query: Query, ids: Tensor) -> Tensor:
        """Alpha log p_d of candidates [B], up to a constant, float64; exclusions are not looked at."""
        pool = Negatives(ids[:, None], None, torch.ones_like(ids[:, None], dtype=torch.bool))
        scores = usable_scores(pool, query.score(pool.ids))[:, 0].double()
        return self.alpha * (logsigmoid(scores) if self.link == "sigmoid" else scores)

    def sample(self, query: Query) -> Negatives:
        """Go on from where the chains stand."""
        rows, extra = excluded(self.graph, query, self.exclude)
        begin = self.uniform.sample(query.child(0, k=1))
        some, x, settled = begin.mask[:, 0], begin.ids[:, 0], torch.zeros_like(begin.mask[:, 0])
        for stand in (self.chain[self.before[query.anchor]], self.chain[query.anchor]):  # its own comes last, and wins
            usable = is_candidate(self.graph, rows, extra, stand[:, None])[:, 0]
            x, settled = torch.where(usable, stand, x), settled | usable
        fresh = (some & ~settled).nonzero()[:, 0]
        if self.burn_in and len(fresh):
            x = x.index_copy(0, fresh, self._walk(part_of(query, fresh).child(1), x[fresh], 1, self.burn_in)[:, 0])
        return Negatives(self._walk(query.child(2), x, query.k, self.steps), None, some[:, None].expand(-1, query.k))

    def _walk(self, query: Query, x: Tensor, count: int, steps: int) -> Tensor:
        """The states [B, count] of chains that stand at x, seen every so many steps."""
        rows, extra = excluded(self.graph, query, self.exclude)
        log_x = self.log_target(query, x)
        seen = []
        for step in range(count * steps):
            coin, where, lot = query.stream.words(query.row, 3, 3 * step).T
            y = torch.searchsorted(self.cumulative, bounded(where, self.cumulative[-1]), right=True) - 1
            if self.reach:
                shift = bounded(where, 2 * self.reach) - self.reach
                shift = shift + (shift >= 0)  # never to x itself
                close = self.order[(self.place[x] + shift) % self.graph.num_dst]
                y = torch.where(unit(coin) < self.near_share, close, y)
            log_y = self.log_target(query, y)
            ratio = log_y - log_x + self.proposal(y, x) - self.proposal(x, y)
            accept = is_candidate(self.graph, rows, extra, y[:, None])[:, 0] & (unit_open(lot).log() < ratio)
            x, log_x = torch.where(accept, y, x), torch.where(accept, log_y, log_x)
            if (step + 1) % steps == 0:
                seen.append(x)
        return torch.stack(seen, 1)

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Move each anchor's chain to its last usable slot; negatives that are pairs or vectors move none."""
        if negatives.anchor is not None or negatives.vectors is not None:
            return
        rows, mask = self.graph.rows(query.anchor), negatives.mask
        slot = (mask * torch.arange(mask.shape[1], device=mask.device)).amax(1, keepdim=True)
        ends = negatives.ids.expand(mask.shape).gather(1, slot)[:, 0]
        at = latest(torch.where(mask.any(1), rows, -1))
        self.chain[rows[at]] = ends[at]
