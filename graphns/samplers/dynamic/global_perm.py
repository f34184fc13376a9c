"""PLNLP's global_perm: one global draw of non-edges, permuted across the batch."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude, Infeasible
from graphns.samplers.static.global_edges import GlobalEdges


class GlobalPerm(Sampler):
    r"""Draw one non-edge per pair of the batch, and give them to every slot in another order.

    .. math:: (u, j)_{b,c} = e_{\pi_c(b)}, \qquad e_1 \dots e_B \sim \text{distinct non-edges},\quad
        \pi_1 = \mathrm{id},\ \pi_2 \dots \pi_k \text{ random permutations}

    Only B distinct pairs are drawn and need scores, for B k comparisons with the positives: each positive meets k of
    the B, and may meet one twice. With k = 1 it is `GlobalEdges`, whose density each slot has: a draw's `log_prob` is
    that of the *pair*, 1 over the number of non-edges. The batch shares its draws; the permutations follow the row ids.

    It reads no model. It stands among the dynamic samplers because the method is listed there, with the loss that it is
    made for, `graphns.objectives.hinge_auc`.

    Args:
        graph: known edges.
        directed: False: unordered pairs, given as u < j, that are edges in neither direction.
        exclude: ``"neighbors"``, or ``"self"``: known edges may be drawn too.
        infeasible: ``"mask"`` or ``"raise"``, if the graph has fewer than B non-edges.

    Returns:
        On call, `anchor`, ids, log_prob and mask, all [B, k]: the drawn pairs are (anchor, ids). With fewer than B
        non-edges, the masked slots are permuted too.

    Raises:
        ValueError: unordered pairs of a bipartite graph; the graph is an `EdgeSet`.
        InfeasibleError: too few pairs, and ``infeasible="raise"``.

    Example:
        >>> from graphns import Stream
        >>> query = Query(torch.arange(4), torch.tensor([1, 2, 3, 0]), k=3, stream=Stream(0))
        >>> negatives = GlobalPerm(Graph.empty(100))(query)
        >>> pairs = negatives.anchor * 100 + negatives.ids
        >>> [len(set(pairs[:, slot].tolist())) for slot in range(3)], len(pairs.unique())
        ([4, 4, 4], 4)

    References:
        Wang, Zhou, Hong, Zou, Su, Chen: Pairwise Learning for Neural Link Prediction. 2021 (PLNLP).
    """

    density: Density = "marginal"

    def __init__(
        self, graph: Graph, *, directed: bool = True, exclude: Exclude = "neighbors", infeasible: Infeasible = "mask"
    ) -> None:
        super().__init__()
        self.edges = GlobalEdges(graph, directed=directed, exclude=exclude, infeasible=infeasible)

    def sample(self, query: Query) -> Negatives:
        """Draw B pairs, and permute them for each slot but the first."""
        self.edges.graph.rows(query.anchor)  # refuses anchors that are no nodes
        drawn = self.edges.sample(query.child(0, k=1))
        assert drawn.anchor is not None and drawn.log_prob is not None
        # the order of random lots is a random permutation
        order = query.stream.child(1).words(query.row, query.k).argsort(dim=0, stable=True)
        order[:, 0] = torch.arange(query.batch_size, device=order.device)
        return Negatives(drawn.ids[order, 0], drawn.log_prob[order, 0], drawn.mask[order, 0], drawn.anchor[order, 0])

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the number of non-edges where the pair (anchor, id) may be drawn, else -inf: that of the pair."""
        return self.edges.log_prob(query, ids)
