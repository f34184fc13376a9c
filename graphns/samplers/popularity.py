"""How often a candidate is a positive: the density of negatives that are other pairs' positives."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from graphns.graph.graph import Graph, check_weight
from graphns.samplers.exclusion import check_choice


@runtime_checkable
class Popularity(Protocol):
    """What `InBatch` and its kin ask for the logQ correction. `Frequency` is one that learns."""

    def log_share(self, ids: Tensor) -> Tensor:
        """Log of each candidate's share of the positives; over all candidates the shares sum to 1."""


PopularityLike = Literal["edges", "uniform"] | Tensor | Popularity
"""`"edges"`: the in-degree, right where the training pairs are the graph's edges. `"uniform"`: right where each
candidate is the positive of one pair, as in node contrast. Or [num_candidates] counts >= 0, or a `Popularity`."""


class Counted(nn.Module):
    """Shares of counts that do not change.

    Args:
        count: [num_candidates] float64 >= 0, not all 0.
    """

    log_count: Tensor

    def __init__(self, count: Tensor) -> None:
        super().__init__()
        # derived from the data, so no part of the state
        self.register_buffer("log_count", (count / count.sum()).log().float(), persistent=False)

    def log_share(self, ids: Tensor) -> Tensor:
        """Log of each candidate's share; -inf for one that is never a positive, and for no candidate."""
        inside = (ids >= 0) & (ids < len(self.log_count))
        return torch.where(inside, self.log_count[ids.clamp(0, len(self.log_count) - 1)], -torch.inf)


def popularity_of(graph: Graph, popularity: PopularityLike) -> Popularity:
    """The module of what was told; a graph without edges is taken as uniform.

    Raises:
        ValueError: popularity has a wrong shape or value.
    """
    if isinstance(popularity, nn.Module) and isinstance(popularity, Popularity):
        return popularity
    if isinstance(popularity, Tensor):
        count = check_weight(popularity, graph.num_dst, "candidate").to(graph.device)
        if not bool(count.any()):
            raise ValueError("popularity is 0 for every candidate; give the counts of the training positives")
        return Counted(count)
    check_choice(popularity, ("edges", "uniform"), "popularity")  # type: ignore[arg-type]  # anything a caller gave
    flat = popularity == "uniform" or graph.num_edges == 0
    return Counted(torch.ones_like(graph.in_degree).double() if flat else graph.in_degree.double())
