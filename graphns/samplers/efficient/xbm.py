"""Cross-batch memory: the embeddings of past batches, as the trained encoder made them."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude, check_choice
from graphns.samplers.stored import Ring, take_stored


class XBM(Sampler):
    r"""Take the embeddings of past batches from a ring buffer (XBM).

    .. math:: \text{vectors} \subseteq (v_{t-M+1}, \dots, v_t), \qquad v = f_\theta(x) \text{ as it was at its step}

    There is no second encoder: late in training embeddings drift slowly, and old ones are still good negatives. After
    each step `update` writes, over the oldest, the batch's anchors (same node type, and where the feedback has
    ``anchor_vectors``), then its positives (``positive_vectors``), each with its id. Until `start` updates have passed
    nothing is written, since embeddings drift fast at first. Negatives are `vectors`; the paper adds their loss to that
    of the batch itself, with weight 1.

    k of the stored vectors, chosen at random, are shared by the batch; with k at least their number all are taken, the
    oldest first, and slots beyond are masked. So are all slots before something is written. ids are the nodes that the
    vectors belong to: masked are the pair's positive, the anchor (same node type) and, with ``exclude="neighbors"``,
    known positives of the anchor, where the paper compares class labels.

    The density is "none": what is in the memory was decided by the loader, in steps that are past.

    Args:
        graph: known positives; its destinations are the candidates.
        size: M, how many vectors are kept.
        start: updates that pass before the first is written; the paper's code waits for 2,000 iterations.
        dim: width of the vectors; None: told by the first.
        exclude: ``"neighbors"`` or ``"self"``.

    Returns:
        On call, ids [1, k], mask [B, k] and vectors [1, k, d], no log_prob.

    Raises:
        ValueError: size or dim is below 1, or start below 0; an update brings vectors of another shape.

    Example:
        >>> from graphns.streams import Stream
        >>> sampler = XBM(Graph.empty(9), size=3)
        >>> query = Query(torch.tensor([0, 1]), torch.tensor([5, 6]), k=3, stream=Stream(0))
        >>> sampler.update(query, sampler(query), Feedback(anchor_vectors=torch.zeros(2, 4),
        ...                                                positive_vectors=torch.ones(2, 4)))
        >>> negatives = sampler(query)  # node 0, the first that was written, is the first that is gone
        >>> negatives.ids, negatives.mask.tolist()
        (tensor([[1, 5, 6]]), [[True, False, True], [False, True, False]])

    References:
        Wang, Zhang, Huang, Scott: Cross-Batch Memory for Embedding Learning. CVPR 2020.
    """

    num_steps: Tensor

    def __init__(
        self, graph: Graph, size: int = 8192, *, start: int = 0, dim: int | None = None, exclude: Exclude = "neighbors"
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        if start < 0:
            raise ValueError(f"start must be at least 0, got {start}")
        self.graph = graph
        self.start = start
        self.exclude = exclude
        self.memory = Ring(size, dim, graph.device)
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.int64, device=graph.device))

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """An empty memory for the candidates of a graph; `size`, `start` and `dim` may be told."""
        return cls(graph, exclude=exclude, **options)

    def sample(self, query: Query) -> Negatives:
        """Take from the memory, and mask."""
        return take_stored(self.memory, self.graph, query, self.exclude)

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Write the step's embeddings; a step without vectors brings none."""
        sides: list[tuple[Tensor, Tensor]] = []
        if feedback.anchor_vectors is not None and not self.graph.bipartite:
            sides.append((query.anchor, feedback.anchor_vectors))
        if feedback.positive_vectors is not None:
            sides.append((query.positive, feedback.positive_vectors))
        if len({vectors.shape for _, vectors in sides}) > 1:
            raise ValueError("anchor_vectors and positive_vectors must have one shape [B, d], got "
                             f"{[tuple(vectors.shape) for _, vectors in sides]}")
        if sides and int(self.num_steps) >= self.start:
            ids, vectors = (torch.cat(each) for each in zip(*sides, strict=True))
            self.memory.push(ids, vectors)
        self.num_steps.add_(1)
