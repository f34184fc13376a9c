"""Cross-batch negatives with their popularity: item vectors of past batches, corrected (logQ)."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from torch import Tensor

from graphns.base import Density, Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude, check_choice
from graphns.samplers.popularity import Popularity, PopularityLike, popularity_of
from graphns.samplers.stored import Ring, take_stored


class CBNS(Sampler):
    r"""Take the candidate tower's vectors of past batches, with the density that corrects for their popularity (CBNS).

    .. math:: \text{vectors} \subseteq (v_{t-M+1}, \dots, v_t), \qquad q(j) = c_j \Big/ \sum_i c_i

    After each step `update` writes ``Feedback.positive_vectors`` with the ids of the positives over the oldest: first
    in, first out. c is the popularity as in `InBatch`: a stored vector is a past batch's positive, so its id comes in
    proportion to c, and scores are corrected by log q as those of the batch are. For one softmax over the batch and the
    memory together, score both and join the columns.

    k of the stored vectors, chosen at random, are shared by the batch; with k at least their number all are taken, the
    oldest first, and slots beyond are masked. So are all slots before the first update. ids are the rows of the
    candidate table that the vectors were made of: masked are the pair's positive, the anchor (same node type) and, with
    ``exclude="neighbors"``, known positives of the anchor.

    The density is "marginal" as that of `InBatch` is: over the loader's batches, and *unfiltered*.

    Args:
        graph: known positives; its destinations are the candidates.
        size: M, how many vectors are kept; the default is ours.
        dim: their width; None: told by the first update.
        exclude: ``"neighbors"`` or ``"self"``.
        popularity: c; a `Frequency` estimates it from the stream.

    Returns:
        On call, ids and log_prob [1, k], mask [B, k] and vectors [1, k, d].

    Raises:
        ValueError: size or dim is below 1; popularity is wrong; an update brings vectors of another shape.

    Example:
        >>> import torch
        >>> from graphns.streams import Stream
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 1, 2], [0, 0, 1]]), num_nodes=(3, 2))
        >>> sampler = CBNS(graph, size=8)
        >>> query = Query(torch.tensor([0, 1, 2]), torch.tensor([0, 0, 1]), k=3, stream=Stream(0))
        >>> sampler.update(query, sampler(query), Feedback(positive_vectors=torch.eye(3)))
        >>> negatives = sampler(query)
        >>> negatives.log_prob.exp(), negatives.mask[0].tolist()
        (tensor([[0.6667, 0.6667, 0.3333]]), [False, False, True])

    References:
        Wang, Zhu, He: Cross-Batch Negative Sampling for Training Two-Tower Recommenders. SIGIR 2021.
    """

    density: Density = "marginal"
    unfiltered: ClassVar[bool] = True
    """That the density is of a slot before its mask."""

    def __init__(
        self, graph: Graph, size: int = 8192, *, dim: int | None = None, exclude: Exclude = "neighbors",
        popularity: PopularityLike = "edges",
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        self.graph = graph
        self.exclude = exclude
        self.popularity: Popularity = popularity_of(graph, popularity)
        self.memory = Ring(size, dim, graph.device)

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """An empty memory for the candidates of a graph; `size`, `dim` and `popularity` may be told."""
        return cls(graph, exclude=exclude, **options)

    def sample(self, query: Query) -> Negatives:
        """Take from the memory, and mask."""
        taken = take_stored(self.memory, self.graph, query, self.exclude)
        log_prob = self.popularity.log_share(taken.ids)
        log_prob[:, min(len(self.memory.slots()), query.k):] = 0.0  # nothing stands there yet
        return taken._replace(log_prob=log_prob)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Log of the popularity share, for every anchor alike: not filtered."""
        return self.popularity.log_share(ids).expand(query.batch_size, ids.shape[1])

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Write the step's vectors; a step without vectors brings none."""
        if feedback.positive_vectors is not None:
            self.memory.push(query.positive, feedback.positive_vectors)
