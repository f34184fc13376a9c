"""In-batch negatives: each pair takes the other pairs' positives."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from torch import Tensor

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.batch import positives_of_batch
from graphns.samplers.exclusion import Exclude, check_choice
from graphns.samplers.popularity import Popularity, PopularityLike, popularity_of


class InBatch(Sampler):
    r"""Take the positives of the batch: no encoding beyond the batch's own.

    .. math:: \text{ids} \subseteq (y^+_1, \dots, y^+_B), \qquad q(j) = c_j \Big/ \sum_i c_i

    k of the B positives, chosen at random, are shared by the batch, so that scoring them is one matrix product; from
    k = B on they are all taken, in the order of the batch, and slots beyond B are masked. Masked for each pair: its own
    positive wherever it stands (accidental hits), the anchor itself (same node type) and, with
    ``exclude="neighbors"``, known positives of the anchor. So a pair may have fewer than k.

    The loader draws here, not the sampler: its pairs come in proportion to the popularity c of their positives. The
    density is "marginal" in that sense, over batches, and *unfiltered*, as the logQ correction wants it: q is that of
    another pair's slot before the mask, so it is above -inf at known positives and at the positive too, and an
    objective corrects both (`graphns.objectives.correction` does).

    Args:
        graph: known positives; its destinations are the candidates.
        exclude: ``"neighbors"`` or ``"self"``.
        popularity: c. ``"edges"``: the in-degree, right where the training pairs are the graph's edges. ``"uniform"``:
            right where each candidate is the positive of one pair, as in node contrast. Or [num_candidates] counts
            >= 0. Or a `Frequency`, which estimates it from the stream of batches. A graph without edges is taken as
            uniform.

    Returns:
        On call, ids and log_prob [1, k], mask [B, k].

    Raises:
        ValueError: popularity has a wrong shape or value; a positive is no candidate of the graph.

    Example:
        >>> import torch
        >>> from graphns.base import Query
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 1, 2], [3, 4, 3]]), num_nodes=5)
        >>> negatives = InBatch(graph)(Query(torch.tensor([0, 1, 2]), torch.tensor([3, 4, 3]), k=3))
        >>> negatives.ids, negatives.mask.tolist()
        (tensor([[3, 4, 3]]), [[False, True, False], [True, False, True], [False, True, False]])
        >>> negatives.log_prob.exp()
        tensor([[0.6667, 0.3333, 0.6667]])

    References:
        Yi, Yang, Hong, Cheng, Heldt, Kumthekar, Zhao, Wei, Chi: Sampling-Bias-Corrected Neural Modeling for Large
        Corpus Item Recommendations. RecSys 2019.
    """

    density: Density = "marginal"
    unfiltered: ClassVar[bool] = True
    """That the density is of a slot before its mask."""

    def __init__(
        self, graph: Graph, *, exclude: Exclude = "neighbors", popularity: PopularityLike = "edges"
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        self.graph = graph
        self.exclude = exclude
        self.popularity: Popularity = popularity_of(graph, popularity)

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """The positives of the batch; `popularity` may be told."""
        return cls(graph, exclude=exclude, **options)

    def sample(self, query: Query) -> Negatives:
        """Choose among the batch's positives, and mask."""
        return positives_of_batch(self.graph, query, self.exclude, self.popularity.log_share)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Log of the popularity share, for every anchor alike: not filtered."""
        return self.popularity.log_share(ids).expand(query.batch_size, ids.shape[1])
