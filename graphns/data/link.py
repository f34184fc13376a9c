"""The form that every link-prediction data set takes here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from graphns.data.features import SPARSE_BELOW, check_features
from graphns.encoders.sparse import Sparse
from graphns.graph.graph import Graph
from graphns.streams import Stream

PARTS = ("train", "valid", "test")
PartName = Literal["train", "valid", "test"]


class LinkPart(NamedTuple):
    """Pairs held out, and what they are ranked among.

    Attributes:
        positive: [2, P] int64, sources before targets.
        negative: [2, n] int64, shared by all positives, or [2, P, n], each positive's own.
    """

    positive: Tensor
    negative: Tensor

    @property
    def own(self) -> bool:
        """Whether each positive has negatives of its own."""
        return self.negative.dim() == 3


@dataclass(eq=False)
class LinkData:
    """Edges to train on, and pairs held out from them.

    Args:
        name: as the user typed it.
        num_nodes: N.
        train: [2, n] training positives; distinct, sorted, int64, without self-loops, of an undirected graph each pair
            once with the smaller id first.
        valid: held-out pairs in their order; see `LinkPart`.
        test: likewise.
        x: [N, F] float32 features, finite, dense or sparse; None: there are none.
        undirected: whether (a, b) and (b, a) are one edge.
        metric: the figure that its tables report: a key of `LinkEvaluation.as_dict()`.
        setting: where the negatives come from: "heart", "existing", "ogb" or "random". Figures of different settings
            do not compare.
        repeats: whether a held-out pair may be a training edge too, as in a graph over time (ogbl-collab).

    Raises:
        ValueError: shapes, dtypes or ids do not fit, or a held-out positive is a training edge or in both parts; the
            message names the value.

    Example:
        >>> valid = LinkPart(torch.tensor([[0], [2]]), torch.tensor([[0], [3]]))
        >>> test = LinkPart(torch.tensor([[3], [2]]), torch.tensor([[[0, 3]], [[3, 1]]]))
        >>> data = LinkData("tiny", 4, torch.tensor([[1, 1], [0, 2]]), valid, test)
        >>> data.train.tolist(), data.graph.num_edges, data.valid.own, data.test.own
        ([[0, 1], [1, 2]], 4, False, True)
    """

    name: str
    num_nodes: int
    train: Tensor
    valid: LinkPart
    test: LinkPart
    x: Tensor | Sparse | None = None
    undirected: bool = True
    metric: str = "mrr"
    setting: str = ""
    repeats: bool = False

    def __post_init__(self) -> None:
        """Check everything once, at the door."""
        if self.num_nodes < 1:
            raise ValueError(f"a graph needs at least one node, got num_nodes={self.num_nodes}")
        if self.x is not None:
            self.x = check_features(self.x)
            if self.x.shape[0] != self.num_nodes:
                raise ValueError(f"x must have a row for each of {self.num_nodes} nodes, got {self.x.shape[0]}")
        pairs = _pairs("train", self.train, self.num_nodes)
        pairs = pairs[:, pairs[0] != pairs[1]]
        pairs = pairs.sort(0).values if self.undirected else pairs
        self.train = Graph.from_edge_index(pairs, self.num_nodes).edge_index
        for name in ("valid", "test"):
            given = getattr(self, name)
            positive = _pairs(f"{name}.positive", given.positive, self.num_nodes)
            negative = _pairs(f"{name}.negative", given.negative, self.num_nodes, own=positive.shape[1])
            setattr(self, name, LinkPart(positive, negative))
        if not self.repeats:
            self._check_apart()

    def _check_apart(self) -> None:
        for one, other in (("valid", "train"), ("test", "train"), ("test", "valid")):
            source, target = self.positive(one)
            inside = self.joined(other).has_edge(source, target)
            if bool(inside.any()):
                at = int(inside.nonzero()[0, 0])
                raise ValueError(f"{int(inside.sum())} {one} positives are {other} edges too, the first of them "
                                 f"({int(source[at])}, {int(target[at])}): a model would know them; take them out, or "
                                 "say repeats=True if edges come again over time")

    @cached_property
    def graph(self) -> Graph:
        """The training edges alone, in both directions if undirected: what encoders, samplers and heuristics read."""
        return self.joined("train")

    def positive(self, part: str) -> Tensor:
        """The positives [2, P] of "train", "valid" or "test".

        Raises:
            ValueError: there is no such part.
        """
        if part == "train":
            return self.train
        return self.part(part).positive

    def part(self, name: str) -> LinkPart:
        """The held-out part "valid" or "test".

        Raises:
            ValueError: there is no such part.
        """
        if name not in ("valid", "test"):
            raise ValueError(f"the parts held out are 'valid' and 'test', there is no {name!r}")
        found: LinkPart = getattr(self, name)
        return found

    @property
    def num_positives(self) -> int:
        """How many positives an epoch goes over."""
        return self.train.shape[1]

    def train_pairs(self, rows: Tensor, stream: Stream) -> Tensor:
        """The positives [2, B] that rows [B] of an epoch stand for: training edges. `stream`, of the epoch, is unused.

        Data whose positives are drawn anew each epoch say so here.
        """
        return self.train[:, rows]

    def joined(self, *parts: PartName | str) -> Graph:
        """The graph of some parts' positives, in both directions if undirected, without self-loops.

        Example:
            >>> part = LinkPart(torch.tensor([[0], [2]]), torch.tensor([[0], [3]]))
            >>> data = LinkData("tiny", 4, torch.tensor([[0], [1]]), part, part, repeats=True)
            >>> data.joined("train", "valid").edge_index.tolist()
            [[0, 0, 1, 2], [1, 2, 0, 0]]
        """
        pairs = torch.cat([self.train[:, :0], *(self.positive(part) for part in parts)], 1)
        pairs = pairs[:, pairs[0] != pairs[1]]
        return Graph.from_edge_index(torch.cat([pairs, pairs.flip(0)], 1) if self.undirected else pairs, self.num_nodes)

    def known_negatives(self, part: str) -> int:
        """How many negatives of "valid" or "test" are positives of some part: no mistake of a model that ranks them.

        HeaRT's published negatives have some, OGB's none.
        """
        source, target = self.part(part).negative.reshape(2, -1)
        return int(self.joined(*PARTS).has_edge(source, target).sum())

    @property
    def num_features(self) -> int:
        """F; 0 without features."""
        return 0 if self.x is None else self.x.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the data live."""
        return self.train.device

    @cached_property
    def features(self) -> Tensor | Sparse | None:
        """`x` in the form in which an encoder multiplies it fastest: sparse where few entries are nonzero."""
        if self.x is None or isinstance(self.x, Sparse):
            return self.x
        share = float(self.x.count_nonzero()) / max(self.x.numel(), 1)
        return Sparse.from_dense(self.x) if share < SPARSE_BELOW else self.x

    def to(self, device: torch.device | str) -> LinkData:
        """The data on another device; itself if it is there already."""
        if torch.device(device) == self.device:
            return self
        valid, test = (LinkPart(*(pairs.to(device) for pairs in part)) for part in (self.valid, self.test))
        return replace(self, train=self.train.to(device), x=None if self.x is None else self.x.to(device), valid=valid,
                       test=test)

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one `.npz` of plain arrays; `load_links(path)` reads it."""
        from graphns.data.link_files import write_links

        write_links(self, path)


def _pairs(name: str, pairs: Tensor, num_nodes: int, own: int | None = None) -> Tensor:
    """Pairs [2, n], or where `own` positives may have their own [2, own, n], as int64 of nodes."""
    shapes = "[2, n]" if own is None else f"[2, n], shared, or [2, {own}, n], each positive's own"
    fits = pairs.dim() == 2 or (own is not None and pairs.dim() == 3 and pairs.shape[1] == own)
    if not fits or pairs.shape[0] != 2:
        raise ValueError(f"{name} must be pairs {shapes}, got {tuple(pairs.shape)}")
    if pairs.is_floating_point() or pairs.is_complex() or pairs.dtype == torch.bool:
        raise ValueError(f"{name} must hold integer ids, got {pairs.dtype}; convert it with .long()")
    if not pairs.numel():
        raise ValueError(f"{name} holds no pairs, got {tuple(pairs.shape)}")
    least, most = int(pairs.min()), int(pairs.max())
    if least < 0 or most >= num_nodes:
        raise ValueError(f"{name} has the id {least if least < 0 else most}, outside [0, {num_nodes})")
    return pairs.long().contiguous()
