"""Negatives by distance in the graph: only, or never, those some hops away."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.graph.hops import hop_rings, ring_graph
from graphns.graph.known import EdgeSet
from graphns.kernels.complement import complement_uniform
from graphns.kernels.csr import build_csr
from graphns.kernels.membership import count_torch, in_rows
from graphns.samplers.alike import alike, log_alike
from graphns.samplers.candidate_sets import CandidateSets, first_column
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice, excluded, is_candidate, num_candidates
from graphns.samplers.known_pairs import row_entries
from graphns.streams import bounded, words_at


class HopRing(Sampler):
    r"""Draw uniformly from the nodes at distance low to high (SANS), or from all nodes but those.

    .. math:: q(j \mid u) = 1 / |\mathcal{C}(u)|, \quad
              \mathcal{C}(u) = \{j : low \le dist(u, j) \le high\} \setminus \mathcal{E}(u)

    or, with ``mode="exclude"``, the nodes outside that range, unreachable ones among them. :math:`\mathcal{E}(u)` holds
    the anchor, its positive and, with ``exclude="neighbors"``, the anchor's row. Distances follow the edges' direction;
    in a bipartite graph they take edges both ways, and are odd.
    Exact: the ring of an anchor is found by a search from it, then one word gives one negative. An anchor whose ring
    holds no candidate gets masked slots.

    In a knowledge graph distances do not look at relations, and what is known does:
    ``HopRing(facts.entity_graph(), 1, k, known=facts.known())`` takes anchors (entity, relation), draws from the k-hop
    neighbourhood of the entity and leaves out the answers known to both, as SANS does.

    Args:
        graph: the distances; and known positives, if `known` does not hold them.
        low: the smallest distance of the ring, at least 1.
        high: the largest.
        known: known positives, if they are not the graph's edges: an `EdgeSet` of anchors whose first column is the
            node to search from. Such a node is left out by its distance, or where it is the positive, alone.
        mode: ``"only"`` or ``"exclude"``.
        precompute: find the rings of all nodes once, at 4 bytes a ring member; False: those of each batch's anchors.
            With `known`, for ``mode="only"`` alone, and with draws of its own; a search for each batch is slow where a
            ring is much of the graph.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: the distances are no range; the graph is an `EdgeSet`; `known` does not fit it, or comes with
            ``mode="exclude"`` and ``precompute=True``.
        InfeasibleError: a row has no candidate, and ``infeasible="raise"``.

    Example:
        >>> from graphns.base import Query
        >>> from graphns.streams import Stream
        >>> path = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
        >>> graph = Graph.from_edge_index(path, num_nodes=5)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=2, stream=Stream(0))
        >>> HopRing(graph, 2, 2)(query).ids, HopRing(graph, 2, 3, mode="exclude")(query).ids
        (tensor([[2, 2]]), tensor([[4, 4]]))

    References:
        Ahrabian, Feizi, Salehi, Hamilton, Bose: Structure Aware Negative Sampling in Knowledge Graphs. EMNLP 2020.
    """

    density: Density = "marginal"
    ring_indptr: Tensor
    ring_ids: Tensor

    def __init__(
        self, graph: Graph, low: int = 2, high: int = 3, *, known: EdgeSet | None = None,
        mode: Literal["only", "exclude"] = "only", precompute: bool = False, exclude: Exclude = "neighbors",
        infeasible: Infeasible = "mask",
    ) -> None:
        super().__init__()
        check_choice(mode, ("only", "exclude"), "mode")
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        if not 1 <= low <= high:
            raise ValueError(f"need 1 <= low <= high, got low={low} and high={high}")
        if isinstance(graph, EdgeSet):
            raise ValueError("an EdgeSet has no distances; pass the Graph of its nodes, and the EdgeSet as known")
        if known is not None and known.num_dst != graph.num_dst:
            raise ValueError(f"the graph's rings hold ids below {graph.num_dst}, the known positives ids below "
                             f"{known.num_dst}; give both the same number of candidates")
        if known is not None and precompute and mode == "exclude":
            raise ValueError("precompute holds rings, and with known what is outside them is asked for: leave it out, "
                             "and they are found for each batch")
        self.graph = graph
        self.known = known
        self.low = low
        self.high = high
        self.mode = mode
        self.exclude = exclude
        self.infeasible = infeasible
        self.sets: CandidateSets | None = None
        if known is not None and precompute:
            heads = first_column(known.anchors, graph.num_src)
            self.sets = CandidateSets.over(ring_graph(graph, low, high), known, heads)
        nodes = torch.arange(graph.num_src if precompute and known is None else 0, device=graph.device)
        indptr, ids = self._rings(nodes, nodes)
        self.register_buffer("ring_indptr", indptr, persistent=False)
        self.register_buffer("ring_ids", ids, persistent=False)

    def _rings(self, nodes: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Sorted rows, one for each of `nodes`: the candidates but for the positive; or, to exclude, all else.

        `rows` are those of `known` (-1: none) that go with the nodes.
        """
        graph, known = self.graph, self.graph if self.known is None else self.known
        indptr, ids = hop_rings(graph, nodes, self.low, self.high)
        line = torch.repeat_interleave(torch.arange(len(nodes), device=ids.device), indptr.diff())
        ids = ids.long()
        if self.mode == "only":
            keep = torch.ones_like(ids, dtype=torch.bool) if graph.bipartite else ids != nodes[line]
            if self.exclude == "neighbors":
                keep &= ~in_rows(known.indptr, known.indices, rows[line], ids[:, None])[:, 0]
            line, ids = line[keep], ids[keep]
        elif self.exclude == "neighbors":
            place, answers = row_entries(known.indptr, known.indices, rows)
            line, ids = torch.cat([line, place]), torch.cat([ids, answers])
        return build_csr(line, ids, len(nodes), graph.num_dst)[:2]

    def _local(self, query: Query) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The rows of the batch's anchors: indptr, ids, row of each query, and further exclusions [B, 2]."""
        rows, extra = excluded(self.graph if self.known is None else self.known, query, "neighbors")
        if len(self.ring_indptr) > 1:
            return self.ring_indptr, self.ring_ids, rows, extra
        nodes = rows if self.known is None else first_column(query.anchor, self.graph.num_src)
        asked, line = torch.unique(torch.stack([nodes, rows]), dim=1, return_inverse=True)
        indptr, ids = self._rings(*asked.contiguous())
        return indptr, ids, line, extra

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        if self.sets is not None:
            nodes = first_column(query.anchor, self.graph.num_src)
            return self.sets.negatives(nodes, query, self.exclude, self.infeasible)
        indptr, ring, rows, extra = self._local(query)
        row_keys = query.stream.row_keys(query.row)
        if self.mode == "exclude":
            ids, counts = complement_uniform(indptr, ring, rows, extra, self.graph.num_dst, row_keys, query.k)
        else:
            positive = extra[:, 1:]
            held = in_rows(indptr, ring, rows, positive)[:, 0]
            counts = indptr[rows + 1] - indptr[rows] - held.long()
            place = bounded(words_at(row_keys, query.k), counts[:, None])
            # exchange: the ring's last node is out of reach, and takes the positive's place
            own = held[:, None] & (place == count_torch(indptr, ring, rows, positive))
            place = indptr[rows][:, None] + torch.where(own, counts[:, None], place)
            some = (counts > 0)[:, None]
            ids = torch.where(some, ring[place.clamp(max=max(len(ring) - 1, 0))].long(), 0) if len(ring) else place * 0
        return alike(ids, counts, query, self.infeasible)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the number of candidates; -inf at all other ids."""
        if self.sets is not None:
            return self.sets.log_prob(first_column(query.anchor, self.graph.num_src), query, self.exclude, ids)
        indptr, ring, rows, extra = self._local(query)
        if self.mode == "exclude":
            local = Graph(indptr, ring, self.graph.num_dst)
            allowed, counts = is_candidate(local, rows, extra, ids), num_candidates(local, rows, extra)
        else:
            allowed = in_rows(indptr, ring, rows, ids) & (ids != extra[:, 1:])
            counts = indptr[rows + 1] - indptr[rows] - in_rows(indptr, ring, rows, extra[:, 1:])[:, 0].long()
        return torch.where(allowed, log_alike(counts)[:, None], -torch.inf)
