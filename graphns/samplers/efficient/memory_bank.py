"""A vector for every candidate, from when it was last seen."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from graphns.base import Density, Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude
from graphns.samplers.static.uniform import Uniform
from graphns.samplers.stored import VectorTable, unit_vectors
from graphns.streams import Stream, unit


class MemoryBank(Sampler):
    r"""Draw candidates, and take their vectors from a bank instead of encoding them (InstDisc).

    .. math:: j \sim q_0(\cdot \mid u), \qquad \text{vectors} = (v_j), \qquad
        v_j \leftarrow \frac{m\, v_j + (1 - m)\, f_j}{\lVert m\, v_j + (1 - m)\, f_j \rVert}

    After each step `update` moves the bank's rows of the batch's positives towards ``Feedback.positive_vectors``, which
    are brought to length 1 first; where a candidate is the positive of several pairs, f is their mean. A candidate that
    was never seen has a random vector of length 1. Which ids are drawn, with what density and mask, is the base
    sampler's; score `vectors`, not the ids.

    The density is the base's. Random is what the base draws; the first vectors follow from `seed` alone.

    Args:
        base: draws ids. One that shares them by the batch (`Shared`) makes vectors [1, k, d] instead of [B, k, d].
        num_candidates: rows of the bank.
        dim: width of the vectors. None: told by the first update; before it all slots are masked.
        momentum: m in [0, 1); 0 keeps the newest vector.
        seed: of the first vectors.

    Returns:
        On call, what the base gives, and vectors [B|1, k, d].

    Raises:
        ValueError: an option is out of range; the base draws pairs or vectors, or ids outside the bank; an update
            brings vectors of another shape.

    Example:
        >>> from graphns.streams import Stream
        >>> sampler = MemoryBank(Uniform(Graph.empty(9)), 9, dim=2)
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=5, stream=Stream(0))
        >>> sampler(query).vectors.shape
        torch.Size([1, 5, 2])
        >>> for _ in range(30):
        ...     sampler.update(query, sampler(query), Feedback(positive_vectors=torch.tensor([[3.0, 4.0]])))
        >>> sampler.bank.values[1]
        tensor([0.6000, 0.8000])

    References:
        Wu, Xiong, Yu, Lin: Unsupervised Feature Learning via Non-Parametric Instance Discrimination. CVPR 2018.
    """

    def __init__(
        self, base: Sampler, num_candidates: int, *, dim: int | None = None, momentum: float = 0.5, seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {momentum}")
        self.base = base
        self.density: Density = base.density
        self.momentum = momentum
        self.seed = seed
        self.bank = VectorTable(num_candidates, dim, device)
        if dim is not None:
            self._fill()

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", dim: int | None = None, momentum: float = 0.5,
        seed: int = 0, **options: Any,
    ) -> Self:
        """A bank of the graph's candidates, drawn uniformly; further options are those of `Uniform`."""
        return cls(Uniform(graph, exclude=exclude, **options), graph.num_dst, dim=dim, momentum=momentum, seed=seed,
                   device=graph.device)

    def sample(self, query: Query) -> Negatives:
        """Draw ids, and look their vectors up."""
        drawn: Negatives = self.base(query)
        if drawn.anchor is not None or drawn.vectors is not None:
            raise ValueError(f"{type(self.base).__name__} draws pairs or vectors; a bank looks ids up")
        size = len(self.bank.values)
        if drawn.ids.numel() and int(drawn.ids.max()) >= size:
            raise ValueError(f"{type(self.base).__name__} drew {int(drawn.ids.max())}, outside a bank of {size} rows; "
                             "make num_candidates the base's")
        told = self.bank.dim > 0
        return drawn._replace(vectors=self.bank.values[drawn.ids], mask=drawn.mask & told)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """That of the base."""
        return self.base.log_prob(query, ids) if self.density == "marginal" else super().log_prob(query, ids)

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """Move the rows of the step's positives; a step without vectors moves nothing."""
        if feedback.positive_vectors is None or query.batch_size == 0:
            return
        new = self.bank.dim == 0
        vectors = unit_vectors(self.bank.fit(feedback.positive_vectors, query.batch_size))
        if new:
            self._fill()
        ids, group, count = torch.unique(query.positive, return_inverse=True, return_counts=True)
        mean = vectors.new_zeros((len(ids), vectors.shape[1])).index_add_(0, group, vectors) / count[:, None]
        moved = self.momentum * self.bank.values[ids] + (1 - self.momentum) * mean
        self.bank.values[ids] = unit_vectors(moved)

    def _fill(self) -> None:
        """Random vectors of length 1, each row's from its id and the seed."""
        values = self.bank.values
        row = torch.arange(len(values), device=values.device)
        drawn = unit(Stream(self.seed).words(row, values.shape[1])) * 2 - 1
        values.copy_(unit_vectors(drawn))
