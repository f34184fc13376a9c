"""What one sampler draws on a graph whose held-out edges it does not know: counted, not estimated from a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.compare.held_out import PARTS, HeldOut
from graphns.compare.pair_scores import spectral_model
from graphns.graph.graph import Graph
from graphns.metrics.audit import coverage, hop_distances, rank_share
from graphns.scorers.overlap import AdamicAdar
from graphns.scorers.table import TableModel
from graphns.streams import Stream

_PAIRS, _DRAWS = 201, 202  # streams of the audit
_MOST_DRAWS = 1 << 24  # of a sampler that gives more than it is asked for
_SCORED = 1 << 23  # scores that hardness sorts; at least so many anchors:
_LEAST_ANCHORS = 256
_BLOCK = 1 << 22  # scores held at once
HOPS = 3  # greatest distance that is told apart
DEGREES = (0, 1, 2, 4, 8, 16, 32, 64)  # where the buckets begin


@dataclass(frozen=True)
class Asked:
    """The pairs that every sampler is asked for, and the scores of their graph.

    Args:
        anchor: [n], of training edges in random order; of an undirected graph in either direction.
        positive: [n].
        model: what `query.model` is.
        similarity: the model-free score; None for a bipartite graph.
    """

    anchor: Tensor
    positive: Tensor
    model: TableModel
    similarity: AdamicAdar | None


def ask(train: Graph, pairs: int, width: int, seed: int) -> Asked:
    """At most so many training pairs, chosen and ordered by the seed; and the scores."""
    edges = train.edge_index
    lots = Stream(seed).child(_PAIRS).words(torch.arange(edges.shape[1]), 1)[:, 0]
    anchor, positive = edges[:, lots.argsort(stable=True)[:pairs]]
    return Asked(anchor, positive, spectral_model(train, width), None if train.bipartite else AdamicAdar(train))


@torch.no_grad()
def measure(sampler: Sampler, held_out: HeldOut, asked: Asked, *, k: int, batch_size: int, epoch: int,
            seed: int) -> dict[str, Any]:
    """Let a sampler draw k negatives for every pair, and count what they are.

    Returns:
        Plain values. `draws`: how many were usable; `usable`: their share of all slots. `train`, `val`, `test`: shares
        of the draws that are such edges. `hardness`, `hardness_model`: the mean share of the anchor's non-neighbours
        that Adamic-Adar, and the spectral model, score below the drawn one, ties half. `coverage`, `entropy`: see
        `metrics.audit.coverage`. `groups`: for each kind ("degree", "hop") and bucket, its draws and its edges of each
        part.

    Raises:
        ValueError: the sampler gives vectors, or draws nothing usable.
    """
    source, drawn, count, slots = _draw(sampler, held_out.train, asked, k, batch_size, epoch, seed)
    total = int(count.sum())
    if not total:
        raise ValueError("no draw was usable: every candidate of every anchor is excluded")
    hit = {part: held_out.parts[part].has_edge(source, drawn) for part in PARTS}
    spread, entropy = coverage(_add(drawn, count, held_out.train.num_dst))
    hardness, of_model = _hardness(held_out.train, asked, source, drawn, count)
    buckets = {"degree": torch.bucketize(held_out.train.degree[source], torch.tensor(DEGREES), right=True) - 1,
               "hop": hop_distances(held_out.train, source, drawn, HOPS)}
    groups = {kind: _by_bucket(bucket, count, hit) for kind, bucket in buckets.items()}
    shares = {part: int(count[hit[part]].sum()) / total for part in PARTS}
    return {"draws": total, "usable": total / slots, **shares, "held_out": shares["val"] + shares["test"],
            "hardness": hardness, "hardness_model": of_model, "coverage": spread, "entropy": entropy, "groups": groups}


def _draw(sampler: Sampler, train: Graph, asked: Asked, k: int, batch_size: int, epoch: int,
          seed: int) -> tuple[Tensor, Tensor, Tensor, int]:
    """The distinct pairs drawn, how often each, and how many slots there were."""
    keys: list[Tensor] = []
    slots, last = 0, len(asked.anchor)
    row = torch.arange(last)
    first = 0
    while first < last:
        at = slice(first, min(first + batch_size, last))
        query = Query(asked.anchor[at], asked.positive[at], k, asked.model, Stream(seed, first // batch_size).child(
            _DRAWS), row[at], epoch)
        negatives: Negatives = sampler(query)
        if negatives.vectors is not None:
            raise ValueError(f"{type(sampler).__name__} gives vectors, which are no candidates: nothing to count")
        source, drawn = negatives.pairs(query)
        keys.append(source * train.num_dst + drawn)
        slots += negatives.mask.numel()
        if sampler.stateful:
            sampler.update(query, negatives, _feedback(query, negatives, asked.model))
        if first == 0 and negatives.mask.shape[1] > k:
            last = min(last, max(batch_size, _MOST_DRAWS // negatives.mask.shape[1]))
        first += batch_size
    found, count = torch.unique(torch.cat(keys), return_counts=True)
    return found // train.num_dst, found % train.num_dst, count, slots


def _feedback(query: Query, negatives: Negatives, model: TableModel) -> Feedback:
    """What a step would tell queues and caches; the model does not learn."""
    if negatives.anchor is not None:
        return Feedback()
    positive = model.score(query.anchor, query.positive[:, None])[:, 0]
    return Feedback(positive, model.score(query.anchor, negatives.ids).expand(negatives.mask.shape), None,
                    model.anchor_table[query.anchor], model.candidate_table[query.positive])


def _add(index: Tensor, count: Tensor, size: int) -> Tensor:
    return torch.zeros(size, dtype=torch.int64).index_add_(0, index, count)


def _by_bucket(bucket: Tensor, count: Tensor, hit: dict[str, Tensor]) -> dict[int, dict[str, int]]:
    size = int(bucket.max()) + 1
    columns = {"draws": _add(bucket, count, size), **{part: _add(bucket[at], count[at], size)
                                                      for part, at in hit.items()}}
    return {number: {name: int(column[number]) for name, column in columns.items()}
            for number in range(size) if int(columns["draws"][number])}


def _hardness(train: Graph, asked: Asked, source: Tensor, drawn: Tensor, count: Tensor) -> tuple[float | None, float]:
    """By Adamic-Adar (None in a bipartite graph) and by the model, over some of the anchors if there are many."""
    anchors, row = torch.unique(source, return_inverse=True)
    most = max(_LEAST_ANCHORS, _SCORED // train.num_dst)
    if len(anchors) > most:
        kept = torch.arange(most) * len(anchors) // most
        place = torch.full((len(anchors),), -1).index_put_((kept,), torch.arange(most))
        anchors, at = anchors[kept], (place[row] >= 0).nonzero()[:, 0]
        row, drawn, count = place[row[at]], drawn[at], count[at]
    every = torch.arange(train.num_dst)[None]
    sums, weight = [0.0, 0.0], 0
    step = max(1, _BLOCK // train.num_dst)
    for first in range(0, len(anchors), step):
        some = anchors[first : first + step]
        at = ((row >= first) & (row < first + step)).nonzero()[:, 0]
        competitors = ~train.has_edge(some, every)
        if not train.bipartite:
            competitors[torch.arange(len(some)), some] = False
        scores = [asked.similarity.rows(some)] if asked.similarity is not None else []
        scores.append(asked.model.score(some, every))
        flat = row[at] - first
        for number, each in enumerate(scores):
            share = _flat_rank_share(each, flat, drawn[at], competitors)
            sums[number] += float((share * count[at]).sum())
        weight += int(count[at].sum())
    means = [each / weight for each in sums]
    return (None, means[0]) if asked.similarity is None else (means[0], means[1])


def _flat_rank_share(scores: Tensor, row: Tensor, drawn: Tensor, competitors: Tensor) -> Tensor:
    """`rank_share` of pairs (row, drawn) [n], rising by row: rows of different length, padded with their first id."""
    size = torch.bincount(row, minlength=len(scores))
    within = torch.arange(len(row)) - (size.cumsum(0) - size)[row]
    padded = torch.zeros((len(scores), int(size.max())), dtype=torch.int64)
    padded[row, within] = drawn
    return rank_share(scores, padded, competitors)[row, within]

