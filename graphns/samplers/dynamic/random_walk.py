"""Hard negatives by random walks: nodes that walks from the anchor visit, but not the most."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.build import joined
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.graph.walks import visit_counts
from graphns.samplers.exclusion import Exclude, Infeasible
from graphns.samplers.lists import draw_listed, is_listed, without_positive
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream, unit, words_at

_BLOCK = 1 << 22  # entries of the table made at once


class RandomWalk(Sampler):
    r"""Draw from a window of the ranks by visits of random walks, or uniformly (PinSage).

    .. math:: q(j \mid u) = h \frac{[j \in W(u)]}{|W(u)|} + (1 - h) \frac{1}{N - |\mathcal{E}(u)|},
        \quad j \notin \mathcal{E}(u)

    :math:`\mathcal{E}(u)` holds the anchor, its positive and, with ``exclude="neighbors"``, the anchor's row.
    :math:`W(u)`: walks with restart from u rank the other nodes by visits (ties by id), the neighbours left out of the
    ranking if they are excluded; the window is the nodes of ranks low to high, less the positive. The walks are made
    once, when the sampler is: a table of N x high ids, given by the graph and ``seed``. A bipartite graph is walked
    both ways and ranks candidates. Fewer nodes visited than ``high`` leave a shorter window; an empty one means h = 0.

    Each slot is hard with probability h, so that all slots have one density. The curriculum:
    h = share * min(epoch / ramp, 1). With ``share=1, ramp=k`` each epoch has in expectation one hard negative more, up
    to k. Random are the slots' kinds and ids, keyed by the query's stream.

    Args:
        graph: known edges, walked and excluded.
        window: ranks low to high, from 1, both included; the default is ours, as are those of the walks.
        num_walks: walks from every anchor.
        length: steps of a walk.
        restart: probability that a step leads back to the anchor.
        share: probability of a hard slot once the curriculum is over.
        ramp: epochs until then; 0: from the start.
        advance: ranks by which the window moves towards rank 1 each epoch, keeping its width.
        seed: of the walks.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: an argument is out of range, or the graph is an `EdgeSet`, which cannot be walked.

    Example:
        >>> ring = torch.arange(8)
        >>> graph = Graph.from_edge_index(torch.stack([ring, (ring + 1) % 8]))
        >>> sampler = RandomWalk(graph, window=(1, 2), share=1.0)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=4, stream=Stream(0))
        >>> sampler(query).ids.unique()  # 1 is the neighbour; 2 and 3 are reached next
        tensor([2, 3])

    References:
        Ying, He, Chen, Eksombatchai, Hamilton, Leskovec: Graph Convolutional Neural Networks for Web-Scale Recommender
        Systems. KDD 2018.
    """

    density: Density = "marginal"
    ranks: Tensor

    def __init__(
        self, graph: Graph, *, window: tuple[int, int] = (10, 100), num_walks: int = 100, length: int = 10,
        restart: float = 0.15, share: float = 0.5, ramp: int = 0, advance: int = 0, seed: int = 0,
        exclude: Exclude = "neighbors", infeasible: Infeasible = "mask",
    ) -> None:
        super().__init__()
        if isinstance(graph, EdgeSet):
            raise ValueError("an EdgeSet cannot be walked; pass the Graph of its nodes")
        if not 1 <= window[0] <= window[1]:
            raise ValueError(f"window must be ranks 1 <= low <= high, got {window}")
        if not 0 <= share <= 1:
            raise ValueError(f"share must be a probability in [0, 1], got {share}")
        for name, value in (("ramp", ramp), ("advance", advance)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
        self.uniform = Uniform(graph, exclude=exclude, infeasible=infeasible)
        self.window = window
        self.share, self.ramp, self.advance = share, ramp, advance
        walked, offset = joined(graph), graph.num_src if graph.bipartite else 0
        stream = Stream(seed)
        blocks = []
        for start in torch.split(torch.arange(graph.num_src, device=graph.device), max(1, _BLOCK // window[1])):
            ids, _ = visit_counts(
                walked, start, stream, num_walks=num_walks, length=length, restart=restart, top=window[1],
                exclude_neighbors=exclude == "neighbors", first_counted=offset, row=start,
            )
            blocks.append(torch.where(ids < 0, -1, ids - offset).to(graph.indices.dtype))
        self.register_buffer("ranks", torch.cat(blocks), persistent=False)

    def hard_share(self, epoch: int) -> float:
        """h, the probability of a hard slot in an epoch, counted from 0."""
        return self.share * min(epoch / self.ramp, 1.0) if self.ramp else self.share

    def sample(self, query: Query) -> Negatives:
        """Draw k negatives per pair."""
        easy = self.uniform.sample(query.child(2))
        share = self.hard_share(query.epoch)
        if share == 0:
            return easy
        pool, hole, size = self._window(query)
        is_hard = unit(words_at(query.child(0).stream.row_keys(query.row), query.k)) < share
        is_hard &= (size > 0)[:, None]
        hard = draw_listed(pool, hole, size, words_at(query.child(1).stream.row_keys(query.row), query.k))
        ids = torch.where(is_hard, hard, easy.ids)
        assert easy.log_prob is not None  # Uniform has one density for all of a row's candidates
        log_prob = _mixed(is_listed(pool, hole, ids), size, share, easy.log_prob.double())
        return Negatives(ids, torch.where(easy.mask, log_prob, 0.0), easy.mask)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """log(h / |W| + (1 - h) / number of candidates) in the window, without the first term outside it."""
        easy = self.uniform.log_prob(query, ids)
        share = self.hard_share(query.epoch)
        if share == 0:
            return easy
        pool, hole, size = self._window(query)
        return _mixed(is_listed(pool, hole, ids.expand(easy.shape)), size, share, easy.double())

    def _window(self, query: Query) -> tuple[Tensor, Tensor, Tensor]:
        """The window [B, W] (-1: none), where the positive stands in it, and its size without it [B]."""
        low = max(1, self.window[0] - self.advance * query.epoch)
        width = self.window[1] - self.window[0] + 1
        rows = self.uniform.graph.rows(query.anchor)
        pool = self.ranks[rows, low - 1 : low - 1 + width].long()
        return pool, *without_positive(pool, query.positive)


def _mixed(inside: Tensor, size: Tensor, share: float, easy: Tensor) -> Tensor:
    """The log of the mixture [B, m], given the uniform part's in float64; rows without a window have that alone."""
    hard = torch.where(inside, math.log(share) - size.clamp(min=1).double().log()[:, None], -torch.inf)
    rest = easy + (math.log1p(-share) if share < 1 else -torch.inf)
    return torch.where((size > 0)[:, None], torch.logaddexp(hard, rest), easy).float()
