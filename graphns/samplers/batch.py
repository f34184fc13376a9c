"""What is drawn for a batch as a whole: some of its positives, and words that all its pairs share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from graphns.base import Negatives, Query
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude, excluded, is_candidate
from graphns.streams import bounded


def batch_row(query: Query) -> Tensor:
    """The row id [1] that stands for the batch: its lowest, whatever the order of the pairs; 0 for an empty batch."""
    return query.row.min()[None] if query.batch_size else torch.zeros(1, dtype=torch.int64, device=query.device)


def batch_words(query: Query, num: int) -> Tensor:
    """Random words [num] that all pairs of the batch share."""
    return query.stream.words(batch_row(query), num)[0]


def shared_uniform(query: Query, num: int, num_candidates: int) -> Tensor:
    """Uniform ids [1, num] in [0, num_candidates) for the whole batch, with replacement; nothing is excluded."""
    return bounded(batch_words(query, num), num_candidates)[None]


def chosen_positives(query: Query, k: int, num_candidates: int) -> Tensor:
    """min(k, B) of the batch's positives, [1, .]: all in the order of the batch, or k chosen at random.

    Raises:
        ValueError: a positive is no candidate.
    """
    ids = query.positive[None, :]
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < num_candidates:
        raise ValueError(f"positives from {int(ids.min())} to {int(ids.max())} are not all candidates "
                         f"[0, {num_candidates})")
    if k < query.batch_size:
        # the holders of the k lowest lots: a choice by row id, whatever the order of the batch
        ids = ids[:, query.stream.words(query.row, 1)[:, 0].argsort(stable=True)[:k]]
    return ids


def positives_of_batch(
    graph: Graph, query: Query, exclude: Exclude, log_share: Callable[[Tensor], Tensor]
) -> Negatives:
    """Some k of the batch's positives, shared, with the log of their share of all; slots beyond B are masked."""
    ids = chosen_positives(query, query.k, graph.num_dst)
    rows, extra = excluded(graph, query, exclude)
    mask = is_candidate(graph, rows, extra, ids)
    empty = (0, query.k - ids.shape[1])
    return Negatives(pad(ids, empty), pad(log_share(ids), empty), pad(mask, empty, value=False))


def log_mixed(log_share: Tensor, share: float | Tensor, num_candidates: int) -> Tensor:
    """Log of the density of a slot, of which `share` are other pairs' positives and the rest is uniform."""
    return (share * log_share.double().exp() + (1 - share) / num_candidates).log().float()
