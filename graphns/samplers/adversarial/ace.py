"""ACE: a static sampler and a generator side by side, so that the generator cannot narrow the negatives down."""

from __future__ import annotations

import math
from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.objectives.reinforce import reinforce
from graphns.samplers.adversarial.adversary import Adversary, reward_of
from graphns.samplers.adversarial.full_softmax import by_blocks, draw_from, masked_log_softmax
from graphns.samplers.compose.all import All
from graphns.samplers.exclusion import Exclude
from graphns.samplers.static.uniform import Uniform
from graphns.streams import unit


class ACE(Sampler):
    r"""Draw each slot from a static sampler or from a trained generator (adversarial contrastive estimation).

    .. math:: q(j \mid u) = \lambda\, q_0(j \mid u) + (1 - \lambda)\, g_\phi(j \mid u), \qquad
        g_\phi(j \mid u) = \mathrm{softmax}_{j \notin \mathcal{E}(u)}\, g_\phi(u, j)

    False negatives, the known positives :math:`\mathcal{E}(u)`, have no probability in either part. Where one part has
    no candidate, the other takes its share. The generator learns by REINFORCE, from all draws with importance weights,
    with a self-critical baseline, the model's score s of what g finds likeliest, and an entropy regulariser that holds
    g as spread as c equal choices at least:

    .. math:: \nabla J = \mathbb{E}_{j \sim q}\Big[\tfrac{g_\phi(j)}{q(j)} \big(s(u, j) - s(u, j^*)\big)
        \nabla \log g_\phi(j)\Big] - \alpha \nabla \max(0, \log c - H(g_\phi)), \qquad j^* = \arg\max_j g_\phi(j)

    The weight is at most :math:`1 / (1 - \lambda)`. The density is "marginal": a draw costs N scores of the generator,
    and log_prob carries no gradient, so that an objective may correct with it; ``sampler.loss(negatives, feedback,
    query)`` computes the gradient anew.

    Args:
        graph: known positives; its destinations are the candidates.
        static: the other part, of density "marginal", with the same exclusions.
        adversary: the generator, whose tables hold all anchors and candidates.
        share: lambda in [0, 1], of the static part. This default and the next two are ours.
        choices: c, of the entropy regulariser.
        entropy: alpha >= 0, its weight; 0: none.
        exclude: ``"neighbors"`` or ``"self"``.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: an option is out of range; the static part's density is not marginal; learning without a model or
            without the scores of the draws.

    Example:
        >>> from graphns.streams import Stream
        >>> sampler = ACE.from_graph(Graph.from_edge_index(torch.tensor([[0, 0], [1, 2]]), num_nodes=6))
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=4, stream=Stream(0))
        >>> chance = sampler.log_prob(query, torch.arange(6)[None]).exp()
        >>> bool((sampler(query).ids > 2).all()), round(float(chance.sum()), 4)
        (True, 1.0)

    References:
        Bose, Ling, Cao: Adversarial Contrastive Estimation. ACL 2018.
    """

    density: Density = "marginal"

    def __init__(
        self, graph: Graph, static: Sampler, adversary: Adversary, *, share: float = 0.5, choices: float = 10.0,
        entropy: float = 0.1, exclude: Exclude = "neighbors",
    ) -> None:
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"share must be in [0, 1], got {share}")
        if not choices >= 1:
            raise ValueError(f"choices must be at least 1, got {choices}")
        if not entropy >= 0:
            raise ValueError(f"entropy must be at least 0, got {entropy}")
        if static.density != "marginal":
            raise ValueError(f"{type(static).__name__} has density {static.density!r}; the static part of ACE needs "
                             "'marginal', Uniform or Degree for example")
        if getattr(static, "thins", False) or getattr(static, "unfiltered", False):
            raise ValueError(f"the density of {type(static).__name__} is not that of a slot beside its mask; the "
                             "static part of ACE leaves excluded ids out before it draws, as Uniform and Degree do")
        self.every = All(graph, exclude=exclude)
        self.static = static
        self.adversary = adversary
        self.share = share
        self.choices = choices
        self.entropy = entropy

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", share: float = 0.5, choices: float = 10.0,
        entropy: float = 0.1, dim: int = 32, seed: int = 0, **options: Any,
    ) -> Self:
        """Beside uniform draws, with tables for every anchor and candidate; further options are those of `Uniform`."""
        return cls(graph, Uniform(graph, exclude=exclude, **options), Adversary.for_graph(graph, dim=dim, seed=seed),
                   share=share, choices=choices, entropy=entropy, exclude=exclude)

    def _log_g(self, query: Query, *, shared: bool = False) -> Tensor:
        """The generator's log-probabilities [B, N] float64, with gradient."""
        candidates = self.every.sample(query)
        # shared, one matrix product; for draws a row of ids each, whose rounding does not depend on the block
        ids = candidates.ids if shared else candidates.ids.expand(candidates.mask.shape)
        return masked_log_softmax(self.adversary.score(query.anchor, ids), candidates.mask)

    @torch.no_grad()
    def sample(self, query: Query) -> Negatives:
        """Draw from both parts, and choose one for every slot."""
        static: Negatives = self.static(query.child(1))
        static_ids = static.ids.expand(static.mask.shape)
        coin = unit(query.child(0).stream.words(query.row, query.k))

        def ask(part: Query, at: Tensor) -> Tensor:
            log_g = self._log_g(part)
            able = log_g.isfinite().any(1, keepdim=True)
            ours = (coin[at] >= self.share) & able | ~static.mask[at]
            ids = torch.where(ours, draw_from(log_g, part), static_ids[at])
            return torch.cat([ids, log_g.gather(1, ids), able], 1)  # float64 holds ids exactly

        found = by_blocks(query.child(2), self.every.graph.num_dst, ask)
        ids, log_g, able = torch.split(found, [query.k, query.k, 1], 1)
        mask = (able > 0) | static.mask
        log_prob = self._mixed(query, ids.long(), log_g, able > 0)
        return Negatives(ids.long(), torch.where(mask, log_prob, 0.0), mask)

    @torch.no_grad()
    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Log of the two parts' weighted sum."""
        size = self.every.graph.num_dst
        wanted = ids.clamp(0, size - 1).expand(query.batch_size, -1)

        def ask(part: Query, at: Tensor) -> Tensor:
            log_g = self._log_g(part)
            return torch.cat([log_g.gather(1, wanted[at]), log_g.isfinite().any(1, keepdim=True)], 1)

        found = by_blocks(query, size, ask)
        mixed = self._mixed(query, wanted, found[:, :-1], found[:, -1:] > 0)
        return torch.where((ids >= 0) & (ids < size), mixed, -torch.inf)

    def _mixed(self, query: Query, ids: Tensor, log_g: Tensor, able: Tensor) -> Tensor:
        """Log q [B, m] of ids, given the generator's part of it and whether it has candidates [B, 1]."""
        static_able = self.static(query.child(1, k=1)).mask.any(1, keepdim=True)
        share = torch.where(static_able, torch.where(able, self.share, 1.0), 0.0).double()
        log_static = self.static.log_prob(query, ids).double()
        return torch.logaddexp(share.log() + log_static, (1 - share).log() + log_g).float()

    def loss(self, negatives: Negatives, feedback: Feedback, query: Query) -> Tensor:
        """The generator's loss, a scalar to add to the model's.

        Args:
            negatives: what this sampler drew.
            feedback: the model's scores of them.
            query: what was asked, with the model, which scores the generator's likeliest candidates too.

        Raises:
            ValueError: the feedback has no `negative_score`, or the query no model.
        """
        reward = reward_of(feedback).double()
        assert negatives.log_prob is not None  # this sampler gives it
        log_g = self._log_g(query, shared=True)
        drawn = log_g.gather(1, negatives.ids)
        # what the generator cannot draw, because the static part excludes less, teaches it nothing
        mask = negatives.mask & drawn.isfinite()
        drawn = torch.where(mask, drawn, 0.0)
        weight = (drawn.detach() - negatives.log_prob).exp()
        critic = query.score(log_g.detach().argmax(1, keepdim=True)).double()
        loss = reinforce(drawn, weight * (reward - critic), mask)
        finite = log_g.isfinite()
        spread = -(torch.where(finite, log_g, 0.0) * torch.where(finite, log_g, -torch.inf).exp()).sum(1)
        lack = (math.log(self.choices) - spread).clamp(min=0)[finite.any(1)]
        return (loss + self.entropy * lack.sum() / max(len(lack), 1)).float()
