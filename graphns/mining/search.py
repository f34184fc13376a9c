"""The exact nearest rows of a table, by tiles of bounded memory. All of mining finds its candidates here."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.kernels.top_scores import Skips, empty_top, push_top, sort_top
from graphns.mining.table import Table, products

TILE = 2048  # rows of the table that are scored at once: 8 MB of scores with 1,024 queries, which stay in the cache


def search(
    queries: Tensor, corpus: Table, k: int, skips: Skips | None = None, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """The k best-scored rows of a corpus for each query; every row is looked at.

    Args:
        queries: [B, d], from a `Table` of the same metric.
        corpus: what is searched.
        k: how many; more than the corpus has leaves -1.
        skips: rows that are not taken; default: none.
        device: where scores are made.

    Returns:
        ids [B, k] int64 and scores [B, k] float32, best first, of equal scores the lower id; -1 and -inf where there
        are no more.

    Example:
        >>> import numpy as np
        >>> corpus = Table(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        >>> search(corpus.tile(0, 1), corpus, 2)[0]
        tensor([[0, 2]])
    """
    queries = queries.to(device)
    skips = Skips.none() if skips is None else skips
    skips = skips.to(device)
    best, ids = empty_top(len(queries), k, corpus.dtype, queries.device)
    for start in range(0, len(corpus), TILE):
        tile = corpus.tile(start, min(start + TILE, len(corpus))).to(device)
        push_top(best, ids, products(queries, tile, corpus.metric), start, skips)
    sort_top(best, ids)
    return ids.cpu(), best.float().cpu()
