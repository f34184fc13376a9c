"""Two-ended negatives: both ends drawn, distinct non-edges, an exact count."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.kernels.edges import PairSpace, distinct_values, pair_space, pairs_at, ranks_of
from graphns.kernels.guide import Guide
from graphns.samplers.batch import batch_row
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice, raise_if_short


class GlobalEdges(Sampler):
    r"""Draw distinct non-edges of the whole graph, whatever the anchors.

    .. math:: q(u, j) = 1 / M, \quad M = |\{(u, j) \notin \mathcal{E}\}|

    where :math:`\mathcal{E}` holds the known edges, the pairs (u, u) of one node (same node type) and the batch's own
    (anchor, positive) pairs. The B k slots of a batch hold B k different pairs, every choice equally likely, so each
    slot alone is uniform; if M is smaller, M of them, then masked slots. `log_prob` is that of the *pair*: over all
    pairs it sums to 1, over the ids of one anchor it does not. No rejection, at any density of the graph.

    The batch shares its draws: slot (b, j) is number b k + j of a stream that the lowest row id keys, so the batches of
    one epoch, whose rows differ, draw independently.

    Args:
        graph: known edges. Its non-edges are numbered once: 12 to 16 bytes a source.
        directed: False: unordered pairs, given as u < j, that are edges in neither direction.
        exclude: ``"neighbors"``, or ``"self"``: known edges may be drawn too.
        infeasible: ``"mask"`` or ``"raise"``, if the graph has fewer than B k non-edges.

    Returns:
        On call, `anchor`, ids, log_prob and mask, all [B, k]: the drawn pairs are (anchor, ids).

    Raises:
        ValueError: unordered pairs of a bipartite graph; the graph is an `EdgeSet`.
        InfeasibleError: too few pairs, and ``infeasible="raise"``.

    Example:
        >>> from graphns.base import Query
        >>> from graphns.streams import Stream
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 0, 1, 1], [1, 2, 0, 2]]), num_nodes=3)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=3, stream=Stream(0))
        >>> sorted(GlobalEdges(graph)(query).pairs(query).T.tolist())
        [[2, 0], [2, 1]]
    """

    density: Density = "marginal"

    def __init__(
        self, graph: Graph, *, directed: bool = True, exclude: Exclude = "neighbors", infeasible: Infeasible = "mask"
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        if isinstance(graph, EdgeSet):
            raise ValueError("the rows of an EdgeSet are no nodes: a pair of it has no anchor; pass the Graph")
        self.graph = graph
        self.directed = directed
        self.exclude = exclude
        self.infeasible = infeasible
        indptr, indices = graph.indptr, graph.indices
        if exclude == "self":
            indptr, indices = torch.zeros_like(indptr), indices[:0]
        space = pair_space(
            indptr, indices, graph.num_src, graph.num_dst, self_loops=graph.bipartite, directed=directed
        )
        self._shift = space.guide.shift
        for name, table in (("indptr", space.indptr), ("indices", space.indices), ("first", space.first),
                            ("guide", space.guide.start)):
            self.register_buffer(f"pair_{name}", table, persistent=False)

    @property
    def space(self) -> PairSpace:
        """The numbered non-edges."""
        return PairSpace(
            self.get_buffer("pair_indptr"), self.get_buffer("pair_indices"), self.get_buffer("pair_first"),
            Guide(self.get_buffer("pair_guide"), self._shift), self.graph.num_dst, self.graph.bipartite, self.directed,
        )

    def _taken(self, query: Query) -> Tensor:
        """The numbers of the batch's own pairs that are no known edges, rising and distinct."""
        source, target = self.graph.rows(query.anchor), query.positive
        inside = (target >= 0) & (target < self.graph.num_dst)
        ranks = ranks_of(self.space, torch.stack([source, target])[:, inside])
        taken: Tensor = torch.unique(ranks[ranks >= 0])
        return taken

    def sample(self, query: Query) -> Negatives:
        """Draw B k distinct pairs."""
        space, taken = self.space, self._taken(query)
        available, wanted = space.num_pairs - len(taken), query.batch_size * query.k
        num = min(wanted, available)
        raise_if_short(query.row.new_full((query.batch_size,), available), wanted, query, self.infeasible)
        ranks = distinct_values(available, num, query.stream.child(int(batch_row(query))), query.device)
        # the batch's own pairs are jumped over: the keys of a complement, as in `kernels.complement`
        ranks = ranks + torch.searchsorted(taken - torch.arange(len(taken), device=query.device), ranks, right=True)
        shape = (query.batch_size, query.k)
        pairs = torch.zeros((2, wanted), dtype=torch.int64, device=query.device)
        pairs[:, :num] = pairs_at(space, ranks)
        mask = (torch.arange(wanted, device=query.device) < num).view(shape)
        log_prob = mask * -torch.tensor(max(available, 1), dtype=torch.float64).log().float().to(query.device)
        return Negatives(pairs[1].view(shape), log_prob, mask, anchor=pairs[0].view(shape))

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log M where the pair (anchor, id) may be drawn, else -inf: the log-probability of the pair."""
        ids = ids.expand(query.batch_size, ids.shape[1])
        source = self.graph.rows(query.anchor)[:, None].expand_as(ids)
        inside = (ids >= 0) & (ids < self.graph.num_dst)
        space, taken = self.space, self._taken(query)
        ranks = torch.full_like(ids, -1)
        if self.graph.num_dst:
            ranks[inside] = ranks_of(space, torch.stack([source[inside], ids[inside]]))
        allowed = (ranks >= 0) & ~torch.isin(ranks, taken)
        each = -torch.tensor(max(space.num_pairs - len(taken), 1), dtype=torch.float64).log().float()
        return torch.where(allowed, each.to(ids.device), -torch.inf)
