"""Negatives near the anchor: nodes that random walks from it visited."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.build import joined
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.graph.walks import random_walks
from graphns.kernels.csr import build_csr
from graphns.samplers.candidate_sets import CandidateSets, anchors_of, first_column
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice
from graphns.streams import Stream

_BLOCK = 1 << 22  # steps of the walks made at once


class SansWalks(Sampler):
    r"""Draw uniformly from the nodes that random walks from the anchor visited (RW-SANS).

    .. math:: q(j \mid u) = 1 / |\mathcal{C}(u)|, \quad
              \mathcal{C}(u) = \bigcup_{w=1}^{n} \{v_1^{(w)}, \dots, v_k^{(w)}\} \setminus \mathcal{E}(u)

    with :math:`v^{(w)}` the w-th of n uniform walks of k steps from u, and :math:`\mathcal{E}(u)` the anchor, its
    positive and, with ``exclude="neighbors"``, its known positives. With more and more walks the set grows to the nodes
    at distance 1 to k: `HopRing` has these exactly; walks leave out what few paths lead to, and cost the same where
    rings are the whole graph. The walks are made once, when the sampler is, from the graph and ``seed``; they follow
    the edges' direction, and in a bipartite graph go both ways. Memory: 4 bytes a node visited.

    In a knowledge graph the walks do not look at relations: ``SansWalks(facts.entity_graph(), facts.known())`` takes
    anchors (entity, relation), walks from the entity and leaves out the answers known to both.

    Args:
        graph: where to walk.
        known: known positives, if they are not the graph's edges: an `EdgeSet` of anchors whose first column is the
            node to walk from.
        length: k, steps of a walk; the paper's are 2 to 5.
        num_walks: n, walks from every node; the paper's are 1000 to 4000.
        seed: of the walks.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids, log_prob and mask, all [B, k]. An anchor whose walks found no candidate has masked slots.

    Raises:
        ValueError: length or num_walks is below 1; the graph cannot be walked; `known` does not fit it.
        InfeasibleError: a row has no candidate, and ``infeasible="raise"``.

    Example:
        >>> from graphns.base import Query
        >>> ring = torch.arange(8)
        >>> graph = Graph.from_edge_index(torch.stack([ring, (ring + 1) % 8]))
        >>> sampler = SansWalks(graph, length=3, num_walks=1)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=20, stream=Stream(0))
        >>> sampler(query).ids.unique()  # 1 is the neighbour; 2 and 3 are reached next
        tensor([2, 3])

    References:
        Ahrabian, Feizi, Salehi, Hamilton, Bose: Structure Aware Negative Sampling in Knowledge Graphs. EMNLP 2020.
    """

    density: Density = "marginal"

    def __init__(
        self, graph: Graph, known: EdgeSet | None = None, *, length: int = 3, num_walks: int = 1000, seed: int = 0,
        exclude: Exclude = "neighbors", infeasible: Infeasible = "mask",
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        if isinstance(graph, EdgeSet):
            raise ValueError("an EdgeSet cannot be walked; pass the Graph of its nodes, and the EdgeSet as known")
        for name, value in (("length", length), ("num_walks", num_walks)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        found: Graph = graph if known is None else known
        self.num_walked = graph.num_src
        self.exclude = exclude
        self.infeasible = infeasible
        visited = _visited(graph, length, num_walks, Stream(seed))
        self.sets = CandidateSets.over(visited, found, first_column(anchors_of(found), graph.num_src))

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        return self.sets.negatives(first_column(query.anchor, self.num_walked), query, self.exclude, self.infeasible)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the number of candidates; -inf where no walk came, and at excluded ids."""
        return self.sets.log_prob(first_column(query.anchor, self.num_walked), query, self.exclude, ids)


def _visited(graph: Graph, length: int, num_walks: int, stream: Stream) -> Graph:
    """Row u: the nodes that walks from u visited, u itself left out; of a bipartite graph, the candidates."""
    walked, offset = joined(graph), graph.num_src if graph.bipartite else 0
    sources, found = [], []
    nodes = torch.arange(graph.num_src, device=graph.device)
    for start in torch.split(nodes, max(1, _BLOCK // (num_walks * length))):
        row = (start[:, None] * num_walks + torch.arange(num_walks, device=start.device)).flatten()
        steps = random_walks(walked, start.repeat_interleave(num_walks), length, stream, row=row)[:, 1:]
        source = start.repeat_interleave(num_walks * length)
        keep = (steps.flatten() != source) & (steps.flatten() >= offset)
        pair = torch.unique(source[keep] * graph.num_dst + steps.flatten()[keep] - offset)
        sources.append(pair // graph.num_dst)
        found.append(pair % graph.num_dst)
    indptr, ids, _ = build_csr(torch.cat(sources), torch.cat(found), graph.num_src, graph.num_dst)
    return Graph(indptr, ids, graph.num_dst)
