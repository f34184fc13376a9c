"""Some of the candidates that each row holds, drawn anew."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Query, Sampler
from graphns.samplers.lists import is_listed
from graphns.samplers.pool import draw_pool
from graphns.streams import unit


def turned_over(
    base: Sampler, query: Query, known: Tensor, kept: Tensor, fresh: Tensor, share: float
) -> tuple[Tensor, Tensor]:
    """The candidates of the query's rows after a share of them is replaced, and where they are new: both [B, C].

    No id comes in that the row holds, so that distinct draws leave distinct candidates. A row for which the base has no
    more than C candidates has them all already, and stays.

    Args:
        base: draws the new ones.
        query: by whose children 4 and 5 they are drawn.
        known: [B, C] ids; -1 where there is none.
        kept: [B, m] places that stay.
        fresh: [B] bool, the rows in which everything is new.
        share: probability that a place is tried.
    """
    drawn = draw_pool(base, query.child(5), known.shape[1])
    some = unit(query.stream.child(4).words(query.row, known.shape[1])) < share
    some &= drawn.mask.all(1)[:, None] & ~is_listed(known.long(), kept.new_full(fresh.shape, known.shape[1]), drawn.ids)
    new = fresh[:, None] | some.scatter(1, kept, False)
    return torch.where(new, torch.where(drawn.mask, drawn.ids, -1).to(known.dtype), known), new
