"""A shuffle of all nodes: each takes the place of one other (DGI's corruption)."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.alike import log_alike
from graphns.samplers.exclusion import Exclude, check_choice, excluded, is_candidate, num_candidates


class Shuffle(Sampler):
    r"""Draw by one permutation of all nodes a slot: no two anchors get the same negative in it.

    .. math:: j_{uc} = \pi_c(u), \qquad \pi_1, \dots, \pi_k \text{ independent, uniform among the cycles of all } N
        \text{ nodes}

    A cycle through all nodes leaves none where it is, so that each anchor's negative is uniform over the N - 1 others
    (DGI permutes freely, and about one node of each permutation keeps its place). A negative that is the positive or,
    with ``exclude="neighbors"``, a neighbour of the anchor is masked: a permutation cannot go round it. The density is
    that of a slot that is not masked,

    .. math:: q(j \mid u) = 1 / (N - |\mathcal{E}(u)|), \quad j \notin \mathcal{E}(u)

    with :math:`\mathcal{E}(u)` the anchor, its positive and, with ``exclude="neighbors"``, its row. The slots of a row
    are independent and may hold a node twice.

    The draw follows from the stream, the slot and the anchor; the row ids play no part, so an anchor that stands in a
    batch twice gets the same negatives twice. A call sorts N words a slot, however small the batch.

    Args:
        graph: known positives; its nodes are the candidates.
        exclude: ``"neighbors"`` or ``"self"``.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: the graph is bipartite: its anchors are no candidates.

    Example:
        >>> from graphns.base import Query
        >>> from graphns.streams import Stream
        >>> nodes = torch.arange(6)
        >>> ids = Shuffle(Graph.empty(6), exclude="self")(Query(nodes, nodes, k=1, stream=Stream(0))).ids[:, 0]
        >>> sorted(ids.tolist()), bool((ids != nodes).all())
        ([0, 1, 2, 3, 4, 5], True)

    References:
        Veličković, Fedus, Hamilton, Liò, Bengio, Hjelm: Deep Graph Infomax. ICLR 2019.
    """

    density: Density = "marginal"

    def __init__(self, graph: Graph, *, exclude: Exclude = "neighbors") -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        if graph.bipartite:
            raise ValueError("the anchors of a bipartite graph are no candidates: nothing is there to be shuffled")
        self.graph = graph
        self.exclude = exclude

    def sample(self, query: Query) -> Negatives:
        """Shuffle all nodes once a slot, and read what stands at the anchors."""
        rows, extra = excluded(self.graph, query, self.exclude)
        num, device = self.graph.num_nodes, query.device
        words = query.stream.words(torch.arange(num, device=device), query.k)
        order = words.T.argsort(dim=1, stable=True)  # by random lots: every order of the nodes alike
        # who follows whom in a random order, closed to a ring, is a random cycle
        after = torch.empty_like(order).scatter_(1, order, order.roll(-1, 1))
        ids = after[:, query.anchor].T.contiguous()
        mask = is_candidate(self.graph, rows, extra, ids)
        each = log_alike(num_candidates(self.graph, rows, extra))
        return Negatives(ids, torch.where(mask, each[:, None], 0.0), mask)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the number of candidates; -inf at excluded ids."""
        rows, extra = excluded(self.graph, query, self.exclude)
        allowed = is_candidate(self.graph, rows, extra, ids)
        each = log_alike(num_candidates(self.graph, rows, extra))
        return torch.where(allowed, each[:, None], -torch.inf)
