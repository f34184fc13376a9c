"""Every candidate: the reference that sampled objectives estimate."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.alike import log_alike
from graphns.samplers.exclusion import Exclude, check_choice, excluded, is_candidate, num_candidates
from graphns.samplers.known_pairs import row_entries


class All(Sampler):
    r"""Take every candidate once: no sampling.

    .. math:: \text{ids} = (0, 1, \dots, N - 1), \qquad q(j \mid u) = 1 / n_u

    with :math:`n_u` the candidates of u that are not excluded. All N rows are shared by the batch, whatever k the query
    asks for; the mask is False at the anchor (same node type), its positive and, with ``exclude="neighbors"``, its row
    of the graph. Nothing is random. The density is that of a slot if the candidates stood in random order; with it a
    corrected objective equals the uncorrected one, since :math:`\log(n_u q) = 0`.

    Args:
        graph: known positives; its destinations are the candidates.
        exclude: ``"neighbors"`` or ``"self"``.

    Returns:
        On call, ids [1, N], log_prob and mask [B, N].

    Example:
        >>> from graphns.base import Query
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 0], [1, 2]]), num_nodes=5)
        >>> All(graph)(Query(torch.tensor([0]), torch.tensor([1]), k=1)).mask
        tensor([[False, False, False,  True,  True]])

    References:
        Lacroix, Usunier, Obozinski: Canonical Tensor Decomposition for Knowledge Base Completion. ICML 2018.
    """

    density: Density = "marginal"

    def __init__(self, graph: Graph, *, exclude: Exclude = "neighbors") -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        self.graph = graph
        self.exclude = exclude

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """Every destination of the graph."""
        return cls(graph, exclude=exclude, **options)

    def sample(self, query: Query) -> Negatives:
        """Hand on every candidate, with a mask."""
        rows, extra = excluded(self.graph, query, self.exclude)
        # cross the few out instead of searching for each of B N
        mask = torch.ones((query.batch_size, self.graph.num_dst), dtype=torch.bool, device=query.device)
        pair, known = row_entries(self.graph.indptr, self.graph.indices, rows)
        mask[pair, known] = False
        for column in extra.T:
            pair = (column >= 0).nonzero()[:, 0]
            mask[pair, column[pair]] = False
        # log 1 = 0 where nothing is left; one number a row, seen N times
        log_prob = (-mask.sum(1, keepdim=True).clamp(min=1).double().log()).float()
        return Negatives(torch.arange(self.graph.num_dst, device=query.device)[None], log_prob.expand_as(mask), mask)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the number of candidates; -inf at excluded ids."""
        rows, extra = excluded(self.graph, query, self.exclude)
        allowed = is_candidate(self.graph, rows, extra, ids)
        each = log_alike(num_candidates(self.graph, rows, extra))
        return torch.where(allowed, each[:, None], -torch.inf)
