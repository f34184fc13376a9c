"""In-batch negatives for a step that holds every node: the step's pairs are cut into batches, as a loader would."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphns.base import Density, Feedback, Negatives, Query, Sampler


class Blocks(nn.Module):
    """Asks a sampler block by block: random blocks of about `size` pairs, each pair in one block.

    Where a step holds every node, the batch is everything and in-batch negatives are all negatives. In blocks of k + 1
    each node gets about k of the others, and as many nodes learn in a step as under every other sampler. It speaks the
    contract but is no `Sampler`: it is a loader's doing, no method.

    Args:
        base: the sampler, whose negatives the pairs of a batch share.
        size: pairs in a block; blocks are of equal size, to one pair.
    """

    def __init__(self, base: Sampler, size: int) -> None:
        super().__init__()
        self.base = base
        self.size = size

    @property
    def density(self) -> Density:
        """That of the base."""
        return self.base.density

    @property
    def stateful(self) -> bool:
        """Whether the base writes state."""
        return self.base.stateful

    def forward(self, query: Query) -> Negatives:
        """Negatives [B, size] of every pair, from its block."""
        num_blocks = max(1, round(query.batch_size / self.size))
        order = query.stream.child(0).words(query.row, 1)[:, 0].argsort()
        blocks = order.tensor_split(num_blocks)
        width = len(blocks[0])  # the first are the longest
        ids = torch.zeros((query.batch_size, width), dtype=torch.int64, device=query.device)
        mask = torch.zeros_like(ids, dtype=torch.bool)
        log_prob = torch.zeros_like(ids, dtype=torch.float32)
        has_density = True
        for number, rows in enumerate(blocks):
            part = query.child(1, number, anchor=query.anchor[rows], positive=query.positive[rows],
                               row=query.row[rows])
            drawn = self.base(part)
            size = drawn.ids.shape[1]
            if size > width:
                raise ValueError(f"a block of {len(rows)} pairs gave {size} negatives each; at most {width} fit")
            ids[rows, :size] = drawn.ids
            mask[rows, :size] = drawn.mask
            if drawn.log_prob is None:
                has_density = False
            else:
                log_prob[rows, :size] = drawn.log_prob
        return Negatives(ids, log_prob if has_density else None, mask)

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """That of the base: which block a pair fell into is chance."""
        return self.base.log_prob(query, ids)

    def update(self, query: Query, negatives: Negatives, feedback: Feedback | None = None) -> None:
        """Let the base observe the step."""
        self.base.update(query, negatives, feedback)
