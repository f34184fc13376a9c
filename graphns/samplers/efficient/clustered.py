"""Negatives from the anchor's cluster, or from the clusters that the batch has loaded."""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.kernels.csr import build_csr
from graphns.kernels.sized import complement_sized
from graphns.samplers.alike import alike, log_alike
from graphns.samplers.cluster_tables import Labels, cluster_tables, labels_of
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice, excluded, is_candidate


class Clustered(Sampler):
    r"""Draw uniformly from part of the graph: near negatives, whose features are in memory already.

    .. math:: q(j \mid u) = 1 / |\mathcal{C}(u) \setminus \mathcal{E}(u)|

    with :math:`\mathcal{C}(u)` the anchor's cluster, or all clusters that the batch's anchors belong to, and
    :math:`\mathcal{E}(u)` the anchor, its positive and, with ``exclude="neighbors"``, the anchor's row. Exact, with no
    rejection: candidates are renumbered so that a cluster is a range. An anchor alone in its cluster, or with no other
    than neighbours there, gets masked slots. With ``within="loaded"`` the anchors of a batch decide together.

    Args:
        graph: known positives. Memory: 4 bytes an edge and 24 a node.
        labels: [N] integers >= 0, the cluster of each node; bipartite: of sources and of candidates, a pair of tensors.
            None: found by `graphns.graph.clusters`.
        num_clusters: how many to find; by default the square root of N.
        within: ``"anchor"`` or ``"loaded"``.
        seed: of the clusters to find.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: labels do not fit the graph, or are missing for a bipartite one.
        InfeasibleError: a row has no candidate, and ``infeasible="raise"``.

    Example:
        >>> from graphns.base import Query
        >>> from graphns.streams import Stream
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 0, 1], [1, 2, 2]]), num_nodes=6)
        >>> sampler = Clustered(graph, labels=torch.tensor([0, 0, 1, 0, 1, 1]))
        >>> sampler(Query(torch.tensor([0]), torch.tensor([1]), k=3, stream=Stream(0))).ids
        tensor([[3, 3, 3]])

    References:
        Chiang, Liu, Si, Li, Bengio, Hsieh: Cluster-GCN: An Efficient Algorithm for Training Deep and Large Graph
        Convolutional Networks. KDD 2019.
    """

    density: Density = "marginal"
    label: Tensor  # [num_src] cluster of each anchor
    members: Tensor  # [num_dst] candidates, cluster by cluster
    place: Tensor  # [num_dst] where in `members` each candidate stands
    first: Tensor  # [clusters + 1] where in `members` each cluster begins
    row_start: Tensor
    row_place: Tensor  # known edges, by rows, as places

    def __init__(
        self, graph: Graph, labels: Labels = None, *, num_clusters: int | None = None,
        within: Literal["anchor", "loaded"] = "anchor", seed: int = 0, exclude: Exclude = "neighbors",
        infeasible: Infeasible = "mask",
    ) -> None:
        super().__init__()
        check_choice(within, ("anchor", "loaded"), "within")
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        if isinstance(graph, EdgeSet):
            raise ValueError("the anchors of an EdgeSet have no clusters; pass the Graph of its nodes")
        self.graph = graph
        self.within = within
        self.exclude = exclude
        self.infeasible = infeasible
        source, target, num = labels_of(graph, labels, num_clusters, seed)
        members, place, first = cluster_tables(target, num)
        row, column = graph.edge_index
        if within == "anchor":
            # only edges inside a cluster matter, counted from the cluster's begin
            inside = source[row] == target[column]
            row, column = row[inside], column[inside]
        shift = first[source[row]] if within == "anchor" else torch.zeros_like(row)
        indptr, places, _ = build_csr(row, place[column] - shift, graph.num_src, graph.num_dst)
        for name, table in (("label", source), ("members", members), ("place", place), ("first", first),
                            ("row_start", indptr), ("row_place", places)):
            self.register_buffer(name, table, persistent=False)

    @classmethod
    def from_graph(cls, graph: Graph, **options: Any) -> Self:
        """The sampler over a graph; of a bipartite one without labels, a single cluster."""
        if graph.bipartite and options.get("labels") is None:
            one = torch.zeros(max(graph.num_src, graph.num_dst), dtype=torch.int64, device=graph.device)
            options["labels"] = (one[: graph.num_src], one[: graph.num_dst])
        return cls(graph, **options)

    def _draw(self, query: Query, k: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Ids [B, k], numbers of candidates [B], and for each query the clusters [B, C] bool or [B, 1] to draw from."""
        rows, extra = excluded(self.graph, query, self.exclude)
        anchor, row_keys = query.anchor, query.stream.row_keys(query.row)
        inside = (extra >= 0) & (extra < self.graph.num_dst)
        where = self.place[extra.clamp(0, self.graph.num_dst - 1)]
        label = self.label[anchor]
        if self.within == "anchor":
            low, sizes = self.first[label], self.first[label + 1] - self.first[label]
            where = torch.where(inside, where - low[:, None], -1)
            local, counts = complement_sized(self.row_start, self.row_place, rows, where, sizes, row_keys, k)
            return self._members(local + low[:, None], counts), counts, rows, extra
        loaded = torch.unique(label)
        sizes = self.first[loaded + 1] - self.first[loaded]
        begin = sizes.cumsum(0) - sizes  # where each loaded cluster begins among the loaded candidates
        nodes, line = torch.unique(anchor, return_inverse=True)
        start, degree = self.row_start[nodes], self.row_start[nodes + 1] - self.row_start[nodes]
        row = torch.repeat_interleave(torch.arange(len(nodes), device=rows.device), degree)
        at = start[row] + torch.arange(len(row), device=rows.device) - (degree.cumsum(0) - degree)[row]
        held = self._loaded(self.row_place[at].long(), loaded, begin)
        keep = held >= 0
        indptr, ids, _ = build_csr(row[keep], held[keep], len(nodes), int(sizes.sum()))
        where = torch.where(inside, self._loaded(where, loaded, begin), -1)
        total = torch.full_like(line, int(sizes.sum()))
        local, counts = complement_sized(
            indptr, ids, torch.where(rows < 0, -1, line), where, total, row_keys, k
        )
        cluster = torch.searchsorted(begin + sizes, local, right=True).clamp(max=len(loaded) - 1)
        return self._members(local - begin[cluster] + self.first[loaded[cluster]], counts), counts, rows, extra

    def _members(self, places: Tensor, counts: Tensor) -> Tensor:
        ids = self.members[places.clamp(max=len(self.members) - 1)]
        return torch.where((counts > 0)[:, None], ids, 0)

    def _loaded(self, places: Tensor, loaded: Tensor, begin: Tensor) -> Tensor:
        """Places among all candidates as places among the loaded ones; -1 where not loaded."""
        cluster = torch.searchsorted(self.first, places, right=True) - 1
        index = torch.searchsorted(loaded, cluster).clamp(max=len(loaded) - 1)
        return torch.where(loaded[index] == cluster, places - self.first[cluster] + begin[index], -1)

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        ids, counts, _, _ = self._draw(query, query.k)
        return alike(ids, counts, query, self.infeasible)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the number of candidates; -inf at all other ids."""
        _, counts, rows, extra = self._draw(query, 0)
        inside = ids.clamp(0, self.graph.num_dst - 1)
        cluster = torch.searchsorted(self.first, self.place[inside], right=True) - 1
        label = self.label[query.anchor]
        own = cluster == label[:, None] if self.within == "anchor" else torch.isin(cluster, label)
        allowed = is_candidate(self.graph, rows, extra, ids) & own
        return torch.where(allowed, log_alike(counts)[:, None], -torch.inf)
