"""Negatives from other clusters than the anchor's; the clusters may follow the model."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Density, Feedback, Model, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.kernels.csr import build_csr
from graphns.kernels.sized import complement_sized
from graphns.samplers.alike import alike, log_alike
from graphns.samplers.cluster_tables import Labels, cluster_tables, labels_of
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice, excluded, is_candidate
from graphns.samplers.known_pairs import row_entries

_BLOCK = 1 << 22  # distances held at once


class GDCL(Sampler):
    r"""Draw uniformly from the clusters that the anchor is not in: fewer false negatives (GDCL).

    .. math:: q(j \mid u) = 1 / |\{j : c_j \ne c_u\} \setminus \mathcal{E}(u)|, \quad
        c_j \ne c_u,\ j \notin \mathcal{E}(u)

    with :math:`c` the cluster of a node and :math:`\mathcal{E}(u)` the anchor, its positive and, with
    ``exclude="neighbors"``, the anchor's row. Exact, with no rejection: candidates are numbered cluster by cluster, on
    a ring that begins after the anchor's own. An anchor all of whose candidates share its cluster gets masked slots.

    With ``every`` above 0 the clusters follow the model: after so many steps `update` embeds all nodes and assigns each
    to the nearest cluster mean, which is DEC's hard assignment, means and nodes in turn (k-means, from the labels as
    they stand). The clusters are the state. Nothing but the draw is random.

    Args:
        graph: known positives.
        labels: [N] integers >= 0, the cluster of each node; bipartite: of sources and of candidates, a pair of tensors.
            None: found by `graphns.graph.clusters`.
        num_clusters: how many to find; by default the square root of N.
        every: steps from one assignment to the next; 0: the labels stay. Then drawing and `update` need no model.
        iterations: most passes of an assignment.
        seed: of the clusters to find.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: labels do not fit the graph, or are missing for a bipartite one; the graph is an `EdgeSet`; clusters
            of a bipartite graph are to follow a model, which embeds no sources.
        InfeasibleError: a row has no candidate, and ``infeasible="raise"``.

    Example:
        >>> from graphns.streams import Stream
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 0, 1], [1, 2, 2]]), num_nodes=6)
        >>> sampler = GDCL(graph, labels=torch.tensor([0, 0, 1, 0, 1, 0]))
        >>> sampler(Query(torch.tensor([0]), torch.tensor([1]), k=3, stream=Stream(0))).ids
        tensor([[4, 4, 4]])

    References:
        Zhao et al.: Graph Debiased Contrastive Learning with Joint Representation Clustering. IJCAI 2021.
    """

    density: Density = "marginal"
    label: Tensor  # [num_src] cluster of each anchor
    members: Tensor  # [num_dst] candidates, cluster by cluster
    place: Tensor  # [num_dst] where in `members` each candidate stands
    first: Tensor  # [clusters + 1] where in `members` each cluster begins
    num_steps: Tensor

    def __init__(
        self, graph: Graph, labels: Labels = None, *, num_clusters: int | None = None,
        every: int = 0, iterations: int = 10, seed: int = 0, exclude: Exclude = "neighbors",
        infeasible: Infeasible = "mask",
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        for name, value, least in (("every", every, 0), ("iterations", iterations, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if isinstance(graph, EdgeSet):
            raise ValueError("the anchors of an EdgeSet have no clusters; pass the Graph of its nodes")
        if graph.bipartite and every:
            raise ValueError("of a bipartite graph the model embeds the candidates only; give labels and every=0")
        source, target, num = labels_of(graph, labels, num_clusters, seed)
        self.graph = graph
        self.every, self.iterations = every, iterations
        self.exclude: Exclude = exclude
        self.infeasible: Infeasible = infeasible
        for name, table in cluster_tables(target, num)._asdict().items():
            self.register_buffer(name, table)
        self.register_buffer("label", source.clone())
        self.register_buffer("num_steps", torch.tensor(0, device=graph.device))

    def _draw(self, query: Query, k: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Ids [B, k], numbers of candidates [B], and what `excluded` gave."""
        graph, num = self.graph, self.graph.num_dst
        rows, extra = excluded(graph, query, self.exclude)
        nodes, line = torch.unique(query.anchor, return_inverse=True)
        # places are counted from the end of the own cluster, which so comes last, from `size` on
        end = self.first[self.label[nodes] + 1]
        size = num - (end - self.first[self.label[nodes]])
        node, ids = row_entries(graph.indptr, graph.indices, nodes if self.exclude == "neighbors" else nodes[:0])
        far = (self.place[ids] - end[node]) % num
        keep = far < size[node]
        indptr, indices, _ = build_csr(node[keep], far[keep], max(len(nodes), 1), num)
        inside = (extra >= 0) & (extra < num)
        where = (self.place[extra.clamp(0, num - 1)] - end[line, None]) % num
        where = torch.where(inside, where, -1)
        local, counts = complement_sized(indptr, indices, torch.where(rows < 0, -1, line), where, size[line],
                                         query.stream.row_keys(query.row), k)
        drawn = self.members[(local + end[line, None]) % num]
        return torch.where((counts > 0)[:, None], drawn, 0), counts, rows, extra

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        ids, counts, _, _ = self._draw(query, query.k)
        return alike(ids, counts, query, self.infeasible)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the number of candidates; -inf at all other ids."""
        _, counts, rows, extra = self._draw(query, 0)
        cluster = torch.searchsorted(self.first, self.place[ids.clamp(0, self.graph.num_dst - 1)], right=True) - 1
        allowed = is_candidate(self.graph, rows, extra, ids) & (cluster != self.label[query.anchor][:, None])
        return torch.where(allowed, log_alike(counts)[:, None], -torch.inf)

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Count the step, and assign the clusters anew if it is time."""
        if not self.every:
            return
        self.num_steps.add_(1)
        if int(self.num_steps) % self.every == 0:
            self.refresh(query.require_model())

    @torch.no_grad()
    def refresh(self, model: Model) -> None:
        """Assign every node to the nearest cluster mean of the model's embeddings; a cluster may come out empty."""
        vectors = model.embed(torch.arange(self.graph.num_nodes, device=self.graph.device)).double()
        if not bool(torch.isfinite(vectors).all()):
            raise ValueError("the model embeds a node as NaN or infinite: no mean is near it; look for a diverged loss")
        num, label = len(self.first) - 1, self.label
        means = torch.zeros(num, vectors.shape[1], dtype=torch.float64, device=vectors.device)
        for _ in range(self.iterations):
            count = torch.bincount(label, minlength=num)[:, None]
            total = torch.zeros_like(means).index_add_(0, label, vectors)
            means = torch.where(count > 0, total / count.clamp(min=1), means)
            # a mean that never had a node is no place to go to
            far = (means**2).sum(1).masked_fill((means == 0).all(1) & (count[:, 0] == 0), torch.inf)
            parts = torch.split(vectors, max(1, _BLOCK // num))
            found = torch.cat([(far - 2 * part @ means.T).argmin(1) for part in parts])
            if torch.equal(found, label):
                break
            label = found
        self.label.copy_(label)
        for table, new in zip((self.members, self.place, self.first), cluster_tables(label, num), strict=True):
            table.copy_(new)
