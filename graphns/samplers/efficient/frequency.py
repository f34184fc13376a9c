"""In-batch negatives whose popularity is estimated from the stream of batches (logQ)."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from graphns.base import Density, Feedback, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.batch import positives_of_batch
from graphns.samplers.exclusion import Exclude, check_choice
from graphns.streams import Stream, bounded


class Frequency(Sampler):
    r"""Take the positives of the batch, and learn from step to step how often each candidate is one.

    Two arrays of H buckets, A (the step at which a bucket was last seen) and b (the estimated number of steps between
    two sights of it). At step t, for every bucket :math:`h = h(y)` of the batch's positives, once each,

    .. math:: b_h \leftarrow (1 - \alpha)\, b_h + \alpha\, (t - A_h), \quad A_h \leftarrow t, \qquad
        q(j) = \frac{1 / b_{h(j)}}{\sum_i 1 / b_{h(i)}}

    1/b estimates the probability that a batch holds the candidate; q is its share of the positives, so the shares sum
    to 1 over the candidates. With several hash functions a candidate has a bucket for each, and b is the largest of
    them, since a collision can only make an interval too short. Drawing is that of `InBatch`, whose `popularity` this
    may be too, and that of the samplers beside it; then that sampler's `update` teaches it. A candidate that was never
    seen keeps b = `initial`.

    The density is "marginal" as that of `InBatch` is, over batches and *unfiltered*: normalised exactly, and as near to
    the loader's as the estimate has come. Nothing is random but which k positives are taken. A step costs as the number
    of candidates, for the sum over them.

    Args:
        graph: known positives; its destinations are the candidates.
        exclude: ``"neighbors"`` or ``"self"``.
        rate: :math:`\alpha` in (0, 1]; small for a steady stream, larger where popularity drifts.
        num_buckets: H; None gives every candidate a bucket of its own, without hashing.
        num_hashes: hash functions, where buckets are fewer than candidates.
        initial: b before a bucket is seen, at least 1; None: the number of candidates.
        seed: of the hash functions.

    Returns:
        On call, ids and log_prob [1, k], mask [B, k].

    Raises:
        ValueError: an option is out of range; a positive is no candidate of the graph.

    Example:
        >>> from graphns.streams import Stream
        >>> sampler = Frequency(Graph.empty(4), rate=0.5)
        >>> for step in range(20):  # candidate 3 is in every batch, 2 in every other
        ...     positive = torch.tensor([3, 2 if step % 2 else 3])
        ...     query = Query(torch.tensor([0, 1]), positive, k=2, stream=Stream(0, step))
        ...     sampler.update(query, sampler(query))
        >>> sampler.interval.round()
        tensor([4., 4., 2., 1.], dtype=torch.float64)

    References:
        Yi, Yang, Hong, Cheng, Heldt, Kumthekar, Zhao, Wei, Chi: Sampling-Bias-Corrected Neural Modeling for Large
        Corpus Item Recommendations. RecSys 2019.
    """

    density: Density = "marginal"
    unfiltered: ClassVar[bool] = True
    """That the density is of a slot before its mask."""
    last_seen: Tensor
    interval: Tensor
    num_steps: Tensor
    log_total: Tensor

    def __init__(
        self, graph: Graph, *, exclude: Exclude = "neighbors", rate: float = 0.01, num_buckets: int | None = None,
        num_hashes: int = 1, initial: float | None = None, seed: int = 0,
    ) -> None:
        super().__init__()
        check_choice(exclude, ("neighbors", "self"), "exclude")
        initial = float(graph.num_dst) if initial is None else initial
        if not 0 < rate <= 1:
            raise ValueError(f"rate must be in (0, 1], got {rate}")
        if not 1 <= initial < float("inf"):
            raise ValueError(f"initial must be a number of steps, at least 1, got {initial}")
        for name, size in (("num_buckets", num_buckets), ("num_hashes", num_hashes)):
            if size is not None and size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        self.graph = graph
        self.exclude = exclude
        self.rate = rate
        self.num_buckets = num_buckets
        self.num_hashes = 1 if num_buckets is None else num_hashes
        self.seed = seed
        size = (graph.num_dst if num_buckets is None else num_buckets) * self.num_hashes
        self.register_buffer("last_seen", torch.zeros(size, dtype=torch.int64, device=graph.device))
        self.register_buffer("interval", torch.full((size,), initial, dtype=torch.float64, device=graph.device))
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.int64, device=graph.device))
        self.register_buffer("log_total", torch.zeros((), dtype=torch.float64, device=graph.device))
        self._add_up()

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", **options: Any) -> Self:
        """In-batch negatives over a graph, nothing known of their popularity yet."""
        return cls(graph, exclude=exclude, **options)

    def sample(self, query: Query) -> Negatives:
        """Choose among the batch's positives, and mask."""
        return positives_of_batch(self.graph, query, self.exclude, self.log_share)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Log of the estimated share, for every anchor alike: not filtered."""
        return self.log_share(ids).expand(query.batch_size, ids.shape[1])

    def log_share(self, ids: Tensor) -> Tensor:
        """Log of each candidate's estimated share of the positives, float32 of the shape of `ids`."""
        return (-self._interval_of(ids).log() - self.log_total).float()

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """One step of the estimate: each bucket of the batch's positives has been seen now."""
        if query.batch_size == 0:
            return
        self.num_steps.add_(1)
        seen = torch.unique(self._buckets(query.positive))
        gap = (self.num_steps - self.last_seen[seen]).double()
        self.interval[seen] = (1 - self.rate) * self.interval[seen] + self.rate * gap
        self.last_seen[seen] = self.num_steps
        self._add_up()

    def _buckets(self, ids: Tensor) -> Tensor:
        """The places [num_hashes, ...] of the buckets of ids [...], each hash function in a part of its own."""
        if self.num_buckets is None:
            return ids[None]
        row = ids.flatten()
        parts = [bounded(Stream(self.seed, i).row_keys(row), self.num_buckets) + i * self.num_buckets
                 for i in range(self.num_hashes)]
        return torch.stack(parts).view(self.num_hashes, *ids.shape)

    def _interval_of(self, ids: Tensor) -> Tensor:
        return self.interval[self._buckets(ids)].amax(0)

    def _add_up(self) -> None:
        every = torch.arange(self.graph.num_dst, device=self.interval.device)
        self.log_total.copy_((1 / self._interval_of(every)).sum().log())
