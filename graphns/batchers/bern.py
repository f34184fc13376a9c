"""Batches of facts, each asked for the side that is safer to corrupt (bern)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from graphns.batchers.batcher import Batcher
from graphns.graph.triples import Triples
from graphns.streams import Stream


class Bern(Batcher):
    r"""Ask every fact once an epoch, for its head or its tail by the relation's shape (bern, of TransH).

    .. math:: P(\text{corrupt the head} \mid r) = \frac{\text{tph}_r}{\text{tph}_r + \text{hpt}_r}

    with tph the mean number of tails of a head, and hpt the mean number of heads of a tail: where a head has many
    tails, a false tail is likely to be true after all, and so the head is replaced.

    An example is a question: fact i asked for its tail is example i, asked for its head it is n + i, and
    `Triples.asked` turns examples into anchors (entity, relation) and positives. Any sampler then draws the negatives.
    Random are the order of the facts and their sides, given by the seed and the epoch; a fact's side does not depend on
    how the data are cut into batches.

    Args:
        facts: the training facts.
        batch_size: facts in a batch.
        chance: of the head: [R] by relation, or one number for all. None: bern's; 0.5: a fair coin.
        seed: of order and sides.
        shuffle: whether each epoch has an order of its own.
        drop_last: leave out the last batch if it is smaller.

    Raises:
        ValueError: batch_size is below 1, or chances are no probabilities.

    Example:
        >>> facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 0, 2], [0, 0, 3], [4, 1, 0]]))
        >>> batches = list(Bern(facts, batch_size=2))
        >>> sorted(example % len(facts) for batch in batches for example in batch)
        [0, 1, 2, 3]
        >>> anchor, positive = facts.asked(torch.tensor(batches[0]))
        >>> anchor.shape, positive.shape
        (torch.Size([2, 2]), torch.Size([2]))

    References:
        Wang, Zhang, Feng, Chen: Knowledge Graph Embedding by Translating on Hyperplanes. AAAI 2014.
    """

    def __init__(
        self, facts: Triples, batch_size: int = 1024, *, chance: Tensor | float | None = None, seed: int = 0,
        shuffle: bool = True, drop_last: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.facts = facts
        self.batch_size = batch_size
        self.chance: Tensor | float = facts.head_chance() if chance is None else chance
        self.seed = seed
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.epoch = 0
        self.examples()  # a wrong chance is refused here

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order and sides are drawn: each has its own."""
        self.epoch = epoch

    def examples(self) -> Tensor:
        """The examples [n] int64 of this epoch, in order."""
        stream = Stream(self.seed, self.epoch)
        fact = torch.arange(len(self.facts), device=self.facts.head.device)
        example = fact + len(fact) * self.facts.sides(self.chance, stream.child(1))
        if self.shuffle:
            example = example[stream.child(0).words(fact, 1)[:, 0].argsort(stable=True)]
        return example

    def __iter__(self) -> Iterator[list[int]]:
        """The examples of one batch after another."""
        for batch in torch.split(self.examples(), self.batch_size):
            if len(batch) == self.batch_size or (len(batch) and not self.drop_last):  # no facts: no batch
                yield batch.tolist()

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(len(self.facts), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)
