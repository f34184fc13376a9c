"""A trained adversary that chooses from a pool (KBGAN's form, for any model)."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.kernels.gather_dot import gather_dot
from graphns.objectives.reinforce import reinforce
from graphns.samplers.adversarial.adversary import check_anchors, make_tables, reward_of, table_sizes
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, check_temperature, draw, draw_pool
from graphns.samplers.static.uniform import Uniform


class Adversarial(Sampler):
    r"""Draw from a pool by a softmax of the adversary's own scores; it learns to find what the model scores high.

    .. math:: p_\phi(y_i \mid \text{pool}) = \mathrm{softmax}_i\big(g_\phi(u, y_i) / \tau\big), \qquad
        \nabla J = \mathbb{E}\big[(r - \beta)\, \nabla \log p_\phi(y)\big]

    The adversary g is a table of anchor vectors and one of candidate vectors, scored by dot product, or, for anchors
    (head, relation), by DistMult. The reward r of a negative is the model's score of it. The baseline :math:`\beta` is
    the moving average of the mean reward of earlier steps, which `update` writes (KBGAN takes the mean of the previous
    epoch; a moving average needs no epochs). Parameters learn in the user's own loop::

        optimizer = torch.optim.Adam([*model.parameters(), *sampler.parameters()])
        negatives = sampler(query)                        # log_prob carries the adversary's gradient
        ...                                               # scores, the model's loss
        feedback = Feedback(positive_score, negative_score)
        (loss + sampler.loss(negatives, feedback)).backward()
        optimizer.step()
        sampler.update(query, negatives, feedback)        # after loss: the baseline is of earlier steps

    The density is "given-pool": log_prob is exact given the pool, an id with several slots in it having their summed
    probability. Drawing does not read the model; learning needs its scores in the feedback.

    Args:
        base: draws the pool; put exclusions there.
        num_anchors: rows of the anchor table.
        num_candidates: rows of the candidate table.
        num_relations: above 0, anchors are rows (head, relation) and g is DistMult.
        dim: width of the adversary's vectors.
        pool: candidates per pair (KBGAN: 20).
        temperature: divides the adversary's scores.
        decay: of the baseline's moving average, in [0, 1).
        seed: of the initial parameters, which are normal with variance 1/dim; no global generator is touched.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: a size, the temperature or the decay is out of range; anchors do not fit the tables.

    Example:
        >>> from graphns import Query, Stream
        >>> sampler = Adversarial.from_graph(Graph.empty(100))
        >>> negatives = sampler(Query(torch.tensor([0, 1]), torch.tensor([2, 3]), k=4, stream=Stream(0)))
        >>> sampler.loss(negatives, Feedback(negative_score=torch.randn(2, 4))).backward()
        >>> sampler.candidate_table.grad.shape
        torch.Size([100, 32])

    References:
        Cai, Wang: KBGAN: Adversarial Learning for Knowledge Graph Embeddings. NAACL 2018.
    """

    density: Density = "given-pool"
    baseline: Tensor
    num_observed: Tensor

    def __init__(
        self, base: Sampler, *, num_anchors: int, num_candidates: int, num_relations: int = 0, dim: int = 32,
        pool: int = 20, temperature: float = 1.0, decay: float = 0.9, seed: int = 0,
    ) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        self.base = base
        self.pool = check_pool(pool)
        self.temperature = check_temperature(temperature)
        self.decay = decay
        tables = make_tables(num_anchors, num_candidates, num_relations, dim, seed)
        self.anchor_table, self.candidate_table, self.relation_table = tables
        with torch.no_grad():
            self.relation_table.add_(1)  # so that at first a relation changes little
        self.register_buffer("baseline", torch.zeros((), dtype=torch.float64))
        self.register_buffer("num_observed", torch.zeros((), dtype=torch.int64))

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", dim: int = 32, pool: int = 20, temperature: float = 1.0,
        decay: float = 0.9, seed: int = 0, **options: Any,
    ) -> Self:
        """An adversary over uniform candidates, with a vector for every source and every candidate.

        Further options are those of `Uniform`.
        """
        anchors, candidates, relations = table_sizes(graph)
        return cls(Uniform(graph, exclude=exclude, **options), num_anchors=anchors, num_candidates=candidates,
                   num_relations=relations, dim=dim, pool=pool, temperature=temperature, decay=decay, seed=seed)

    def queries(self, anchor: Tensor) -> Tensor:
        """The vectors [B, dim] whose dot products with candidates are the scores."""
        anchor = check_anchors(anchor, len(self.anchor_table), len(self.relation_table))
        if anchor.dim() == 2:
            return self.anchor_table[anchor[:, 0]] * self.relation_table[anchor[:, 1]]
        return self.anchor_table[anchor]

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """The adversary's own scores [B, m] of candidates [B|1, m], with gradient."""
        return gather_dot(self.queries(anchor), self.candidate_table, ids)

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, score it, draw from it."""
        with torch.no_grad():
            pool = draw_pool(self.base, query, self.pool)
        return draw(pool, self.score(query.anchor, pool.ids) / self.temperature, query)

    def loss(self, negatives: Negatives, feedback: Feedback, query: Query | None = None) -> Tensor:
        """The adversary's loss, a scalar to add to the model's: REINFORCE with the model's scores as the reward.

        The query is not used; it is taken because other adversaries need it.

        Raises:
            ValueError: the feedback has no `negative_score`, or the negatives were drawn without gradient.
        """
        reward = reward_of(feedback)
        assert negatives.log_prob is not None  # this sampler gives it
        return reinforce(negatives.log_prob, reward, negatives.mask, baseline=self.baseline)

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Move the baseline towards the mean reward of the step; a step without scores teaches nothing."""
        if feedback.negative_score is None or not bool(negatives.mask.any()):
            return
        reward = feedback.negative_score[negatives.mask].double().mean()
        weight = 1 - self.decay if int(self.num_observed) else 1.0
        self.baseline.lerp_(reward, weight)
        self.num_observed.add_(1)
