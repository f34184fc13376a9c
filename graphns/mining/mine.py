"""Hard negatives of every anchor, block by block: the whole of mining, read from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphns.base import Sampler
from graphns.kernels.top_scores import Skips
from graphns.mining.audit import Audit, quantiles
from graphns.mining.guards import RULES, Guards, choose
from graphns.mining.items import Items, LabelsFor, Positives, gather
from graphns.mining.parts import Parts
from graphns.mining.search import search
from graphns.mining.table import Metric, pairwise
from graphns.mining.walk import MakeSampler, TableModel, draw, neighbor_graph
from graphns.streams import Stream

_NUMBERS = 1 << 22  # numbers of positives' vectors that are gathered at once


@dataclass(frozen=True, eq=False)
class Mined:
    """What was found, for A anchors with P positives in all.

    Args:
        anchor: [A] int64, rows of the table of anchors, rising.
        negatives: [A, k] int64, rows of the corpus, -1 where there were too few.
        scores: [A, k] float32, -inf there.
        owner: [P] int64, the place in `anchor` of each pair's anchor.
        positive: [P] int64, rows of the corpus.
        positive_score: [P] float32.
        audit: what the rules did.
        texts: of the corpus, or None.
        anchor_texts: of the anchors, or None.
    """

    anchor: Tensor
    negatives: Tensor
    scores: Tensor
    owner: Tensor
    positive: Tensor
    positive_score: Tensor
    audit: Audit
    texts: Sequence[str] | None = None
    anchor_texts: Sequence[str] | None = None

    def triplets(self) -> tuple[Tensor, Tensor, Tensor]:
        """Index tuples (anchor, positive, negative), each [T] int64, as pytorch-metric-learning's losses take them."""
        pair, slot = (self.negatives[self.owner] >= 0).nonzero(as_tuple=True)
        owner = self.owner[pair]
        return self.anchor[owner], self.positive[pair], self.negatives[owner, slot]


def mine(
    embeddings: Any, *, anchors: Any = None, pairs: Any = None, labels: Any = None, anchor_labels: Any = None,
    texts: Sequence[str] | None = None, anchor_texts: Sequence[str] | None = None, labels_for: LabelsFor = "exclude",
    positives: Positives | None = None, guards: Guards | None = None, metric: Metric = "cosine",
    sampler: MakeSampler | None = None, sampler_name: str = "", neighbors: int = 10, draws: int | None = None,
    seed: int = 0, block: int = 1024, parts: str | Path | None = None, device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Mined:
    r"""Mine hard negatives from embeddings.

    The candidates of an anchor are the rows nearest to it, every row looked at; or what a sampler draws for it over the
    k-NN graph of the items. Known positives are left out, `Guards` leave out more, and choose k of the rest. Known are
    the anchor's positives, the anchor itself, items of its label, and rows with the text of one of these.

    Memory: `block` times (2,048 + the candidates of an anchor) scores; the tables are read in pieces, so they may be
    mapped files larger than memory. With a sampler also the k-NN graph.

    Args:
        embeddings: [N, d] tensor, array or mapped `.npy`: the corpus, and the anchors too unless these are given.
        anchors: [M, d], where anchors are other items (queries).
        pairs: [P, 2] integers: rows of an anchor and of its positive. None: every anchor has one positive, by
            `positives`.
        labels: [N] integers or words.
        anchor_labels: [M], with `anchors`.
        texts: [N]; equal texts are one item, the first stands for all. One whose copies have several labels is used
            neither as a negative nor as an anchor.
        anchor_texts: [M], with `anchors`.
        labels_for: ``"exclude"``: items of the anchor's label are known positives. ``"audit"``: labels only tell
            afterwards which negatives have it.
        positives: ``"random"``: another item of the anchor's label (default with labels to exclude); ``"nearest"``: the
            nearest item, with labels to exclude that of the label.
        guards: the rules and k; default `Guards()`.
        metric: see `graphns.mining.table.Metric`.
        sampler: makes a sampler of a graph, as a `Sampler` class does. With strategies "top" and "random" ranks are
            those of its draws by score.
        sampler_name: tells two samplers apart where a mining goes on.
        neighbors: of the k-NN graph.
        draws: slots that the sampler draws for each anchor; default 10 k.
        seed: of the random positives, the sampler and the random choice; keyed by the anchor, not by blocks.
        block: anchors that are mined at once. More read a mapped file fewer times.
        parts: folder for finished blocks; a mining cut off goes on there. It stays until `Parts.remove`.
        device: where scores are made.
        progress: called with the anchors done and all.

    Raises:
        ValueError: an argument is out of range, or what is given does not fit; the message names it.

    Example:
        >>> import numpy as np
        >>> circle = np.arange(12) * np.pi / 6
        >>> points = np.stack([np.cos(circle), np.sin(circle)], 1)
        >>> mined = mine(points, pairs=[(0, 1), (6, 5)], guards=Guards(k=2, absolute_margin=0.1))
        >>> mined.negatives  # 11 and 7 score like the positives: too near
        tensor([[ 2, 10],
                [ 4,  8]])
    """
    guards = Guards() if guards is None else guards
    for name, value in (("block", block), ("draws", draws)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    draws = 10 * guards.k if draws is None else draws
    if sampler is not None:
        guards = guards.of_sampler(draws)
    elif guards.strategy == "drawn":
        raise ValueError("strategy 'drawn' is the order of a sampler's draws; without a sampler take top or random")
    stream = Stream(seed)
    items = gather(embeddings, anchors=anchors, pairs=pairs, labels=labels, anchor_labels=anchor_labels, texts=texts,
                   anchor_texts=anchor_texts, labels_for=labels_for, positives=positives, metric=metric,
                   stream=stream.child(0))
    identity = {**items.fingerprint, "metric": metric, "labels for": labels_for, "positives": str(positives),
                **{name: str(value) for name, value in asdict(guards).items()}, "sampler": sampler_name,
                "neighbors": str(neighbors), "draws": str(draws), "seed": str(seed), "block": str(block)}
    kept = Parts(parts, identity)
    miner = _Miner(items, guards, stream, device, draws)
    total = len(items.pairs.anchor)
    starts = range(0, total, block)
    finished = [kept.load(number) for number in range(len(starts))]
    if sampler is not None and None in finished:
        graph = neighbor_graph(items.anchors, items.corpus, neighbors, items.banned, block, device)
        miner.sampler = sampler(graph)
    for number, start in enumerate(starts):
        stop = min(start + block, total)
        if finished[number] is None:
            finished[number] = miner.block(start, stop, sampler is not None)
            kept.save(number, finished[number] or {})
        if progress is not None:
            progress(stop, total)
    return _joined(items, guards, [each for each in finished if each is not None])


class _Miner:
    """Mines one block of anchors at a time."""

    def __init__(self, items: Items, guards: Guards, stream: Stream, device: torch.device | str, draws: int) -> None:
        self.items, self.guards, self.stream, self.device, self.draws = items, guards, stream, device, draws
        self.last_rank = guards.last_rank(items.pairs.most)
        self.model = TableModel(items.anchors, items.corpus)
        self.sampler: Sampler | None = None

    def block(self, start: int, stop: int, by_sampler: bool) -> dict[str, Tensor]:
        """The arrays of anchors start … stop-1: negatives, scores, positives with scores, and what rules left out."""
        items, pairs = self.items, self.items.pairs
        anchor = pairs.anchor[start:stop]
        queries = items.anchors.rows(anchor)
        span = slice(int(pairs.indptr[start]), int(pairs.indptr[stop]))
        positive, owner = pairs.positive[span], pairs.owner[span] - start
        if bool((positive < 0).any()):
            positive = self._nearest(anchor, queries)
        reached = torch.full((len(positive),), -torch.inf)
        found = positive >= 0  # an anchor alone with its label has no nearest
        for piece in torch.split(found.nonzero()[:, 0], max(1, _NUMBERS // items.corpus.width)):
            reached[piece] = pairwise(queries[owner[piece]], items.corpus.rows(positive[piece]), items.corpus.metric)
        floor = torch.full((len(anchor),), torch.inf).scatter_reduce_(0, owner, reached, "amin")
        if by_sampler:
            ids, scores = self._drawn(anchor, positive[pairs.indptr[start:stop] - span.start])
        else:
            pool = min(self.last_rank + pairs.most, len(items.corpus))
            ids, scores = search(queries, items.corpus, pool, self._skips(anchor, same=False), self.device)
        known = pairs.is_known(start, stop, ids)
        if bool((pairs.positive[span] < 0).any()):
            known |= ids == positive[:, None]
        if by_sampler and items.exclude_labels:
            assert items.label is not None and items.anchor_label is not None
            known |= items.label[ids.clamp(min=0)] == items.anchor_label[anchor][:, None]
        negatives, kept, skipped = choose(ids, scores, known, floor, self.guards, self.last_rank, self.stream.child(1),
                                          anchor)
        return {"negatives": negatives, "scores": kept, "positive": positive, "positive_score": reached,
                "skipped": torch.cat([(ids >= 0).sum()[None], skipped])}

    def _skips(self, anchor: Tensor, same: bool) -> Skips:
        items = self.items
        if not items.exclude_labels:
            return Skips(items.banned, *torch.empty(2, 0, dtype=torch.int64))
        assert items.label is not None and items.anchor_label is not None
        return Skips(items.banned, items.anchor_label[anchor], items.label, same)

    def _nearest(self, anchor: Tensor, queries: Tensor) -> Tensor:
        """The nearest row of each anchor that is not itself; of its label where labels are to exclude; -1: none."""
        ids, _ = search(queries, self.items.corpus, 2, self._skips(anchor, same=True), self.device)
        own = (ids[:, 0] == anchor) if self.items.one_table else torch.zeros(len(anchor), dtype=torch.bool)
        return torch.where(own, ids[:, 1], ids[:, 0])

    def _drawn(self, anchor: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        """Candidates of a sampler with their scores: in the order drawn, or best first if ranks are asked for."""
        assert self.sampler is not None
        given = torch.where(positive < 0, anchor if self.items.one_table else 0, positive)
        ids = draw(self.sampler, self.model, anchor, given, self.draws, self.stream.child(2))
        if len(self.items.banned):
            ids = ids.masked_fill(self.items.banned[ids.clamp(min=0)], -1)
        scores = self.model.score(anchor, ids.clamp(min=0)).masked_fill_(ids < 0, -torch.inf)
        if self.guards.strategy != "drawn":
            scores, order = scores.sort(dim=1, descending=True, stable=True)
            ids = ids.gather(1, order)
        return ids, scores


def _joined(items: Items, guards: Guards, blocks: list[dict[str, Tensor]]) -> Mined:
    """The result of all blocks, less the anchors for which no positive was found."""
    negatives, scores, positive, reached = (
        torch.cat([each[name] for each in blocks]) for name in ("negatives", "scores", "positive", "positive_score"))
    anchor, owner = items.pairs.anchor, items.pairs.owner
    alone = int((positive < 0).sum())
    if alone:  # then every anchor has one slot
        kept = positive >= 0
        anchor, negatives, scores, positive, reached = (
            each[kept] for each in (anchor, negatives, scores, positive, reached))
        owner = torch.arange(len(anchor))
    some = negatives >= 0
    row, slot = some[owner].nonzero(as_tuple=True)
    skipped = torch.stack([each["skipped"] for each in blocks]).sum(0).tolist()
    false = None
    if items.label is not None and items.anchor_label is not None:
        alike = items.label[negatives.clamp(min=0)] == items.anchor_label[anchor][:, None]
        false = float((alike & some).sum()) / max(int(some.sum()), 1)
    audit = Audit(
        anchors=len(anchor), pairs=len(positive), negatives=int(some.sum()), short=int((~some.all(1)).sum()),
        empty=int((~some.any(1)).sum()), left_out=items.left_out + alone, candidates=skipped[0],
        skipped=dict(zip(RULES, skipped[1:], strict=True)), positive=quantiles(reached),
        negative=quantiles(scores[some]), difference=quantiles(reached[row] - scores[owner[row], slot]),
        false_negatives=false)
    return Mined(anchor, negatives, scores, owner, positive, reached, audit, items.texts, items.anchor_texts)
