"""Vectors made ready for contrastive training: what is held out, each row's positives, and the graph samplers see."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from graphns.data.link import LinkData, LinkPart
from graphns.data.vectors import VectorData
from graphns.encoders.sparse import Sparse
from graphns.graph.graph import Graph
from graphns.graph.knn import check_k, knn_graph
from graphns.graph.table import Metric, Table
from graphns.pipelines.embeddings_config import EmbeddingConfig
from graphns.streams import Stream, bounded

SAME = 4.0
"""The least score of a compared pair (STS-B: 0 … 5) that makes it a positive."""
_MOST_EDGES = 1 << 28
_PARTNER = 5  # the stream of one epoch, beside those of `graphns.pipelines.link_step`
_VALID, _TEST = 0, 1  # streams of a split


def _none() -> LinkPart:
    empty = torch.empty(2, 0, dtype=torch.int64)
    return LinkPart(empty, empty)


@dataclass(eq=False)
class VectorLinks(LinkData):
    """The rows that are trained on, as data of `graphns.pipelines.link_prediction.fit`; nothing is held out in them.

    Args:
        train: [2, E] int64, all known positives of rows, each pair once, the smaller id first: `graph`.
        positives: graph of the rows; an epoch asks of each row that has a neighbour, for one of them.
    """

    valid: LinkPart = field(default_factory=_none)
    test: LinkPart = field(default_factory=_none)
    positives: Graph = field(default_factory=lambda: Graph.empty(1))

    def __post_init__(self) -> None:
        """Nothing: `EmbeddingTask.make` has checked it."""

    @cached_property
    def anchors(self) -> Tensor:
        """The rows [A] that have a positive."""
        return self.positives.degree.nonzero()[:, 0]

    @cached_property
    def features(self) -> Tensor | Sparse | None:
        """`x` as it is: a head of one's own may read it."""
        return self.x

    @property
    def num_positives(self) -> int:
        """A: a positive for each anchor."""
        return len(self.anchors)

    def train_pairs(self, rows: Tensor, stream: Stream) -> Tensor:
        """Anchors and, of each, a uniformly drawn positive [2, B]; keyed by (stream, anchor's place)."""
        anchor = self.anchors[rows]
        graph, words = self.positives, stream.child(_PARTNER).words(rows, 1)[:, 0]
        at = graph.indptr[anchor] + bounded(words, graph.degree[anchor])
        return torch.stack([anchor, graph.indices[at].long()])

    def to(self, device: torch.device | str) -> VectorLinks:
        """The data on another device; themselves if they are there already."""
        if torch.device(device) == self.device:
            return self
        return replace(cast(VectorLinks, super().to(device)), positives=self.positives.to(device))


@dataclass(frozen=True, eq=False)
class EmbeddingTask:
    """What is trained on, chosen by and tested on; `EmbeddingTask.make` splits.

    Args:
        data: all rows.
        links: of the rows that are trained on.
        rows: [n] int64, which these are; row i of `links` is row rows[i] of `data`.
        valid: to choose the epoch by: rows [m] int64 where there are labels, else pairs of rows [2, m].
        test: likewise, for the end.
        known: all pairs, held out or not, in both directions, where there are no labels: what a ranking leaves out.
    """

    data: VectorData
    links: VectorLinks
    rows: Tensor
    valid: Tensor
    test: Tensor
    known: Graph | None = None

    @property
    def graph(self) -> Graph:
        """What samplers are built over: nearest rows and known pairs among the rows trained on, in both directions."""
        return self.links.graph

    @property
    def labels(self) -> Tensor | None:
        """[n] labels of the rows trained on; None: there are none."""
        return None if self.data.labels is None else self.data.labels[self.rows]

    @classmethod
    def make(cls, data: VectorData, config: EmbeddingConfig) -> EmbeddingTask:
        """Split data, and join each row that is trained on to its nearest rows and its known partners.

        With labels, rows are held out: the published test part, or a share `config.test`, and of the others a share
        `config.val`. They are in no graph. Without labels, pairs are held out likewise, and all rows are trained on;
        where no pairs are given, edges of the k-NN graph stand for them. Pairs compared by people count from a score of
        `SAME`. A pair of a row with itself says nothing and is left out, as is a held-out pair that comes in training.

        Raises:
            ValueError: vectors, labels or pairs are not what they should be, there are too few rows, or no positives of
                the kind that the settings ask for.
        """
        x = _vectors(data)
        labels, pairs = data.labels, _pairs(data)
        own = replace(data, x=x)
        number = len(x)
        if config.positives == "pairs" and pairs is None:
            raise ValueError(f"positives='pairs' needs pairs, and {data.name} has none")
        if config.positives == "labels" and labels is None:
            raise ValueError(f"positives='labels' needs labels, and {data.name} has none")
        given = pairs is not None
        kind = ("pairs" if given else "neighbors") if config.positives == "auto" else config.positives
        if labels is not None:
            if labels.shape != (number,) or labels.is_floating_point() or labels.dtype == torch.bool:
                raise ValueError(f"need one whole number a row as labels [{number}], got {labels.dtype} "
                                 f"{tuple(labels.shape)}")
            rows, valid, test = _parts(number, {} if given and data.scores is not None else data.split, config)
            place = torch.full((number,), -1, dtype=torch.int64)
            place[rows] = torch.arange(len(rows))
            inside = torch.empty(2, 0, dtype=torch.int64) if pairs is None else place[pairs]
            inside = inside[:, (inside >= 0).all(0)]
            held_out: tuple[Tensor, Tensor, Graph | None] = valid, test, None
        else:
            rows = torch.arange(number)
            if pairs is None:
                pairs, kind = _edges(_near(x, config)), "pairs"
            inside, valid, test = _held_out(pairs, data, number, config)
            held_out = valid, test, _both(pairs, number)
        # without labels and pairs the nearest rows are the pairs, and those held out must not come back
        near = _both(inside, number) if labels is None and not given else _near(x[rows], config)
        alike = inside[:, :0] if labels is None or kind != "labels" else _same_label(labels[rows])
        links = _links(own, x[rows], torch.cat([near.edge_index, inside, alike], 1))
        positives = {"neighbors": near, "pairs": _both(inside, len(rows)),
                     "labels": Graph.from_edge_index(alike, len(rows))}[kind]
        if not positives.num_edges:
            raise ValueError(f"no row of {data.name} that is trained on has a positive of the kind {kind!r}")
        return cls(own, replace(links, positives=positives), rows, *held_out)


def _links(data: VectorData, x: Tensor, known: Tensor) -> VectorLinks:
    known = known[:, known[0] != known[1]].sort(0).values
    return VectorLinks(data.name, len(x), Graph.from_edge_index(known, len(x)).edge_index, x=x, metric="map@r" if
                       data.labels is not None else "mrr", setting="vectors")


def _vectors(data: VectorData) -> Tensor:
    Table(data.x)  # refuses what is no table of finite numbers
    if len(data.x) < 4:
        raise ValueError(f"{data.name} has {len(data.x)} rows; to train, choose and test, give at least 4")
    return torch.as_tensor(data.x).float().contiguous()


def _pairs(data: VectorData) -> Tensor | None:
    """The positive pairs [2, P], or None; whatever is no pair of two rows is refused."""
    if data.pairs is None:
        return None
    pairs, number = data.pairs, len(data.x)
    if pairs.dim() != 2 or pairs.shape[1] != 2 or pairs.is_floating_point() or pairs.dtype == torch.bool:
        raise ValueError(f"pairs must be whole numbers [P, 2], got {pairs.dtype} {tuple(pairs.shape)}")
    if not len(pairs):
        raise ValueError("there are no pairs: leave them out, or give some")
    low, high = int(pairs.min()), int(pairs.max())
    if low < 0 or high >= number:
        raise ValueError(f"pairs hold the row {low if low < 0 else high}, outside [0, {number})")
    kept = pairs[:, 0] != pairs[:, 1]
    if data.scores is not None:
        kept = kept & (data.scores >= SAME)
    if not bool(kept.any()):
        raise ValueError("none of the pairs joins two rows that are alike")
    return pairs[kept].T.long()


def _parts(number: int, split: dict[str, Tensor], config: EmbeddingConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Which of `number` things are trained on, chosen by and tested on: the published parts, the rest by the seed."""
    left = torch.arange(number)
    if "train" in split and "test" in split:
        test, left = split["test"], split["train"]
    else:
        left, test = _share(left, config.test, Stream(config.split_seed).child(_TEST))
    if "train" in split and "test" in split and "valid" in split:
        valid = split["valid"]
    else:
        left, valid = _share(left, config.val, Stream(config.split_seed).child(_VALID))
    return left, valid, test


def _share(things: Tensor, share: float, stream: Stream) -> tuple[Tensor, Tensor]:
    """The others, and a random share, at least one, both in their order."""
    taken = min(max(1, round(share * len(things))), len(things) - 1)
    chosen = torch.zeros(len(things), dtype=torch.bool)
    chosen[stream.words(things, 1)[:, 0].argsort()[:taken]] = True
    return things[~chosen], things[chosen]


def _held_out(pairs: Tensor, data: VectorData, number: int, config: EmbeddingConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs to train on, to choose by and to test on; the published parts are of all compared pairs."""
    split = data.split
    if split and data.pairs is not None:
        kept = data.pairs[:, 0] != data.pairs[:, 1]
        if data.scores is not None:
            kept = kept & (data.scores >= SAME)
        place = kept.cumsum(0) - 1
        split = {name: place[part[kept[part]]] for name, part in split.items()}
    if pairs.shape[1] < 3:
        raise ValueError(f"{data.name} has {pairs.shape[1]} pairs; to train, choose and test, give at least 3")
    train, valid, test = (pairs[:, part] for part in _parts(pairs.shape[1], split, config))
    seen, parts = _both(train, number), []
    for part in (valid, test):
        fresh = part[:, ~seen.has_edge(part[0], part[1])]
        if not fresh.shape[1]:
            raise ValueError("every pair that is held out comes in training too: give distinct pairs, or hold out more "
                             "with val and test")
        parts.append(fresh)
        seen = _both(torch.cat([train, valid], 1), number)
    return train, parts[0], parts[1]


def _near(x: Tensor, config: EmbeddingConfig) -> Graph:
    check_k(config.neighbors, len(x) - 1, f"{len(x)} rows to train on; set neighbors")
    return knn_graph(x, config.neighbors, cast(Metric, config.metric), seed=config.split_seed)


def _edges(graph: Graph) -> Tensor:
    """The edges of a graph, each pair once."""
    return Graph.from_edge_index(graph.edge_index.sort(0).values, graph.num_nodes).edge_index


def _both(pairs: Tensor, number: int) -> Graph:
    return Graph.from_edge_index(torch.cat([pairs, pairs.flip(0)], 1), number)


def _same_label(labels: Tensor) -> Tensor:
    """All pairs [2, E] of two rows of one label, in both directions."""
    edges = int((torch.unique(labels, return_counts=True)[1] ** 2).sum())
    if edges > _MOST_EDGES:
        raise ValueError(f"{edges:,} pairs of rows have one label: draw fewer positives, with positives='neighbors' or "
                         "'pairs'")
    order = torch.argsort(labels, stable=True)
    parts = [torch.cartesian_prod(group, group).T for group in
             torch.split(order, torch.unique(labels, return_counts=True)[1].tolist())]
    pairs = torch.cat(parts, 1)
    return pairs[:, pairs[0] != pairs[1]]
