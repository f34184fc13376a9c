"""A queue of keys from a slowly moving encoder."""

from __future__ import annotations

from typing import Any, Self

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude, check_choice
from graphns.samplers.stored import Ring, take_stored, unit_vectors


class MoCo(Sampler):
    r"""Take the keys of earlier batches from a queue (MoCo): many negatives without encoding any.

    .. math:: \text{vectors} \subseteq (\kappa_{t-K+1}, \dots, \kappa_t), \qquad
        \kappa = f_\xi(y^+) / \lVert f_\xi(y^+) \rVert, \qquad \xi \leftarrow m\,\xi + (1 - m)\,\theta

    After each step `update` writes the keys of the batch's positives, ``Feedback.positive_vectors``, over the oldest:
    first in, first out. The encoder that makes them, :math:`f_\xi`, is the training loop's, which moves it towards the
    trained one (m = 0.999); the queue only stores. Negatives are `vectors`; score them with
    ``model.score_vectors(anchor, negatives.vectors)``.

    k of the stored keys, chosen at random, are shared by the batch; with k at least their number all are taken, the
    oldest first, and slots beyond are masked. So are all slots before the first update. ids are the rows of the
    candidate table that the keys were made of, so that, unlike in the paper, keys of the pair's positive, the anchor
    (same node type) and, with ``exclude="neighbors"``, known positives of the anchor are masked.

    The density is "none": what is in the queue was decided by the loader, in steps that are past.

    Args:
        graph: known positives; its destinations are the candidates.
        size: K, how many keys are kept.
        dim: their width; None: told by the first update.
        exclude: ``"neighbors"`` or ``"self"``.

    Returns:
        On call, ids [1, k], mask [B, k] and vectors [1, k, d] of length 1, no log_prob.

    Raises:
        ValueError: size or dim is below 1; an update brings vectors of another shape.

    Example:
        >>> import torch
        >>> from graphns.streams import Stream
        >>> sampler = MoCo(Graph.empty(9), size=4)
        >>> query = Query(torch.tensor([0, 1, 2]), torch.tensor([3, 4, 5]), k=4, stream=Stream(0))
        >>> for keys in (torch.full((3, 2), 2.0), torch.tensor([[3.0, 4.0]]).expand(3, 2)):
        ...     sampler.update(query, sampler(query), Feedback(positive_vectors=keys))
        >>> negatives = sampler(query)
        >>> negatives.ids, negatives.vectors[0, -1]
        (tensor([[5, 3, 4, 5]]), tensor([0.6000, 0.8000]))

    References:
        He, Fan, Wu, Xie, Girshick: Momentum Contrast for Unsupervised Visual Representation Learning. CVPR 2020.
    """

    def __init__(
        self, graph: Graph, size: int = 65536, *, dim: int | None = None, exclude: Exclude = "neighbors"
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        self.graph = graph
        self.exclude = exclude
        self.queue = Ring(size, dim, graph.device)

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """An empty queue for the candidates of a graph; `size` and `dim` may be told."""
        return cls(graph, exclude=exclude, **options)

    def sample(self, query: Query) -> Negatives:
        """Take from the queue, and mask."""
        return take_stored(self.queue, self.graph, query, self.exclude)

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Put the step's keys into the queue; a step without vectors brings none."""
        if feedback.positive_vectors is not None:
            self.queue.push(query.positive, unit_vectors(feedback.positive_vectors))
