"""Negatives that lie nearest in an embedding space: near misses."""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.alike import alike, log_alike
from graphns.samplers.centers import Center, center_ids, check_center, embedded
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice, excluded
from graphns.samplers.known_pairs import excluded_entries
from graphns.streams import bounded

Metric = Literal["cosine", "dot", "euclidean"]
_BLOCK = 1 << 24  # similarities made at once


class Nearest(Sampler):
    r"""Draw from the `top` candidates that are nearest to the positive, or to the anchor, all alike.

    .. math:: q(j \mid u) = 1 / |T(u)|, \quad j \in T(u), \qquad
        T(u) = \text{top}_n \{\mathrm{sim}(e_c, e_j) : j \notin \mathcal{E}(u)\}

    :math:`e` are vectors given at the start, or the model's, from ``model.embed``, as they stand; c is the positive
    (near misses of Kotnis and Nastase) or the anchor; :math:`\mathcal{E}(u)` holds the anchor, its positive and, with
    ``exclude="neighbors"``, the anchor's row. The search is exact: all similarities of the batch, in blocks, B N d
    products. Of candidates that are equally near at the edge, which come in is not promised. With ``top`` at least N it
    is `Uniform`. BootEA's truncation by eps is ``top = ceil((1 - eps) N)``.

    Args:
        graph: known positives; its destinations are the candidates.
        embeddings: [N, d], fixed vectors of the candidates; None: the model's.
        top: n, how many of the nearest may be drawn.
        center: ``"positive"``, or ``"anchor"`` where anchors are rows of the candidate table.
        metric: ``"cosine"``, ``"dot"``, or ``"euclidean"``, minus the squared distance.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids, log_prob and mask, all [B, k]; drawn with replacement.

    Raises:
        ValueError: an argument is out of range, vectors do not fit the graph, or the query has no model where the
            model's are asked for.
        InfeasibleError: a row has no candidate, and ``infeasible="raise"``.

    Example:
        >>> from graphns import Query, Stream
        >>> line = torch.arange(100.0)[:, None]
        >>> sampler = Nearest(Graph.empty(100), line, top=4, metric="euclidean")
        >>> query = Query(torch.tensor([0]), torch.tensor([50]), k=20, stream=Stream(0))
        >>> sampler(query).ids.unique().tolist()
        [48, 49, 51, 52]

    References:
        Kotnis, Nastase: Analysis of the Impact of Negative Sampling on Link Prediction in Knowledge Graphs. arXiv
        1708.06816, 2017.
        Sun, Hu, Zhang, Qu: Bootstrapping Entity Alignment with Knowledge Graph Embedding. IJCAI 2018 (BootEA).
    """

    density: Density = "marginal"
    needs_model = True  # unless embeddings are given
    embeddings: Tensor | None

    def __init__(
        self, graph: Graph, embeddings: Tensor | None = None, *, top: int = 64, center: Center = "positive",
        metric: Metric = "cosine", exclude: Exclude = "neighbors", infeasible: Infeasible = "mask",
    ) -> None:
        super().__init__()
        if top < 1:
            raise ValueError(f"top must be at least 1, got {top}")
        check_choice(metric, ("cosine", "dot", "euclidean"), "metric")
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        if check_center(center) == "anchor" and graph.bipartite:
            raise ValueError("anchors of a bipartite graph are no candidates; take center='positive'")
        if embeddings is not None:
            embeddings = _check_table(embeddings.detach().to(graph.device), graph.num_dst)
        self.graph = graph
        self.top = top
        self.center = center
        self.metric = metric
        self.exclude = exclude
        self.infeasible = infeasible
        self.needs_model = embeddings is None  # type: ignore[misc]  # the class says what the usual form needs
        self.register_buffer("embeddings", embeddings, persistent=False)

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", top: int = 64, center: Center = "positive",
        metric: Metric = "cosine", **options: Any,
    ) -> Self:
        """The nearest by the model's vectors, or by `embeddings` where they are given among the options."""
        return cls(graph, exclude=exclude, top=top, center=center, metric=metric, **options)

    def sample(self, query: Query) -> Negatives:
        """Search the nearest, draw k of them."""
        near, size = self._nearest(query)
        place = bounded(query.stream.words(query.row, query.k), size[:, None])
        return alike(near.gather(1, place), size, query, self.infeasible)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of how many may be drawn at those; -inf elsewhere."""
        near, size = self._nearest(query)
        usable = torch.arange(near.shape[1], device=near.device) < size[:, None]
        ordered = near.masked_fill(~usable, self.graph.num_dst)  # in order already, and no id reaches it
        ids = ids.expand(query.batch_size, ids.shape[1]).contiguous()
        at = torch.searchsorted(ordered, ids).clamp(max=near.shape[1] - 1)
        inside = (ordered.gather(1, at) == ids) & (ids < self.graph.num_dst)
        return torch.where(inside, log_alike(size)[:, None], -torch.inf)

    def _nearest(self, query: Query) -> tuple[Tensor, Tensor]:
        """The ids [B, n] that may be drawn, rising, and how many of each row count [B]."""
        num, top = self.graph.num_dst, min(self.top, self.graph.num_dst)
        table = self.embeddings
        if table is None:
            table = _check_table(embedded(query, torch.arange(num, device=query.device)), num)
        table = table.double()
        if self.metric == "cosine":
            table = normalize(table, dim=1)
        rows, extra = excluded(self.graph, query, self.exclude)
        middle = center_ids(query, self.center)
        near, sizes = [], []
        for at in torch.split(torch.arange(query.batch_size, device=query.device), max(1, _BLOCK // max(num, 1))):
            similarity = self._similarity(table[middle[at]], table)
            similarity[excluded_entries(self.graph, rows[at], extra[at])] = -torch.inf
            best = similarity.topk(top, 1)
            usable = best.values > -torch.inf
            # the usable ones first, by id: which is the nearer plays no part in the draw
            ids = torch.where(usable, best.indices, num).sort(1).values
            near.append(ids.clamp(max=num - 1))
            sizes.append(usable.sum(1))
        if not near:
            return middle.new_zeros((0, top)), middle.new_zeros(0)
        return torch.cat(near), torch.cat(sizes)

    def _similarity(self, centers: Tensor, table: Tensor) -> Tensor:
        similarity = centers @ table.T
        if self.metric == "euclidean":
            similarity = 2 * similarity - table.square().sum(1)  # less the center's own square, which ranks nothing
        return similarity


def _check_table(table: Tensor, num: int) -> Tensor:
    if table.dim() != 2 or table.shape[0] != num or not table.is_floating_point():
        raise ValueError(f"need one vector per candidate [{num}, d], got {tuple(table.shape)} {table.dtype}")
    if not bool(table.isfinite().all()):
        raise ValueError("embeddings hold NaN or infinity: nothing is near them")
    return table
