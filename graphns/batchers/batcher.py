"""What a batcher is: it chooses the anchors of each batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from torch.utils.data import BatchSampler


class Batcher(BatchSampler, ABC):
    """Chooses which examples share a batch (clusters, proximity walks, DFS order): a torch batch sampler.

    In-batch negatives come from what it puts together, so it decides how hard they are.
    """

    @abstractmethod
    def __iter__(self) -> Iterator[list[int]]:
        """The example ids of one batch after another."""

    @abstractmethod
    def __len__(self) -> int:
        """Batches in an epoch."""
