"""GraphGAN: a walk down the anchor's breadth-first tree that stops where it turns back."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import softplus

from graphns.base import Density, Feedback, Negatives, Query, Sampler
from graphns.graph.build import joined
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.graph.trees import breadth_first_trees
from graphns.kernels.gather_dot import gather_dot
from graphns.objectives.reinforce import reinforce
from graphns.samplers.adversarial.adversary import make_tables, reward_of
from graphns.samplers.adversarial.full_softmax import answer_by_blocks, by_blocks, part_of
from graphns.samplers.compose.all import All
from graphns.samplers.exclusion import Exclude


class GraphGAN(Sampler):
    r"""Draw by the graph softmax: down the breadth-first tree of the anchor c, by the generator's scores.

    .. math:: G(v \mid c) = \Big(\prod_{i=1}^{m} p_c(v_i \mid v_{i-1})\Big)\, p_c(v_{m-1} \mid v_m), \qquad
        p_c(w \mid v) = \frac{e^{g_w \cdot g_v}}{\sum_{x \in \mathcal{N}_c(v)} e^{g_x \cdot g_v}}

    with :math:`c = v_0, \dots, v_m = v` the path from the root, and :math:`\mathcal{N}_c(v)` the children of v in the
    tree and its parent. The walk goes from c to a neighbour in the tree at each step, and gives the node from which it
    turns back. G sums to 1 over the nodes that can be reached from c. Of these, excluded nodes are left out of the
    draw, :math:`q(v \mid c) = G(v \mid c) / \sum_{w \notin \mathcal{E}(c)} G(w \mid c)`,
    exactly: the walks are not made one by one, the whole law is computed and drawn from.

    The generator learns by REINFORCE from the draws, the reward being :math:`\log(1 + e^s)` of the model's score s,
    minus the log of what the discriminator gives to "false". The density is "marginal"; log_prob carries no gradient,
    so that an objective may correct with it, and ``sampler.loss(negatives, feedback, query)`` computes the law anew.

    Work and memory are as N + E for each distinct anchor of a batch; draws take a block of anchors at a time, learning
    holds all. A bipartite graph is walked both ways.

    Args:
        graph: known edges, walked and excluded.
        dim: width of the generator's vectors.
        seed: of their first values: normal with variance 1/dim.
        exclude: ``"neighbors"`` or ``"self"``.

    Returns:
        On call, ids, log_prob and mask, all [B, k]. An anchor that reaches no candidate is masked.

    Raises:
        ValueError: the graph is an `EdgeSet`, which cannot be walked; learning without the scores of the draws.

    Example:
        >>> from graphns.streams import Stream
        >>> path = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
        >>> sampler = GraphGAN(Graph.from_edge_index(path, num_nodes=5))
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=4, stream=Stream(0))
        >>> [round(float(q), 4) for q in sampler.log_prob(query, torch.tensor([[0, 1, 4]])).exp()[0]]
        [0.0, 0.0, 0.0]
        >>> round(float(sampler.log_prob(query, torch.tensor([[2, 3]])).exp().sum()), 4)
        1.0

    References:
        Wang, Wang, Wang, Zhao, Zhang, Zhang, Xie, Guo: GraphGAN: Graph Representation Learning with Generative
        Adversarial Nets. AAAI 2018.
    """

    density: Density = "marginal"

    def __init__(self, graph: Graph, *, dim: int = 32, seed: int = 0, exclude: Exclude = "neighbors") -> None:
        super().__init__()
        if isinstance(graph, EdgeSet):
            raise ValueError("an EdgeSet cannot be walked; pass the Graph of its nodes")
        self.every = All(graph, exclude=exclude)
        self.walked = joined(graph)
        self.first = graph.num_src if graph.bipartite else 0  # the node of candidate 0
        self.node_table = make_tables(self.walked.num_src, 1, 0, dim, seed)[0]

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """The graph's own trees; `dim` and `seed` may be told."""
        return cls(graph, exclude=exclude, **options)

    def graph_softmax(self, roots: Tensor) -> Tensor:
        """Log of G(v | root) [R, N] float64 of every node of the walked graph, with gradient; -inf where none leads."""
        trees = breadth_first_trees(self.walked, roots)
        root, node, up, first = trees
        count = len(roots)
        own = self.node_table[node[up[count:]]]
        # of an entry and its parent; the same in both directions
        edge = gather_dot(own, self.node_table, node[count:, None])[:, 0].double()
        top = torch.full((len(node),), -torch.inf, dtype=edge.dtype, device=edge.device)
        top[count:] = edge.detach()
        top.scatter_reduce_(0, up[count:], edge.detach(), "amax")
        weight = (edge - top[up[count:]]).exp()  # of the way down, then of the way back
        total = torch.zeros_like(top).index_add(0, up[count:], weight)
        total = torch.cat([total[:count], total[count:] + (edge - top[count:]).exp()])
        log_total = total.clamp(min=1e-300).log() + top.clamp(min=torch.finfo(top.dtype).min)
        down, back = edge - log_total[up[count:]], edge - log_total[count:]
        path = [torch.zeros(count, dtype=edge.dtype, device=edge.device)]
        for above, begin, end in zip(first, first[1:], first[2:], strict=False):
            path.append(path[-1][up[begin:end] - above] + down[begin - count : end - count])
        out = edge.new_full((count * self.walked.num_src,), -torch.inf)
        place = (root * self.walked.num_src + node)[count:]
        out = out.index_put((place,), torch.cat(path)[count:] + back)
        return out.view(count, self.walked.num_src)

    def _log_q(self, query: Query) -> Tensor:
        """The law [B, N] over candidates, without the excluded ones; with gradient."""
        mask = self.every.sample(query).mask
        roots, at = torch.unique(query.anchor, return_inverse=True)
        log_g = self.graph_softmax(roots)[at, self.first : self.first + mask.shape[1]]
        log_g = torch.where(mask, log_g, -torch.inf)
        some = log_g.isfinite().any(1, keepdim=True)
        return log_g - torch.where(some, log_g, 0.0).logsumexp(1, keepdim=True)

    def _ordered(self, query: Query) -> tuple[Query, Tensor, int]:
        """The pairs with those of one anchor together, so that a tree is made once; their order; the work of one."""
        order = query.anchor.argsort(stable=True)
        return part_of(query, order), order, self.walked.num_src + self.walked.num_edges

    @torch.no_grad()
    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        ordered, order, width = self._ordered(query)
        drawn = answer_by_blocks(ordered, width, self._log_q)
        back = order.argsort()
        assert drawn.log_prob is not None
        return Negatives(drawn.ids[back], drawn.log_prob[back], drawn.mask[back])

    @torch.no_grad()
    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Log of the graph softmax over the candidates that are not excluded."""
        size = self.every.graph.num_dst
        ordered, order, width = self._ordered(query)
        wanted = ids.clamp(0, size - 1).expand(query.batch_size, -1)[order]
        found = by_blocks(ordered, width, lambda part, at: self._log_q(part).gather(1, wanted[at]))[order.argsort()]
        return torch.where((ids >= 0) & (ids < size), found, -torch.inf).float()

    def loss(self, negatives: Negatives, feedback: Feedback, query: Query) -> Tensor:
        """The generator's loss, a scalar to add to the model's.

        Args:
            negatives: what this sampler drew.
            feedback: the model's scores of them.
            query: what was asked.

        Raises:
            ValueError: the feedback has no `negative_score`.
        """
        reward = softplus(reward_of(feedback).double())
        log_q = self._log_q(query).gather(1, negatives.ids)
        return reinforce(torch.where(negatives.mask, log_q, 0.0), reward, negatives.mask).float()
