"""IRGAN: a generator over all candidates that learns to be taken for the positives."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.objectives.reinforce import reinforce
from graphns.samplers.adversarial.adversary import Adversary
from graphns.samplers.adversarial.full_softmax import answer_by_blocks, by_blocks, draw_from, masked_log_softmax
from graphns.samplers.compose.all import All
from graphns.samplers.exclusion import Exclude
from graphns.samplers.known_pairs import row_entries
from graphns.samplers.pool import check_pool, check_temperature, draw, draw_pool
from graphns.samplers.static.uniform import Uniform


class IRGAN(Sampler):
    r"""Draw by a softmax of the generator's scores, over all candidates or a pool; it learns what passes for relevant.

    .. math:: p_\phi(j \mid u) = \mathrm{softmax}_j\big(g_\phi(u, j) / \tau\big), \qquad
        q(j \mid u) = p_\phi(j \mid u) \Big/ \Big(1 - \sum_{i \in \mathcal{E}(u)} p_\phi(i \mid u)\Big), \quad
        j \notin \mathcal{E}(u)

    Negatives are drawn from q. The generator learns from draws of its own that may be positives, from a mixture with
    the user's positives :math:`\mathcal{P}(u)` (its row of the graph, and the query's positive), corrected for it:

    .. math:: P(j) = (1 - \lambda)\, p_\phi(j) + \lambda\, [j \in \mathcal{P}(u)] / |\mathcal{P}(u)|, \qquad
        \nabla J = \mathbb{E}_{j \sim P}\Big[\tfrac{p_\phi(j)}{P(j)}\, 2\big(\sigma(s(u, j)) - \tfrac12\big)\,
        \nabla \log p_\phi(j)\Big]

    with s the score of `query.model`, the discriminator. ``sampler.loss(negatives, feedback, query)`` makes these draws
    and asks the model for their scores; the negatives and the feedback are not used. There is no baseline.

    Over all candidates the density is "marginal": a draw costs N scores, and log_prob carries no gradient, so that an
    objective may correct with it. With `pool`, candidates come from the base, p is a softmax over the pool (and, for
    learning, the query's positive), and the density is "given-pool".

    Args:
        graph: known positives; its destinations are the candidates.
        adversary: the generator g, whose tables hold all anchors and candidates.
        pool: candidates per pair, drawn uniformly. None: all.
        temperature: divides the generator's scores.
        share: lambda, of the positives in the draws that the generator learns from, in [0, 1).
        draws: how many of them per pair.
        exclude: ``"neighbors"`` or ``"self"``.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: an option is out of range; learning without a model.

    Example:
        >>> from graphns.streams import Stream
        >>> sampler = IRGAN.from_graph(Graph.from_edge_index(torch.tensor([[0, 0], [0, 1]]), (1, 4)), dim=8)
        >>> query = Query(torch.tensor([0]), torch.tensor([0]), k=5, stream=Stream(0))
        >>> sorted(set(sampler(query).ids[0].tolist()) | {2, 3})
        [2, 3]
        >>> round(float(sampler.log_prob(query, torch.arange(4)[None]).exp().sum()), 4)
        1.0

    References:
        Wang, Yu, Zhang, Gong, Xu, Wang, Zhang, Zhang: IRGAN: A Minimax Game for Unifying Generative and Discriminative
        Information Retrieval Models. SIGIR 2017.
    """

    def __init__(
        self, graph: Graph, adversary: Adversary, *, pool: int | None = None, temperature: float = 0.2,
        share: float = 0.2, draws: int = 2, exclude: Exclude = "neighbors",
    ) -> None:
        super().__init__()
        if not 0 <= share < 1:
            raise ValueError(f"share must be in [0, 1), got {share}")
        if draws < 1:
            raise ValueError(f"draws must be at least 1, got {draws}")
        self.adversary = adversary
        self.every = All(graph, exclude=exclude)
        self.base = None if pool is None else Uniform(graph, exclude=exclude)
        self.pool = None if pool is None else check_pool(pool)
        self.temperature = check_temperature(temperature)
        self.share = share
        self.draws = draws
        self.density: Density = "marginal" if pool is None else "given-pool"

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", dim: int = 32, pool: int | None = None, seed: int = 0,
        **options: Any,
    ) -> Self:
        """With tables for every anchor and candidate of the graph."""
        return cls(graph, Adversary.for_graph(graph, dim=dim, seed=seed), pool=pool, exclude=exclude, **options)

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        if self.base is None or self.pool is None:
            return answer_by_blocks(query, self.every.graph.num_dst, self._log_q)
        with torch.no_grad():
            pool = draw_pool(self.base, query, self.pool)
        return draw(pool, self.adversary.score(query.anchor, pool.ids) / self.temperature, query)

    @torch.no_grad()
    def _log_q(self, query: Query) -> Tensor:
        candidates = self.every.sample(query)
        # a row of ids each, so that rounding does not depend on the size of the block
        ids = candidates.ids.expand(candidates.mask.shape)
        return masked_log_softmax(self.adversary.score(query.anchor, ids) / self.temperature, candidates.mask)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """The generator's log-softmax over the candidates that are not excluded."""
        if self.density != "marginal":
            return super().log_prob(query, ids)
        size = self.every.graph.num_dst
        inside = (ids >= 0) & (ids < size)
        wanted = ids.clamp(0, size - 1).expand(query.batch_size, -1)
        found = by_blocks(query, size, lambda part, at: self._log_q(part).gather(1, wanted[at]).float())
        return torch.where(inside, found, -torch.inf)

    def _relevant(self, query: Query) -> tuple[Tensor, Tensor, Tensor]:
        """What the generator may learn from: ids [B, m], which of them are candidates at all, and which positives."""
        graph = self.every.graph
        if self.base is not None and self.pool is not None:
            pool = draw_pool(self.base, query, self.pool)
            last = torch.ones_like(pool.mask[:, :1])
            ids = torch.cat([pool.ids.expand(pool.mask.shape), query.positive[:, None]], 1)
            return ids, torch.cat([pool.mask, last], 1), torch.cat([torch.zeros_like(pool.mask), last], 1)
        ids = torch.arange(graph.num_dst, device=query.device).expand(query.batch_size, -1)
        positive = torch.zeros_like(ids, dtype=torch.bool)
        pair, known = row_entries(graph.indptr, graph.indices, graph.rows(query.anchor))
        positive[pair, known] = True
        positive = positive | (ids == query.positive[:, None])
        own = torch.zeros_like(positive) if graph.bipartite else ids == query.anchor[:, None]
        return ids, ~own, positive & ~own

    def loss(self, negatives: Negatives | None, feedback: Feedback | None, query: Query) -> Tensor:
        """The generator's loss, a scalar to add to the model's, from draws of its own.

        Args:
            negatives: not used.
            feedback: not used.
            query: with the model, whose scores are the reward.

        Raises:
            ValueError: the query has no model.
        """
        ids, allowed, positive = self._relevant(query)
        shared = ids if self.base is not None else ids[:1]  # all candidates: one matrix product
        log_p = masked_log_softmax(self.adversary.score(query.anchor, shared) / self.temperature, allowed)
        p = log_p.detach().exp()
        count = positive.sum(1, keepdim=True)
        share = self.share * (count > 0)
        mixture = (1 - share) * p + share * positive / count.clamp(min=1)
        at = draw_from(mixture.log(), query.child(2, k=self.draws))
        drawn = ids.gather(1, at)
        weight = p.gather(1, at) / mixture.gather(1, at)
        some = weight.isfinite()  # 0/0 where a pair has nothing to learn from
        reward = torch.where(some, weight, 0.0) * 2 * (query.score(drawn).double().sigmoid() - 0.5)
        return reinforce(torch.where(some, log_p.gather(1, at), 0.0), reward, some).float()
