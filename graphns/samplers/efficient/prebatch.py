"""Pre-batch negatives: the positives of the batches just before, with less weight (SimKGC)."""

from __future__ import annotations

from typing import Any, Self

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude, check_choice
from graphns.samplers.stored import Ring, take_stored


class PreBatch(Sampler):
    r"""Take the vectors of the positives of the batches before this one, scaled by a weight (SimKGC).

    .. math:: \text{vectors} \subseteq (w\, v_{t-M+1}, \dots, w\, v_t), \qquad
        \langle q, w\, v \rangle = w\, \langle q, v \rangle

    After each step `update` writes ``Feedback.positive_vectors`` with the ids of the positives over the oldest. Few
    batches are kept, so the vectors are nearly fresh; w below 1 makes their scores count less than those of the batch
    itself, for scores that are linear in the candidate's vector (a dot product; cosine, if the vectors have length 1
    when they are stored). The paper's softmax runs over the batch, these, and the anchor's own entity
    (`SelfNegative`): score each and join the columns.

    k of the stored vectors, chosen at random, are shared by the batch; with k at least their number all are taken, the
    oldest first, and slots beyond are masked. So are all slots before the first update. ids are the rows of the
    candidate table that the vectors were made of: masked are the pair's positive, the anchor (same node type) and, with
    ``exclude="neighbors"``, known positives of the anchor.

    The density is "none": what is stored was decided by the loader, in steps that are past.

    Args:
        graph: known positives; for a knowledge graph ``triples.known()``.
        size: how many vectors are kept: the number of batches times their size.
        weight: w above 0; the paper's 0.5.
        dim: width of the vectors; None: told by the first update.
        exclude: ``"neighbors"`` or ``"self"``.

    Returns:
        On call, ids [1, k], mask [B, k] and vectors [1, k, d], no log_prob.

    Raises:
        ValueError: size or dim is below 1, or weight not above 0; an update brings vectors of another shape.

    Example:
        >>> import torch
        >>> from graphns.streams import Stream
        >>> sampler = PreBatch(Graph.empty(9), size=2)
        >>> query = Query(torch.tensor([0, 1]), torch.tensor([5, 6]), k=2, stream=Stream(0))
        >>> sampler.update(query, sampler(query), Feedback(positive_vectors=torch.ones(2, 3)))
        >>> negatives = sampler(query)
        >>> negatives.ids, negatives.vectors[0, 0]
        (tensor([[5, 6]]), tensor([0.5000, 0.5000, 0.5000]))

    References:
        Wang, Zhao, Wei, Liu: SimKGC: Simple Contrastive Knowledge Graph Completion with Pre-trained Language Models.
        ACL 2022.
    """

    def __init__(
        self, graph: Graph, size: int = 2048, *, weight: float = 0.5, dim: int | None = None,
        exclude: Exclude = "neighbors",
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        if not 0 < weight < float("inf"):
            raise ValueError(f"weight must be a finite number above 0, got {weight}")
        self.graph = graph
        self.weight = weight
        self.exclude = exclude
        self.batches = Ring(size, dim, graph.device)

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """No batch stored yet; `size`, `weight` and `dim` may be told."""
        return cls(graph, exclude=exclude, **options)

    def sample(self, query: Query) -> Negatives:
        """Take from the stored batches, weigh, and mask."""
        taken = take_stored(self.batches, self.graph, query, self.exclude)
        assert taken.vectors is not None
        return taken._replace(vectors=self.weight * taken.vectors)

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Write the step's vectors; a step without vectors brings none."""
        if feedback.positive_vectors is not None:
            self.batches.push(query.positive, feedback.positive_vectors)
