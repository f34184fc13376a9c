"""The nearest of all candidates by a stale model: lists that are searched anew every so many steps."""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from torch import Tensor

from graphns.base import Density, Feedback, Model, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.alike import log_alike
from graphns.samplers.exclusion import Exclude, check_choice, is_candidate
from graphns.samplers.known_pairs import row_entries
from graphns.samplers.lists import draw_listed, is_listed, without_positive
from graphns.samplers.pool import draw_pool
from graphns.samplers.static.uniform import Uniform
from graphns.streams import words_at

_BLOCK = 1 << 22  # scores of one part of the search


class ANCE(Sampler):
    r"""Draw uniformly from the candidates that a model of some steps ago scored highest for the anchor (ANCE).

    .. math:: q(j \mid u) = \frac{[j \in T(u)]}{|T(u)|}, \qquad
        T(u) = \text{top of}\ \{s_{\text{stale}}(u, j) : j \notin \mathcal{E}(u)\}

    :math:`\mathcal{E}(u)` holds the anchor, its positive and, with ``exclude="neighbors"``, the anchor's row. The
    search is exact, over all candidates. It is made by `update`, with the query's model as it stands, after step
    ``warm_up`` (counted from 0) and every ``every`` steps from then on, for all anchors at once; in between the lists
    are stale, and drawing costs nothing. Until the first search, and for anchors without a list, the base draws.

    The lists are the state: [anchors, top] ids, 4 bytes each. The density is "marginal", given the lists, if that of
    the base is; otherwise "none", for the base's draws have no such log_prob.

    Args:
        base: draws until there are lists; put the same exclusions there.
        graph: its sources are the anchors, its destinations the candidates.
        top: length of a list.
        every: steps from one search to the next. Each scores all anchors times all candidates.
        warm_up: steps before the first search.
        search: ``"scores"`` asks the model for the score of every pair, whatever its form. ``"torch"`` and ``"faiss"``
            ask it to ``embed`` the nodes and take inner products; right where these are the scores, and faster.
        exclude: ``"neighbors"`` or ``"self"``.

    Returns:
        On call, ids and mask [B, k]; log_prob [B, k] if marginal.

    Raises:
        ValueError: the query has no model; an option is out of range; inner products are asked for where anchors are
            no candidates; the base draws pairs or vectors; a score is NaN.
        ImportError: faiss is missing and asked for.

    Example:
        >>> from graphns import Query, Stream
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> sampler = ANCE.from_graph(Graph.empty(100), top=5)
        >>> query = Query(torch.tensor([0]), torch.tensor([99]), k=50, model=Larger(), stream=Stream(0))
        >>> sampler.update(query, sampler(query))
        >>> sampler(query).ids.unique()
        tensor([95, 96, 97, 98])

    References:
        Xiong, Xiong, Li, Tang, Liu, Bennett, Ahmed, Overwijk: Approximate Nearest Neighbor Negative Contrastive
        Learning for Dense Text Retrieval. ICLR 2021.
    """

    needs_model = True  # every step, so that what the search will miss shows at the first
    near: Tensor  # [num_src, top] best first, then -1
    num_steps: Tensor

    def __init__(
        self, base: Sampler, graph: Graph, *, top: int = 200, every: int = 1000, warm_up: int = 0,
        search: Literal["scores", "torch", "faiss"] = "scores", exclude: Exclude = "neighbors",
    ) -> None:
        super().__init__()
        check_choice(search, ("scores", "torch", "faiss"), "search")
        check_choice(exclude, ("neighbors", "self"), "exclude")
        for name, value, least in (("top", top, 1), ("every", every, 1), ("warm_up", warm_up, 0)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if search != "scores" and graph.bipartite:
            raise ValueError("of a bipartite graph the model embeds the candidates only; take search='scores'")
        self.base, self.graph = base, graph
        self.every, self.warm_up, self.search, self.exclude = every, warm_up, search, exclude
        self.density: Density = "marginal" if base.density == "marginal" else "none"
        lists = torch.full((max(graph.num_src, 1), min(top, graph.num_dst)), -1, dtype=graph.indices.dtype)
        self.register_buffer("near", lists.to(graph.device))
        self.register_buffer("num_steps", torch.tensor(0, device=graph.device))

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """Uniform until the first search; further options are those of the constructor."""
        return cls(Uniform(graph, exclude=exclude), graph, exclude=exclude, **options)

    def sample(self, query: Query) -> Negatives:
        """Draw from the lists; from the base where there is none."""
        query.require_model()
        lists, hole, size = self._lists(query)
        drawn = draw_pool(self.base, query, query.k)
        ids = draw_listed(lists, hole, size, words_at(query.child(1).stream.row_keys(query.row), drawn.mask.shape[1]))
        some = (size > 0)[:, None]
        log_prob = None
        if self.density == "marginal" and drawn.log_prob is not None:
            log_prob = torch.where(some, log_alike(size)[:, None], drawn.log_prob)
            log_prob = log_prob.expand_as(drawn.mask)
        return Negatives(torch.where(some, ids, drawn.ids), log_prob, drawn.mask | some)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """-log of the list's size in it, -inf outside; the base's for anchors without a list."""
        if self.density != "marginal":
            return super().log_prob(query, ids)
        lists, hole, size = self._lists(query)
        ids = ids.expand(query.batch_size, -1)
        each = log_alike(size)[:, None]
        listed = torch.where(is_listed(lists, hole, ids), each, -torch.inf)
        return torch.where((size > 0)[:, None], listed, self.base.log_prob(query, ids))

    def _lists(self, query: Query) -> tuple[Tensor, Tensor, Tensor]:
        rows = self.graph.rows(query.anchor)
        lists = torch.where((rows < 0)[:, None], -1, self.near[rows.clamp(min=0)].long())
        return lists, *without_positive(lists, query.positive)

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Count the step, and search if it is time."""
        step = int(self.num_steps)
        if step >= self.warm_up and (step - self.warm_up) % self.every == 0:
            self.refresh(query.require_model())
        self.num_steps.add_(1)

    @torch.no_grad()
    def refresh(self, model: Model) -> None:
        """Search the lists of all anchors anew, by the model as it stands."""
        graph, top = self.graph, self.near.shape[1]
        every = torch.arange(graph.num_src, device=graph.device)
        if self.search == "faiss":
            self._search_faiss(model, every)
            return
        candidates = torch.arange(graph.num_dst, device=graph.device)
        table = model.embed(candidates) if self.search == "torch" else None
        for rows in torch.split(every, max(1, _BLOCK // graph.num_dst)):
            if table is not None:
                scores = table[rows] @ table.T
            else:
                scores = model.score(graph.anchors[rows] if isinstance(graph, EdgeSet) else rows, candidates[None])
            if bool(scores.isnan().any()):
                raise ValueError("the model scored a candidate NaN: none is nearest; look for a diverged loss")
            scores = scores.clamp(min=torch.finfo(scores.dtype).min)
            if self.exclude == "neighbors":
                scores[row_entries(graph.indptr, graph.indices, rows)] = -torch.inf
            if not graph.bipartite:
                scores[torch.arange(len(rows), device=rows.device), rows] = -torch.inf
            best = scores.topk(top, dim=1)
            self.near[rows] = torch.where(best.values == -torch.inf, -1, best.indices).to(self.near.dtype)

    def _search_faiss(self, model: Model, every: Tensor) -> None:
        """The same lists by faiss: a list longer by what a row excludes, then without it."""
        try:
            import faiss
        except ImportError as error:
            raise ImportError("search='faiss' needs faiss: pip install faiss-cpu") from error
        graph, top = self.graph, self.near.shape[1]
        table = model.embed(every).detach().float().cpu().contiguous()
        index = faiss.IndexFlatIP(table.shape[1])
        index.add(table.numpy())
        known = graph.degree if self.exclude == "neighbors" else torch.zeros_like(graph.degree)
        for rows in torch.split(known.argsort(), max(1, _BLOCK // graph.num_dst)):  # rows that exclude alike, together
            width = min(top + int(known[rows].max()) + 1, graph.num_dst)
            found = torch.from_numpy(index.search(table[rows.cpu()].numpy(), width)[1]).to(rows.device)
            usable = is_candidate(graph, rows if self.exclude == "neighbors" else torch.full_like(rows, -1),
                                  rows[:, None], found)
            order = (~usable).long().argsort(dim=1, stable=True)[:, :top]
            self.near[rows] = torch.where(usable, found, -1).gather(1, order).to(self.near.dtype)
