"""One sampler until an epoch, another from then on: a curriculum."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Self

from torch import Tensor, nn

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.exclusion import Exclude
from graphns.samplers.static.uniform import Uniform

_ORDER: tuple[Density, ...] = ("none", "given-pool", "marginal")


class Scheduled(Sampler):
    r"""Ask the sampler whose turn `query.epoch` is.

    .. math:: q_t = q^{(i)}, \quad e_i \le t < e_{i+1}

    The answer is the part's own, draw for draw. The density is the weakest of the parts' (a marginal is exact given any
    pool, so "given-pool" covers it; with a part of "none" no log_prob is given in any epoch), and a model is asked for
    in every epoch if some part reads it: what is missing shows at the first step, not halfway through training. Every
    part observes every step, also out of its turn.

    Args:
        parts: (epoch, sampler) pairs; the first epoch is 0, and they rise.

    Returns:
        On call, what the part gives.

    Raises:
        ValueError: no parts; the epochs do not begin at 0 or do not rise; a query of an epoch below 0, or
            without the model that some part reads.

    Example:
        >>> import torch
        >>> from graphns import Stream
        >>> graph = Graph.empty(50)
        >>> sampler = Scheduled([(0, Uniform(graph)), (5, Hardest(Uniform(graph)))])
        >>> class Larger:  # a model that prefers larger ids
        ...     def score(self, anchor, ids):
        ...         return ids.expand(len(anchor), -1).float()
        >>> query = Query(torch.tensor([0]), torch.tensor([1]), k=3, model=Larger(), stream=Stream(0), epoch=4)
        >>> bool((sampler(query).ids == Uniform(graph)(query).ids).all()), sampler.density
        (True, 'none')

    References:
        Chu, Wang, Shi, Jiang: CuCo: Graph Representation with Curriculum Contrastive Learning. IJCAI 2021.
    """

    def __init__(self, parts: Sequence[tuple[int, Sampler]]) -> None:
        super().__init__()
        self.epochs = [int(epoch) for epoch, _ in parts]
        if not self.epochs or self.epochs[0] != 0:
            raise ValueError(f"the first part of a schedule must begin at epoch 0, got epochs {self.epochs}")
        if any(later <= earlier for earlier, later in zip(self.epochs, self.epochs[1:], strict=False)):
            raise ValueError(f"the epochs of a schedule must rise, got {self.epochs}")
        self.parts = nn.ModuleList([part for _, part in parts])
        self.density: Density = min((part.density for _, part in parts), key=_ORDER.index)

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", start: int = 10, pool: int = 64, **options: Any
    ) -> Self:
        """Uniform until epoch `start`, from then on the hardest of `pool` uniform candidates."""
        uniform = Uniform(graph, exclude=exclude, **options)
        return cls([(0, uniform), (start, Hardest(uniform, pool=pool))])

    def active(self, epoch: int) -> Sampler:
        """The part whose turn an epoch is."""
        if epoch < 0:
            raise ValueError(f"epoch must be at least 0, got {epoch}")
        part: Sampler = self.parts[bisect_right(self.epochs, epoch) - 1]  # type: ignore[assignment]  # torch: Module
        return part

    def sample(self, query: Query) -> Negatives:
        """Ask the part whose turn it is."""
        if self.model_aware:
            query.require_model()
        negatives: Negatives = self.active(query.epoch)(query)
        return negatives._replace(log_prob=None) if self.density == "none" else negatives

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """That of the part whose turn it is."""
        if self.density != "marginal":
            return super().log_prob(query, ids)
        return self.active(query.epoch).log_prob(query, ids)
