"""KBGAN: a knowledge graph embedding draws from a pool the corruptions that another one is to learn from."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.objectives.reinforce import reinforce
from graphns.samplers.adversarial.adversary import Adversary, Form, reward_of
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, check_temperature, draw, draw_pool
from graphns.samplers.static.uniform import Uniform


class KBGAN(Sampler):
    r"""Draw from a pool by a softmax of DistMult's or ComplEx's scores, trained against the model's margin loss.

    .. math:: p_\phi(t_i \mid h, r, \text{pool}) = \mathrm{softmax}_i\big(g_\phi(h, r, t_i) / \tau\big), \qquad
        \nabla J = \mathbb{E}\big[(s(h, r, t) - b_{e-1})\, \nabla \log p_\phi(t)\big]

    The reward is the model's score s of the drawn corruption (minus its distance), and the baseline :math:`b_{e-1}` is
    the mean reward of the previous epoch, 0 in the first. So `query.epoch` must count: ``update`` adds up an epoch's
    rewards, and ``loss`` asks for the mean of the one before. `Adversarial` is the form with a moving average.

    Anchors are (head, relation); a corrupted head is asked for as the tail of (tail, inverse relation), and the side is
    chosen where the query is made, by bern's chance. On a graph without relations g is a dot product. Parameters learn
    in the user's own loop: add ``sampler.loss(negatives, feedback, query)`` to the model's loss, and call
    ``sampler.update(query, negatives, feedback)`` after the step.

    The density is "given-pool": log_prob is exact given the pool, an id with several slots in it having their summed
    probability, and carries gradient.

    Args:
        base: draws the pool; put exclusions there.
        adversary: g, whose tables hold all anchors and candidates.
        pool: candidates per pair.
        temperature: divides the adversary's scores.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: pool below 1, temperature not above 0, or anchors that are no rows of the tables.

    Example:
        >>> from graphns.graph.triples import Triples
        >>> from graphns.streams import Stream
        >>> facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [1, 0, 2], [2, 1, 3]]))
        >>> sampler = KBGAN.from_graph(facts.known())
        >>> anchor, positive = facts.questions(torch.tensor([False, True, False]))
        >>> negatives = sampler(Query(anchor, positive, k=1, stream=Stream(0)))
        >>> sampler.loss(negatives, Feedback(negative_score=torch.zeros(3, 1))).backward()
        >>> sampler.adversary.relation_table.grad.shape
        torch.Size([4, 50])

    References:
        Cai, Wang: KBGAN: Adversarial Learning for Knowledge Graph Embeddings. NAACL 2018.
    """

    density: Density = "given-pool"
    epoch: Tensor
    total: Tensor
    count: Tensor
    earlier: Tensor

    def __init__(self, base: Sampler, adversary: Adversary, *, pool: int = 20, temperature: float = 1.0) -> None:
        super().__init__()
        self.base = base
        self.adversary = adversary
        self.pool = check_pool(pool)
        self.temperature = check_temperature(temperature)
        for name in ("total", "earlier"):  # rewards of the epoch so far; mean reward of the last one before it
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))
        for name in ("epoch", "count"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", form: Form = "distmult", dim: int = 50, pool: int = 20,
        temperature: float = 1.0, seed: int = 0, **options: Any,
    ) -> Self:
        """Over uniform candidates, with tables for the graph's nodes, or an `EdgeSet`'s heads, relations and tails.

        Further options are those of `Uniform`.
        """
        adversary = Adversary.for_graph(graph, dim=dim, form=form, seed=seed)
        return cls(Uniform(graph, exclude=exclude, **options), adversary, pool=pool, temperature=temperature)

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, score it with the adversary, draw from it."""
        with torch.no_grad():
            pool = draw_pool(self.base, query, self.pool)
        return draw(pool, self.adversary.score(query.anchor, pool.ids) / self.temperature, query)

    def baseline(self, epoch: int | None = None) -> Tensor:
        """The mean reward of the last observed epoch before `epoch` (None: the latest one observed); 0 without any."""
        if epoch is None or epoch == int(self.epoch) or int(self.count) == 0:
            return self.earlier
        return self.total / self.count

    def loss(self, negatives: Negatives, feedback: Feedback, query: Query | None = None) -> Tensor:
        """The adversary's loss, a scalar to add to the model's: REINFORCE with the model's scores as the reward.

        Args:
            negatives: what this sampler drew, with gradient.
            feedback: the model's scores of them.
            query: what was asked; its epoch says which baseline is meant. None: the epoch of the last update.

        Raises:
            ValueError: the feedback has no `negative_score`, or the negatives were drawn without gradient.
        """
        reward = reward_of(feedback)
        assert negatives.log_prob is not None  # this sampler gives it
        baseline = self.baseline(None if query is None else query.epoch)
        return reinforce(negatives.log_prob, reward, negatives.mask, baseline=baseline)

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Add the step's rewards to its epoch's; a step without scores teaches nothing."""
        if feedback.negative_score is None or not bool(negatives.mask.any()):
            return
        if query.epoch != int(self.epoch):
            self.earlier.copy_(self.baseline(query.epoch))
            self.total.zero_()
            self.count.zero_()
            self.epoch.fill_(query.epoch)
        self.total.add_(feedback.negative_score[negatives.mask].double().sum())
        self.count.add_(negatives.mask.sum())
