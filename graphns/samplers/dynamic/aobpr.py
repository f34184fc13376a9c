"""Adaptive oversampling for BPR: a factor that matters to the anchor, and a candidate that ranks high on it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from graphns.base import Density, Feedback, Model, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude, Infeasible, check_choice, excluded, num_candidates, raise_if_short
from graphns.samplers.known_pairs import excluded_entries
from graphns.streams import unit


class AOBPR(Sampler):
    r"""Draw a factor by its part in the anchor's scores, then a candidate by its rank on that factor.

    .. math:: p(f \mid u) \propto |u_f|\, \sigma_f, \qquad p(r) \propto e^{-r / \lambda}, \quad r = 0, 1, \dots

    The negative is the candidate at rank r in the order of factor f, from the top if :math:`u_f > 0`, else from the
    bottom; :math:`\sigma_f` is the factor's deviation over the candidates. Excluded ids have no rank: they are jumped
    over, exactly. :math:`\lambda` is `mean_rank`: small, the top of a factor; large, `Uniform`.

    A draw costs no scores. The candidates' vectors come from ``model.embed``, the anchor's factors from
    ``model.score_vectors`` of unit vectors: right for scores that are linear in the candidate's vector (dot product,
    DistMult, ComplEx, bilinear). Orders and deviations are made by `update`, from the model of that step, whenever
    `refresh` negatives have been drawn since the last time; before the first, each draw makes its own.

    The density is "none": a mixture over all factors, whose ranks would cost d times the draw.

    Args:
        graph: known positives; its destinations are the candidates.
        mean_rank: lambda, above 0; the default is ours.
        refresh: negatives between two sorts; None: N log N, as in the paper.
        exclude: ``"neighbors"`` or ``"self"``.
        infeasible: ``"mask"`` or ``"raise"``, for anchors without candidates.

    Returns:
        On call, ids and mask [B, k], no log_prob. Memory: 16 N d bytes for the orders.

    Raises:
        ValueError: the query has no model; an argument is out of range; vectors do not fit the graph or are not finite.
        InfeasibleError: a row has no candidate, and ``infeasible="raise"``.

    Example:
        >>> from graphns import Query, Stream
        >>> from graphns.scorers.table import TableModel
        >>> model = TableModel(torch.tensor([[1.0, 0.0]]), torch.arange(200.0).view(100, 2))
        >>> sampler = AOBPR(Graph.empty((1, 100)), mean_rank=2.0)
        >>> query = Query(torch.tensor([0]), torch.tensor([99]), k=5, model=model, stream=Stream(0))
        >>> bool((sampler(query).ids > 80).all())
        True

    References:
        Rendle, Freudenthaler: Improving Pairwise Learning for Item Recommendation from Implicit Feedback. WSDM 2014.
    """

    needs_model = True
    density: Density = "none"
    order: Tensor  # [d, N] candidates from the top of each factor
    place: Tensor  # [d, N] where in its order each candidate stands
    spread: Tensor  # [d] deviation of each factor
    drawn: Tensor  # negatives since the last sort

    def __init__(
        self, graph: Graph, *, mean_rank: float = 500.0, refresh: int | None = None, exclude: Exclude = "neighbors",
        infeasible: Infeasible = "mask",
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        check_choice(infeasible, ("mask", "raise"), "infeasible")
        if not 0 < mean_rank < float("inf"):
            raise ValueError(f"mean_rank must be a number above 0, got {mean_rank}")
        if refresh is not None and refresh < 1:
            raise ValueError(f"refresh must be at least 1, got {refresh}")
        num = graph.num_dst
        self.graph = graph
        self.mean_rank = mean_rank
        self.refresh = math.ceil(num * math.log(max(num, 2))) if refresh is None else refresh
        self.exclude = exclude
        self.infeasible = infeasible
        for name, dtype in (("order", torch.int64), ("place", torch.int64), ("spread", torch.float64)):
            self.register_buffer(name, torch.empty(0, dtype=dtype, device=graph.device))
        self.register_buffer("drawn", torch.zeros((), dtype=torch.int64, device=graph.device))

    def sample(self, query: Query) -> Negatives:
        """Draw a factor and a rank for each slot, and look the candidate up."""
        rows, extra = excluded(self.graph, query, self.exclude)
        model = query.require_model()
        order, place, spread = (self.order, self.place, self.spread) if len(self.spread) else self._sorted(model)
        own = _factors(model, query.anchor, len(spread))
        left = num_candidates(self.graph, rows, extra)
        raise_if_short(left, 1, query, self.infeasible)
        factor = _draw_factor(own.abs() * spread, unit(query.stream.child(0).words(query.row, query.k)))
        # the geometric law cut off at the last candidate, by the inverse of its distribution
        count = left.clamp(min=1)[:, None].double()
        lot = unit(query.stream.child(1).words(query.row, query.k))
        rank = -self.mean_rank * torch.log1p(lot * torch.expm1(-count / self.mean_rank))
        rank = rank.floor().minimum(count - 1).long()
        rank = torch.where(own.gather(1, factor) < 0, count.long() - 1 - rank, rank)
        pair, known = excluded_entries(self.graph, rows, extra)
        at = torch.stack([_jump(rank[:, c], pair, place[factor[pair, c], known], order.shape[1])
                          for c in range(query.k)], 1)
        return Negatives(order[factor, at], None, (left > 0)[:, None].expand_as(at))

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Count the negatives, and sort the factors anew when it is time."""
        self.drawn += negatives.mask.numel()
        if not len(self.spread) or int(self.drawn) >= self.refresh:
            self.order, self.place, self.spread = self._sorted(query.require_model())
            self.drawn.zero_()

    @torch.no_grad()
    def _sorted(self, model: Model) -> tuple[Tensor, Tensor, Tensor]:
        num = self.graph.num_dst
        table = model.embed(torch.arange(num, device=self.graph.device))
        if table.dim() != 2 or len(table) != num:
            raise ValueError(f"embed(ids) must give one vector per candidate [{num}, d], got {tuple(table.shape)}")
        if not bool(table.isfinite().all()):
            raise ValueError("the model's vectors hold NaN or infinity: they have no order; look for a diverged loss")
        order = table.T.argsort(dim=1, descending=True, stable=True)
        return order, order.argsort(dim=1), table.double().std(0, correction=0)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any
    ) -> None:
        for name in ("order", "place", "spread"):  # their size is the model's, and not known before
            saved = state_dict.get(prefix + name)
            if isinstance(saved, Tensor):
                setattr(self, name, torch.empty_like(saved, device=self.drawn.device))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


@torch.no_grad()
def _factors(model: Model, anchor: Tensor, dim: int) -> Tensor:
    """The anchors' factors [B, d] float64: what each unit vector would score above the zero vector."""
    kind = model.embed(anchor.new_zeros(1)).dtype
    axes = torch.eye(dim, dtype=kind, device=anchor.device)
    probes = torch.cat([axes, torch.zeros_like(axes[:1])])[None]
    scores = model.score_vectors(anchor, probes).double()
    return scores[:, :-1] - scores[:, -1:]


def _draw_factor(weight: Tensor, lot: Tensor) -> Tensor:
    """Factors [B, k] in proportion to weights [B, d], by uniform lots [B, k]; all alike where the weights are 0."""
    weight = torch.where(weight.sum(1, keepdim=True) > 0, weight, 1.0)
    reached = weight.cumsum(1)
    last = ((weight > 0) * torch.arange(weight.shape[1], device=weight.device)).amax(1, keepdim=True)
    # rounding may not pass the last factor of positive weight
    return torch.searchsorted(reached, lot * reached[:, -1:], right=True).minimum(last)


def _jump(rank: Tensor, pair: Tensor, taken: Tensor, num: int) -> Tensor:
    """The places [B] in an order of `num` of the ranks [B] among the free, where places `taken` of `pair` are not."""
    keys = (pair * num + taken).sort().values
    pair = keys // num
    size = torch.bincount(pair, minlength=len(rank))
    start = size.cumsum(0) - size
    # as in `kernels.complement`: with the i-th taken place less i as key, the keys up to a rank are those jumped over
    keys = keys - (torch.arange(len(keys), device=keys.device) - start[pair])
    wanted = torch.arange(len(rank), device=rank.device) * num + rank
    return (rank + torch.searchsorted(keys, wanted, right=True) - start).clamp(max=num - 1)
