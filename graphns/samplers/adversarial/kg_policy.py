"""KGPolicy: a trained policy walks from the positive over a knowledge graph to a negative that is like it."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.graph.build import joined
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.kernels.gather_dot import gather_dot
from graphns.kernels.neighbors import neighbor_positions
from graphns.objectives.reinforce import reinforce
from graphns.samplers.adversarial.adversary import Adversary, reward_of
from graphns.samplers.adversarial.full_softmax import choose, masked_log_softmax
from graphns.samplers.exclusion import Exclude, check_choice, excluded, is_candidate
from graphns.streams import unit


class KGPolicy(Sampler):
    r"""Walk from the positive by a policy over sampled neighbours; where the walk ends is the negative.

    .. math:: \pi(e' \mid e, u) = \mathrm{softmax}_{e' \in S(e)} \big((a_u + h_e) \cdot h_{e'}\big), \qquad
        e_0 = y^+, \quad j = e_T

    with S(e) at most `fanout` of the neighbours of e, drawn anew at each step of each walk, without replacement; at the
    last step only candidates that are not excluded can be chosen, and a walk that finds none is masked. The policy
    learns by REINFORCE: the reward is the model's score of the negative and its likeness to the positive, and an
    action's return is discounted by the steps that were still to come,

    .. math:: \nabla J = \mathbb{E}\Big[\sum_{t < T} \gamma^{T - 1 - t}\, r\, \nabla \log \pi(e_{t+1} \mid e_t, u)\Big],
        \qquad r = s(u, j) + w\, x_{y^+} \cdot x_j

    x being the model's vectors, ``query.model.embed``. ``sampler.loss(negatives, feedback, query)`` walks the same way
    again, now with gradient: call it before the parameters move.

    The density is "none": an id's chance is a sum over all walks that lead to it, and over all samples of neighbours.

    Args:
        graph: known positives; its destinations are the candidates.
        knowledge: what is walked: a homogeneous graph whose first nodes are the candidates (items, then entities).
            None: the graph itself, a bipartite one in both directions.
        adversary: the vectors a of anchors and h of the walked graph's nodes, as candidates.
        steps: T.
        fanout: neighbours that are looked at in each step.
        discount: gamma in [0, 1].
        likeness: w >= 0; 0 needs no model to learn.
        exclude: ``"neighbors"`` or ``"self"``.

    Returns:
        On call, ids and mask [B, k], no log_prob.

    Raises:
        ValueError: an option is out of range; an `EdgeSet` without `knowledge`; a positive is no candidate; learning
            without scores, or with w > 0 without a model.

    Example:
        >>> from graphns.streams import Stream
        >>> likes = Graph.from_edge_index(torch.tensor([[0, 0, 1, 1], [0, 1, 1, 2]]), (2, 3))
        >>> sampler = KGPolicy.from_graph(likes)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=4, stream=Stream(0))
        >>> negatives = sampler(query)  # item 1, a user, an item that user 0 does not know
        >>> negatives.ids[negatives.mask].unique()
        tensor([2])

    References:
        Wang, Xu, He, Cao, Wang, Chua: Reinforced Negative Sampling over Knowledge Graph for Recommendation. WWW 2020.
    """

    def __init__(
        self, graph: Graph, adversary: Adversary, knowledge: Graph | None = None, *, steps: int = 2, fanout: int = 32,
        discount: float = 0.99, likeness: float = 1.0, exclude: Exclude = "neighbors",
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        for name, value in (("steps", steps), ("fanout", fanout)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not 0 <= discount <= 1:
            raise ValueError(f"discount must be in [0, 1], got {discount}")
        if not likeness >= 0:
            raise ValueError(f"likeness must be at least 0, got {likeness}")
        self.graph = graph
        self.exclude = exclude
        self.walked = _walked(graph, knowledge)
        self.first = graph.num_src if knowledge is None and graph.bipartite else 0  # the node of candidate 0
        self.adversary = adversary
        self.steps, self.fanout = steps, fanout
        self.discount, self.likeness = discount, likeness

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", knowledge: Graph | None = None, dim: int = 32,
        seed: int = 0, **options: Any,
    ) -> Self:
        """With a vector for every anchor of the graph and every node that is walked."""
        adversary = Adversary.for_graph(graph, _walked(graph, knowledge).num_src, dim=dim, seed=seed)
        return cls(graph, adversary, knowledge, exclude=exclude, **options)

    def _walk(self, query: Query) -> tuple[Tensor, Tensor, Tensor]:
        """Where the walks end [B, k], which of them may be used, and log pi [T, B, k] of their steps with gradient."""
        graph, shape = self.graph, (query.batch_size, query.k)
        positive = query.positive
        if positive.numel() and not 0 <= int(positive.min()) <= int(positive.max()) < graph.num_dst:
            raise ValueError(f"positives from {int(positive.min())} to {int(positive.max())} are not all candidates "
                             f"[0, {graph.num_dst})")
        rows, extra = excluded(graph, query, self.exclude)
        asking = self.adversary.queries(query.anchor).repeat_interleave(query.k, 0)
        at = (positive + self.first).repeat_interleave(query.k)
        alive = torch.ones_like(at, dtype=torch.bool)
        taken = []
        for step in range(self.steps):
            keys = query.stream.child(step, 0).words(query.row, query.k).flatten()
            place = neighbor_positions(self.walked.indptr, at, keys, self.fanout)
            open_ = place >= 0
            near = torch.zeros_like(place)
            near[open_] = self.walked.indices[place[open_]].long()
            if step == self.steps - 1:
                ids = (near - self.first).view(query.batch_size, query.k * self.fanout)
                open_ = open_ & is_candidate(graph, rows, extra, ids).view(open_.shape)
            logits = gather_dot(asking + self.adversary.candidate_table[at], self.adversary.candidate_table, near)
            log_pi = masked_log_softmax(logits, open_)
            lots = unit(query.stream.child(step, 1).words(query.row, query.k)).view(-1, 1)
            chosen = choose(log_pi, lots)
            alive = alive & open_.any(1)
            at = torch.where(alive, near.gather(1, chosen)[:, 0], at)
            taken.append(torch.where(alive, log_pi.gather(1, chosen)[:, 0], 0.0).view(shape))
        ids = torch.where(alive, at - self.first, 0)
        return ids.view(shape), alive.view(shape), torch.stack(taken)

    @torch.no_grad()
    def sample(self, query: Query) -> Negatives:
        """Walk k times from each positive."""
        ids, mask, _ = self._walk(query)
        return Negatives(ids, None, mask)

    def loss(self, negatives: Negatives, feedback: Feedback, query: Query) -> Tensor:
        """The policy's loss, a scalar to add to the model's.

        Args:
            negatives: what this sampler drew, its parameters as they still are.
            feedback: the model's scores of them.
            query: what was asked; with the model, unless likeness is 0.

        Raises:
            ValueError: the feedback has no `negative_score`; the query has no model; the walks end elsewhere now.
        """
        reward = reward_of(feedback).double()
        if self.likeness > 0:
            model = query.require_model()
            with torch.no_grad():
                alike = (model.embed(query.positive)[:, None] * model.embed(negatives.ids)).sum(-1)
            reward = reward + self.likeness * alike
        ids, mask, log_pi = self._walk(query)
        if not (torch.equal(ids, negatives.ids) and torch.equal(mask, negatives.mask)):
            raise ValueError("these negatives are of another query, or the policy has moved since they were drawn: "
                             "call loss before optimizer.step()")
        left = [self.discount ** (self.steps - 1 - step) for step in range(self.steps)]
        losses = [reinforce(each, weight * reward, mask) for each, weight in zip(log_pi, left, strict=True)]
        return torch.stack(losses).sum().float()


def _walked(graph: Graph, knowledge: Graph | None) -> Graph:
    """The graph of the walks, or a `ValueError`."""
    if knowledge is None:
        if isinstance(graph, EdgeSet):
            raise ValueError("an EdgeSet cannot be walked; pass knowledge=, the Graph of its entities")
        return joined(graph)
    if knowledge.bipartite or knowledge.num_src < graph.num_dst:
        raise ValueError(f"knowledge must be a homogeneous graph whose first {graph.num_dst} nodes are the candidates, "
                         f"got {knowledge}")
    return knowledge
